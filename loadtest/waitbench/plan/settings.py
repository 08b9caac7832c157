"""The settings of the load test: environment variables, each with a flag of the same name.

`load` resolves them once, at the start of a program. What it returns is never changed: it travels down as
values to whatever needs one.
"""

import dataclasses
import os
import re
import secrets
from typing import Any, Callable, Iterable, Mapping

from .. import Failure
from . import address, matrix, server_list
from .parsers import choice, list_of, number, shares, text_of
from .presets import EXTRA_POINTS, PRESETS


class Usage(Exception):
    """A setting that is not possible: one line that names it. The command line exits with 2."""


class Help(Exception):
    """The user asked for the help text (show/help.py)."""


# name: (parser, default, help). A default of None comes from the preset, or is explained by the help.
SETTINGS: dict[str, tuple[Callable, str | None, str]] = {
    "PRESET": (choice("quick", "full"), "quick", "what the settings below default to: quick or full"),
    "SERVERS": (
        list_of(matrix.parse_server),
        None,
        "list: model[:name][+option=value...], models of SERVER_LIST; README.md has the options; default: every"
        " server of SERVER_LIST",
    ),
    "SERVER_LIST": (
        text_of,
        None,
        "CSV file that lists the servers and how to start each; default: servers.csv",
    ),
    "TARGETS": (
        list_of(matrix.parse_target),
        "",
        "list: name=http://host:port, servers that run elsewhere; instead of SERVERS. name@nginx=http://host:port"
        " is the same server's address behind nginx; default where nothing is built: the servers of docker compose"
        " that respond on this machine",
    ),
    "GENERATORS": (
        list_of(address.parse),
        "",
        "list: http://host:port of loadtest/generator on each host that is to run wrk, for TARGETS; default: wrk"
        " here",
    ),
    "WORKLOAD": (
        choice(*matrix.WORKLOADS),
        matrix.USUAL,
        "work: GET /work with N, M, W and D; crud: a mix of reads and writes of /items, which N, M, W and D have no"
        " part in",
    ),
    "MIX": (
        shares,
        None,
        "with WORKLOAD=crud, the shares of reads, lists, creates, replaces, patches and deletes;"
        " default: 70 20 4 3 2 1",
    ),
    "N": (list_of(number(0, 1000)), None, "list: queries per request"),
    "M": (list_of(number(0, 16777216)), None, "list: bytes of a response's body, 0 or at least 64"),
    "W": (list_of(number(0, 1000)), None, "list: updates among the N queries"),
    "D": (list_of(number(0, 10000)), None, "list: milliseconds that the database adds to each query"),
    "C": (
        list_of(number(1, 60000)),
        None,
        "list: connections that wrk keeps open, one request each at a time",
    ),
    "PROXY": (
        list_of(choice("none", "nginx")),
        "none",
        "list of none and nginx: what stands in front of the server; with TARGETS, by default, what all of them name",
    ),
    "DURATION": (number(0.5, 600, whole=False), None, "seconds for which a run is measured"),
    "WARMUP": (
        number(0, 600, whole=False),
        None,
        "seconds of load before that, whose results are discarded",
    ),
    "REPEATS": (number(1, 1000), None, "blocks at each point; fewer than 12 are called exploratory"),
    "POOL": (number(1, 10000), "16", "database connections of a server, the same total for every server"),
    "SEED": (number(0, 2**63 - 1), None, "of all random order; default: a new one each time, recorded"),
    "OUT": (text_of, None, "results folder; one already begun is continued; default: results/<UTC time>"),
    "BUILD": (
        text_of,
        "build",
        "folder of the built programs, $BUILD in SERVER_LIST, from the project's root",
    ),
    "DATABASE_URL": (
        text_of,
        "",
        "PostgreSQL with db/schema.sql, whose rows are reset; default: a private one (db/local)",
    ),
    "DB_RESET": (
        choice("no", "yes"),
        "no",
        "yes: rows of DATABASE_URL that db/seed.sql did not make may be deleted; no: where there are any, the load"
        " test refuses to start",
    ),
    "PORT": (number(1, 65535), "18080", "of the server that is measured, on 127.0.0.1; nginx one higher"),
    "PIN": (
        choice("auto", "none"),
        "auto",
        "auto: on 4 CPUs or more, server, database and wrk have CPUs of their own",
    ),
    "CPU_GROUPS": (
        choice("service", "flat", "session"),
        None,
        "how the kernel divides CPU time: service: server, database and wrk have a control group of equal weight"
        " each; flat: one for all; session: none, by session (autogroup); default: service; with TARGETS it says how"
        " they were started",
    ),
    "SYSCALLS": (
        choice("auto", "none"),
        "auto",
        "auto: count system calls, in a pass of its own after a point's first block",
    ),
    "STEAL_MAX": (
        number(0, 1, whole=False),
        "0.02",
        "a run is unsound if its host stole more than this share of the CPU time",
    ),
    "RETRIES": (number(0, 100), "3", "times that an unsound block is run again until its point is given up"),
}
AXES = ("N", "M", "W", "D", "C")
OF_WORK = ("N", "M", "W", "D")  # what WORKLOAD=crud has no use for
MIX = "70 20 4 3 2 1"


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
        return max(point.c for point in self.points)

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
        texts["SERVERS"] = " ".join(known.names)
    if texts["SEED"] is None:
        texts["SEED"] = str(secrets.randbelow(2**32))
    _divide_workloads(given, texts)
    if texts["CPU_GROUPS"] is None and not texts["TARGETS"]:
        texts["CPU_GROUPS"] = "service"
    values = {name: _parsed(name, text) for name, text in texts.items()}
    servers = values["SERVERS"]
    if values["TARGETS"]:
        servers = matrix.servers(values["TARGETS"])
        values["PROXY"] = _proxies_of(values["TARGETS"], values["PROXY"] if "PROXY" in given else None)
        texts["PROXY"] = " ".join(values["PROXY"])
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
    for name in AXES + ("PROXY", "SERVERS"):
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
        return matrix.crud(values["PROXY"], values["C"])
    points = matrix.product(*(values[name] for name in ("PROXY",) + AXES))
    if not any(name in given for name in AXES):
        extra = EXTRA_POINTS[values["PRESET"]]
        points += [matrix.Point(proxy, *rest) for proxy in values["PROXY"] for rest in extra]
    pool = values["POOL"]
    for own in (dict(server.variables).get("DB_POOL") for server in servers):
        if own is not None:  # a pipeline has a connection for each CPU by itself
            pool = min(pool, int(own) or len(os.sched_getaffinity(0)))
    for point in points:
        reason = matrix.impossible(point, pool, values["DURATION"])
        if reason:
            raise Usage(reason)
    return points
