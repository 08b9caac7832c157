"""The settings of the load test: environment variables, each with a flag of the same name."""

import dataclasses
import os
import re
import secrets

from . import matrix


class Usage(Exception):
    """A setting that cannot be: one line that names it. The command line exits with 2."""


class Help(Exception):
    """The user asked for the help text (show/help.py)."""


def _number(low, high, whole=True):
    def parse(text):
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise ValueError(f"'{text}' is not a {'whole ' if whole else ''}number from {low:g} to {high:g}")
        return value

    return parse


def _choice(*values):
    def parse(text):
        if text not in values:
            raise ValueError(f"'{text}' is not one of: {' '.join(values)}")
        return text

    return parse


def _list(parse):
    def parse_all(text):
        values = [parse(word) for word in text.split()]
        if len(set(values)) != len(values):
            raise ValueError(f"'{text}' names something twice")
        return values

    return parse_all


def _text(text):
    return text


def _url(text):
    if not re.fullmatch(r"http://[^/\s:]+(:\d+)?/?", text):
        raise ValueError(f"'{text}' is not http://host:port")
    return text.rstrip("/")


# name: (parser, default, help). The defaults of None come from the preset.
SETTINGS = {
    "PRESET": (_choice("quick", "full"), "quick", "what the settings below default to: quick or full"),
    "SERVERS": (
        _list(matrix.parse_server),
        "threaded libuv coro",
        "list: model[:name][+option=value...], started from BUILD; README.md has the options",
    ),
    "TARGETS": (
        _list(matrix.parse_target),
        "",
        "list: name=http://host:port, servers that run elsewhere; instead of SERVERS. name@nginx=http://host:port"
        " is the same server's address behind nginx; default where nothing is built: those of docker compose that"
        " answer on this machine",
    ),
    "GENERATORS": (
        _list(_url),
        "",
        "list: http://host:port of loadtest/generator on each host that is to run wrk, for TARGETS; default: wrk"
        " here",
    ),
    "N": (_list(_number(0, 1000)), None, "list: queries a request"),
    "M": (_list(_number(0, 16777216)), None, "list: bytes of a reply's body, 0 or at least 64"),
    "W": (_list(_number(0, 1000)), None, "list: updates among the N queries"),
    "D": (_list(_number(0, 10000)), None, "list: milliseconds that the database adds to each query"),
    "C": (
        _list(_number(1, 60000)),
        None,
        "list: connections that wrk keeps open, one request each at a time",
    ),
    "PROXY": (
        _list(_choice("none", "nginx")),
        "none",
        "list of none and nginx: what stands in front of the server; with TARGETS, by default, what all of them name",
    ),
    "DURATION": (_number(0.5, 600, whole=False), None, "seconds that a run is measured"),
    "WARMUP": (_number(0, 600, whole=False), None, "seconds of load before that, thrown away"),
    "REPEATS": (_number(1, 1000), None, "blocks at each point; fewer than 12 are called exploratory"),
    "POOL": (_number(1, 10000), "16", "database connections of a server, the same total for every one"),
    "SEED": (_number(0, 2**63 - 1), None, "of all random order; default: another one each time, recorded"),
    "OUT": (_text, None, "results folder; one already begun is continued; default: results/<UTC time>"),
    "BUILD": (_text, "build", "where the programs server-MODEL are, from the project's root"),
    "DATABASE_URL": (
        _text,
        "",
        "PostgreSQL with db/schema.sql, whose rows are reset; default: a private one (db/local)",
    ),
    "PORT": (_number(1, 65535), "18080", "of the server that is measured, on 127.0.0.1; nginx one higher"),
    "PIN": (
        _choice("auto", "none"),
        "auto",
        "auto: on 4 CPUs or more, server, database and wrk get their own",
    ),
    "SYSCALLS": (
        _choice("auto", "none"),
        "auto",
        "auto: count system calls, in a pass of its own after a point's first block",
    ),
    "STEAL_MAX": (
        _number(0, 1, whole=False),
        "0.02",
        "a run is unsound if its host stole more than this share of the CPU time",
    ),
    "RETRIES": (_number(0, 100), "3", "times that an unsound block is run again until its point is given up"),
}
AXES = ("N", "M", "W", "D", "C")

