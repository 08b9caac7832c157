"""What is measured: points, the servers that meet there, and the order in which they do."""

import dataclasses
import itertools
import random
import re
from typing import NamedTuple

OPTIONS = ("n", "m", "w", "d", "plant")
PLANTS = ("error", "short", "slow-generator")


class Point(NamedTuple):
    proxy: str  # none or nginx
    n: int  # queries a request
    m: int  # bytes of the body
    w: int  # updates among the queries
    d: int  # ms that the database adds to each query
    c: int  # connections

    def __str__(self):
        text = f"n={self.n} m={self.m}"
        text += f" w={self.w}" if self.w else ""
        text += f" d={self.d}" if self.d else ""
        text += f" c={self.c}"
        return text + (f" proxy={self.proxy}" if self.proxy != "none" else "")


@dataclasses.dataclass(frozen=True)
class Server:
    """One of the servers that are compared: a model, the name it goes by, and what is planted."""

    model: str
    name: str
    url: str | None = None  # it runs elsewhere, and is neither started nor stopped
    behind_nginx: str | None = None  # the same, as nginx in front of it passes it on
    work: tuple = ()  # (("n", 21),): its requests differ from the point's by this
    plant: str | None = None

    def parameters(self, point):
        """n, m, w and d of the requests that this server gets at that point."""
        return {"n": point.n, "m": point.m, "w": point.w, "d": point.d} | dict(self.work)


class Target(NamedTuple):
    """An address of a server that runs elsewhere."""

    name: str
    proxy: str  # what stands in front of it there: none or nginx
    url: str


class Block(NamedTuple):
    number: int  # from 1, over the whole run
    point: Point
    servers: tuple  # in the order in which they run


def parse_server(text):
    """`model[:name][+option...]`; raises ValueError with a sentence."""
    head, *options = text.split("+")
    model, _, name = head.partition(":")
    name = name or model
    for word in (model, name):
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", word):
            raise ValueError(f"'{text}' is not model[:name][+option=value...]")
    work, plant = [], None
    for option in options:
        key, _, value = option.partition("=")
        if key not in OPTIONS:
            raise ValueError(f"'+{option}' of '{text}': options are {', '.join(OPTIONS)}")
        if key == "plant":
            if value not in PLANTS:
                raise ValueError(f"'+{option}' of '{text}': plant is {', '.join(PLANTS)}")
            plant = value
        elif not value.isdecimal():
            raise ValueError(f"'+{option}' of '{text}': {key} is a number")
        else:
            work.append((key, int(value)))
    return Server(model, name, work=tuple(work), plant=plant)


def parse_target(text):
    """`name=http://host:port`, `name@nginx=…` for its address behind nginx; raises ValueError with a sentence."""
    name, _, url = text.partition("=")
    name, at, proxy = name.partition("@")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or not re.fullmatch(r"http://[^/\s:]+(:\d+)?/?", url):
        raise ValueError(f"'{text}' is not name=http://host:port")
    if at and proxy != "nginx":
        raise ValueError(f"'{text}': what stands in front can only be nginx, name@nginx=http://host:port")
    return Target(name, proxy or "none", url.rstrip("/"))


def servers(targets):
    """One Server for each name, in the order of the list. One that is known behind nginx alone is asked there
    for its figures, too."""
    named = {}
    for target in targets:
        named.setdefault(target.name, {})[target.proxy] = target.url
    return [
        Server(name, name, urls.get("none") or urls["nginx"], urls.get("nginx"))
        for name, urls in named.items()
    ]


def product(proxies, n, m, w, d, c):
    return [Point(*values) for values in itertools.product(proxies, n, m, w, d, c)]


def impossible(point, pool, duration):
    """Why no server could be measured there, as a sentence; None when it can."""
    if point.w > point.n:
        return f"w={point.w} updates do not fit into n={point.n} queries: leave that pair out"
    if 0 < point.m < 64:
        return f"m={point.m}: a body has 0 or at least 64 bytes"
    # Requests wait for each other's database connections once there are more of them.
    slowest = point.n * point.d / 1000 * max(1, point.c / pool)
    if slowest > duration / 2:
        return (
            f"at {point} a request waits {slowest:.1f} s for the database alone, too long for runs of"
            f" {duration:g} s: DURATION={slowest * 2:.0f} or more would do"
        )
    return None


def plan(points, servers, repeats, seed):
    """All blocks. Each repeat goes through all points in a new order, so that a point's blocks lie
    all over the run and a drift of the machine hits all points and servers alike."""
    chance = random.Random(seed)
    blocks = []
    for _ in range(repeats):
        for point in chance.sample(points, len(points)):
            order = tuple(chance.sample(servers, len(servers)))
            blocks.append(Block(len(blocks) + 1, point, order))
    return blocks
