"""The settings of the load test: environment variables, each with a flag of the same name.

`load` resolves them once, at the start of a program. Its result is never changed: it travels down as
values to whatever needs one.
"""

import dataclasses
import os
import re
import secrets
from typing import Any, Iterable, Mapping

from .. import Failure
from . import generating, matrix, server_list
from .presets import EXTRA_POINTS, PRESETS
from .setting_list import AXES, MIX, OF_WORK, SETTINGS, Usage


class Help(Exception):
    """The user asked for the help text (show/help.py)."""


@dataclasses.dataclass(frozen=True)
class Settings:
    servers: list[matrix.Server]
    points: list[matrix.Point]
    server_list: server_list.ServerList
    values: dict[str, Any]  # name -> parsed value; also an attribute of the lower-case name
    texts: dict[
        str, str | None
    ]  # name -> as given or defaulted, for environment.json and for continuing a run

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name.upper()]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def connections_most(self) -> int:
        return max(point.connections for point in self.points)

    def with_seed(self, text: str) -> "Settings":
        """The same settings with the seed of a run that is continued."""
        return dataclasses.replace(
            self, values=self.values | {"SEED": int(text)}, texts=self.texts | {"SEED": text}
        )


def load(arguments: Iterable[str], environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from flags, then the environment, then the defaults. Raises Usage or Help."""
    given = {name: environ[name] for name in SETTINGS if environ.get(name)} | _flags(arguments)
    preset = PRESETS.get(given.get("PRESET", "quick"), {})
    texts = {name: given.get(name, preset.get(name, default)) for name, (_, default, _) in SETTINGS.items()}
    try:
        known = server_list.read(texts["SERVER_LIST"])
    except Failure as error:
        raise Usage(str(error)) from None
    if texts["SERVERS"] is None:
        texts["SERVERS"] = " ".join(known.core)
    if texts["SEED"] is None:
        texts["SEED"] = str(secrets.randbelow(2**32))
    _divide_workloads(given, texts)
    generating.divide_modes(given, texts)
    if texts["CPU_GROUPS"] is None and not texts["TARGETS"]:
        texts["CPU_GROUPS"] = "service"
    values = {name: _parsed(name, text) for name, text in texts.items()}
    servers = values["SERVERS"]
    if values["TARGETS"]:
        servers = matrix.servers(values["TARGETS"])
        values["PROXY"] = _proxies_of(values["TARGETS"], values["PROXY"] if "PROXY" in given else None)
        texts["PROXY"] = " ".join(values["PROXY"])
    texts["GENERATOR"] = values["GENERATOR"] = generating.choose(values)
    _check(servers, values)
    return Settings(servers, _points(given, values, servers), known, values, texts)


def _divide_workloads(given: Mapping[str, str], texts: dict[str, str | None]) -> None:
    """Each workload has its own settings; one of another workload would say nothing, so it is refused."""
    workload = texts["WORKLOAD"]
    for name in OF_WORK if workload == matrix.CRUD else ("MIX",):
        if name in given:
            raise Usage(f"{name}: it has no part in WORKLOAD={workload}: leave it out")
        texts[name] = None
    if workload == matrix.CRUD:
        texts["MIX"] = given.get("MIX", MIX)


def _flags(arguments: Iterable[str]) -> dict[str, str]:
    given = {}
    words = iter(arguments)
    for word in words:
        if word in ("--help", "-h"):
            raise Help
        if word in ("--quiet", "-q"):
            given["QUIET"] = "1"
            continue
        flag, equals, value = word.partition("=")
        name = flag[2:].upper().replace("-", "_")
        if not flag.startswith("--") or name not in SETTINGS or flag != flag.lower():
            # Not the whole word, which may be an address with a password.
            raise Usage(f"{re.split('[=:]', word)[0]}: no such flag; --help lists them")
        if not equals:
            following = next(words, None)
            if following is None:
                raise Usage(f"{word} wants a value")
            value = following
        given[name] = value
    return given


def _parsed(name: str, text: str | None) -> Any:
    try:
        return None if text is None else SETTINGS[name][0](text)
    except ValueError as error:
        raise Usage(f"{name}: {error}") from None


def _proxies_of(targets: list[matrix.Target], asked: list[str] | None) -> list[str]:
    """What PROXY is: as asked, or by default what every target has an address for."""
    known: dict[str, list[str]] = {}
    for target in targets:
        known.setdefault(target.name, []).append(target.proxy)
    measured = asked
    if measured is None:
        measured = [proxy for proxy in ("none", "nginx") if all(proxy in each for each in known.values())]
        if not measured:
            raise Usage(
                "TARGETS: some have only an address behind nginx and some have none there: name both addresses of each"
            )
    for name, proxies in known.items():
        if len(set(proxies)) != len(proxies):
            raise Usage(f"TARGETS: {name} has two addresses; give one of them another name")
        for proxy in measured:
            if proxy not in proxies:
                address = name if proxy == "none" else f"{name}@{proxy}"
                raise Usage(
                    f"PROXY: {proxy} wants an address of {name} in TARGETS: {address}=http://host:port"
                )
    return measured


def _check(servers: list[matrix.Server], values: dict[str, Any]) -> None:
    names = [server.name for server in servers]
    if len(set(names)) != len(names):
        raise Usage("SERVERS: two servers have the same name; write model:name to tell them apart")
    if values["GENERATORS"] and not values["TARGETS"]:
        raise Usage("GENERATORS: generators elsewhere want TARGETS, with addresses that they can reach")
    for name in AXES + ("LOAD", "PROXY", "SERVERS"):
        if values[name] == []:
            raise Usage(f"{name}: the list is empty")
    if values["WORKLOAD"] == matrix.CRUD:
        _check_crud(servers, values)


def _check_crud(servers: list[matrix.Server], values: dict[str, Any]) -> None:
    if values["TARGETS"] and not values["DATABASE_URL"]:
        raise Usage(
            "DATABASE_URL: WORKLOAD=crud wants the database of the TARGETS, to fill the table items and count its rows"
        )
    for server in servers:
        if server.work:
            raise Usage(f"SERVERS: +{server.work[0][0]} of {server.name} has no part in WORKLOAD=crud")


def _points(
    given: dict[str, str], values: dict[str, Any], servers: list[matrix.Server]
) -> list[matrix.Point]:
    if values["WORKLOAD"] == matrix.CRUD:
        points = matrix.crud(*(values[name] for name in ("PROXY", "C", "K", "I")))
    else:
        points = matrix.product(*(values[name] for name in ("PROXY",) + AXES))
        # The points beside the product are of closed loops: each would be six with LOAD.
        if values["MODE"] == matrix.CLOSED and not any(name in given for name in AXES):
            extra = EXTRA_POINTS[values["PRESET"]]
            points += [matrix.Point(proxy, *rest) for proxy in values["PROXY"] for rest in extra]
        _check_possible(points, values, servers)
    return matrix.loaded(points, values["LOAD"]) if values["MODE"] == matrix.OPEN else points


def _check_possible(points: list[matrix.Point], values: dict[str, Any], servers: list[matrix.Server]) -> None:
    pool = values["POOL"]
    for own in (dict(server.variables).get("DB_POOL") for server in servers):
        if own is not None:  # a pipeline has a connection for each CPU by itself
            pool = min(pool, int(own) or len(os.sched_getaffinity(0)))
    for point in points:
        reason = matrix.impossible(point, pool, values["DURATION"])
        if reason:
            raise Usage(reason)