PRESETS = {
    "quick": {
        "N": "0 1 20", "M": "1024", "W": "0", "D": "0", "C": "16 256",
        "DURATION": "2", "WARMUP": "0.5", "REPEATS": "4",
    },
    "full": {
        "N": "0 1 5 20", "M": "1024 65536", "W": "0", "D": "0", "C": "16 128 1024",
        "DURATION": "4", "WARMUP": "1", "REPEATS": "12",
    },
}  # fmt: skip
# `full` then goes along D and W from two of its points: few queries with a pool's worth of waiters
# beyond the pool, many queries with none.
FULL_AXES = [
    (n, 1024, w, d, c)
    for n, c in ((5, 128), (20, 16))
    for w, d in ((0, 1), (0, 10), (n // 2, 0))
]  # fmt: skip


@dataclasses.dataclass
class Settings:
    servers: list
    points: list
    values: dict  # name -> parsed value
    texts: dict  # name -> as given or defaulted, for environment.json and for continuing a run

    def __getattr__(self, name):
        try:
            return self.values[name.upper()]
        except KeyError:
            raise AttributeError(name) from None


def _flags(arguments):
    given = {}
    words = iter(arguments)
    for word in words:
        if word in ("--help", "-h"):
            raise Help
        flag, equals, value = word.partition("=")
        name = flag[2:].upper().replace("-", "_")
        if not flag.startswith("--") or name not in SETTINGS or flag != flag.lower():
            raise Usage(f"{word}: no such flag; --help lists them")
        if not equals:
            value = next(words, None)
            if value is None:
                raise Usage(f"{word} wants a value")
        given[name] = value
    return given


def _match_proxy(values, texts, given):
    """Every target is measured behind everything in PROXY; without it, behind what all of them have."""
    known = {}
    for target in values["TARGETS"]:
        known.setdefault(target.name, []).append(target.proxy)
    if not given:
        values["PROXY"] = [
            proxy for proxy in ("none", "nginx") if all(proxy in each for each in known.values())
        ]
        texts["PROXY"] = " ".join(values["PROXY"])
        if not values["PROXY"]:
            raise Usage(
                "TARGETS: some stand behind nginx only and some never do: name both addresses of each"
            )
    for name, proxies in known.items():
        if len(set(proxies)) != len(proxies):
            raise Usage(f"TARGETS: {name} has two addresses; give one of them another name")
        for proxy in values["PROXY"]:
            if proxy not in proxies:
                address = name if proxy == "none" else f"{name}@{proxy}"
                raise Usage(
                    f"PROXY: {proxy} wants an address of {name} in TARGETS: {address}=http://host:port"
                )


def load(arguments, environ=os.environ):
    """Settings from flags, the environment and the defaults, in this order."""
    given = {name: environ[name] for name in SETTINGS if environ.get(name)} | _flags(arguments)
    preset = PRESETS.get(given.get("PRESET", "quick"), {})
    texts, values = {}, {}
    for name, (parse, default, _) in SETTINGS.items():
        text = given.get(name, preset.get(name, default))
        texts[name] = text
        try:
            values[name] = None if text is None else parse(text)
        except ValueError as error:
            raise Usage(f"{name}: {error}") from None
    if values["SEED"] is None:
        values["SEED"] = secrets.randbelow(2**32)
        texts["SEED"] = str(values["SEED"])
    servers = values["SERVERS"]
    if values["TARGETS"]:
        servers = matrix.servers(values["TARGETS"])
        _match_proxy(values, texts, "PROXY" in given)
    names = [server.name for server in servers]
    if len(set(names)) != len(names):
        raise Usage("SERVERS: two servers have the same name; write model:name to tell them apart")
    if values["GENERATORS"] and not values["TARGETS"]:
        raise Usage("GENERATORS: what loads from elsewhere wants TARGETS, with addresses that it can reach")
    for name in AXES + ("PROXY", "SERVERS"):
        if not values[name]:
            raise Usage(f"{name}: the list is empty")
    points = matrix.product(*(values[name] for name in ("PROXY",) + AXES))
    if given.get("PRESET") == "full" and not any(name in given for name in AXES):
        points += [matrix.Point(proxy, *rest) for proxy in values["PROXY"] for rest in FULL_AXES]
    for point in points:
        reason = matrix.impossible(point, values["POOL"], values["DURATION"])
        if reason:
            raise Usage(reason)
    return Settings(servers, points, values, texts)
