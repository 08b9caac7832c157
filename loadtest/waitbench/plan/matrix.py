"""The matrix that is measured: points, the servers that are compared there, and the order of the blocks.

A point is one combination of proxy, n, m, w, d, t, c, k and i, in an open loop of load, too; with the workload crud, none
of n, m, w, d and t. A block runs every server once at one point.
"""

import dataclasses
import itertools
import random
import re
from typing import Iterable, NamedTuple, Sequence

from ..base import reading
from . import address
from .server_list import NAME

WORK = ("n", "m", "w", "d", "t")
INJECT = ("inject", "plant")  # `plant` is the older name of the same option
# Options without a value, which are a part of the server's name in the results -> the settings of that server.
# DB_POOL=0: in a pipeline, the server has as many database connections as suit it.
VARIANTS = {"pipeline": (("DB_PIPELINE", "1"), ("DB_POOL", "0"))}
POOL = "pool"  # database connections, in place of POOL or of what suits a pipeline
OPTIONS = (*WORK, *INJECT, *VARIANTS, POOL)
USUAL, CRUD = WORKLOADS = reading.WORKLOADS  # GET /work; a mix of reads and writes of /items
MODES = CLOSED, OPEN = reading.MODES
GENERATORS = WRK, PACE = reading.GENERATORS
ARRIVALS = "poisson", "constant"
SLOW = "slow-generator"
FAULTS = ("error", "short", SLOW)


class Point(NamedTuple):
    """n, m, w, d and t are parameters of GET /work: None with another workload."""

    proxy: str  # none or nginx
    n: int | None  # queries per request
    m: int | None  # bytes of the body
    w: int | None  # updates among the queries
    d: int | None  # ms that the database adds to each query
    c: int  # connections
    workload: str = USUAL  # one of WORKLOADS
    t: int | None = 0  # ms that a request waits for something else than the database
    k: int = 0  # requests per connection; 0: any number
    i: int = 0  # idle connections beside the c
    load: int | None = None  # percent of the reference rate; None in a closed loop

    def __str__(self) -> str:
        text = CRUD if self.is_crud else f"n={self.n} m={self.m}"
        text += f" w={self.w}" if self.w else ""
        text += f" d={self.d}" if self.d else ""
        text += f" t={self.t}" if self.t else ""
        text += f" c={self.c}"
        text += f" k={self.k}" if self.k else ""
        text += f" i={self.i}" if self.i else ""
        text += f" load={self.load}%" if self.load is not None else ""
        return text + (f" proxy={self.proxy}" if self.proxy != "none" else "")

    @property
    def is_crud(self) -> bool:
        return self.workload == CRUD

    @property
    def connections(self) -> int:
        """All that are open at a time."""
        return self.c + self.i

    @property
    def configuration(self) -> "Point":
        """The same for the points of all loads: what a reference rate and a capacity are of."""
        return self._replace(load=None)

    def without(self, axis: str) -> "Point":
        """The same for all points that differ in nothing but this axis."""
        return self._replace(**{axis: None})  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Server:
    """One of the servers that are compared: a model, its name in the results, and what differs from the point."""

    model: str  # a name of servers.csv
    name: str
    url: str | None = None  # of a server that runs elsewhere, and is neither started nor stopped
    url_of_proxy: str | None = None  # of nginx in front of that server
    work: tuple = ()  # (("n", 21),): the parameters in which its requests differ from the point's
    fault: str | None = None  # one of FAULTS
    variables: tuple = ()  # (("DB_PIPELINE", "1"),): settings in which it differs from the others

    def parameters(self, point: Point) -> dict[str, int]:
        """n, m, w, d and t of the requests that this server receives at that point; none of them with crud. t only
        where it is not 0: a server need not know it."""
        of_point = {name: getattr(point, name) for name in WORK} | dict(self.work)
        if not of_point["t"]:
            del of_point["t"]
        return {} if point.is_crud else of_point

    def asks_database(self, point: Point) -> bool:
        return point.is_crud or self.parameters(point)["n"] > 0


class Target(NamedTuple):
    """An address of a server that runs elsewhere."""

    name: str
    proxy: str  # what answers at that address: the server itself (none) or nginx in front of it
    url: str


class Block(NamedTuple):
    number: int  # from 1, over the whole run
    point: Point
    servers: tuple  # in the order in which they run


def parse_server(text: str) -> Server:
    """`model[:name][+option...]`. Raises ValueError with a sentence."""
    head, *options = text.split("+")
    model, _, name = head.partition(":")
    for word in (model, name or model):
        if not re.fullmatch(NAME, word):
            raise ValueError(f"'{text}' is not model[:name][+option=value...]")
    variants = [option for option in options if option in VARIANTS]
    name = name or "+".join([model, *variants])
    variables = dict(pair for variant in variants for pair in VARIANTS[variant])
    work, fault = [], None
    for option in (option for option in options if option not in VARIANTS):
        key, _, value = option.partition("=")
        if key not in OPTIONS or key in VARIANTS:
            raise ValueError(f"'+{option}' of '{text}': options are {', '.join(OPTIONS)}")
        if key in INJECT:
            if value not in FAULTS:
                raise ValueError(f"'+{option}' of '{text}': {key} is {', '.join(FAULTS)}")
            fault = value
        elif not value.isdecimal():
            raise ValueError(f"'+{option}' of '{text}': {key} is a number")
        elif key == POOL:
            variables["DB_POOL"] = value
        else:
            work.append((key, int(value)))
    return Server(model, name, work=tuple(work), fault=fault, variables=tuple(variables.items()))


def parse_target(text: str) -> Target:
    """`name=http://host:port`, or `name@nginx=…` for nginx in front of it. Raises ValueError with a sentence."""
    name, _, url = text.partition("=")
    name, at, proxy = name.partition("@")
    if not re.fullmatch(NAME, name) or not url:
        raise ValueError(f"'{text}' is not name=http://host:port")
    if at and proxy != "nginx":
        raise ValueError(f"'{text}': what stands in front can only be nginx, name@nginx=http://host:port")
    return Target(name, proxy or "none", address.parse(url))


def servers(targets: Iterable[Target]) -> list[Server]:
    """One Server per name, in the order of the targets. GET /stats goes to the server itself, and through
    nginx where only that address is known."""
    named: dict[str, dict[str, str]] = {}
    for target in targets:
        named.setdefault(target.name, {})[target.proxy] = target.url
    return [
        Server(name, name, urls.get("none") or urls["nginx"], urls.get("nginx"))
        for name, urls in named.items()
    ]


def product(
    proxies: list,
    n: list,
    m: list,
    w: list,
    d: list,
    t: list,
    c: list,
    k: Sequence = (0,),
    i: Sequence = (0,),
) -> list[Point]:
    return [Point(*values) for values in itertools.product(proxies, n, m, w, d, c, [USUAL], t, k, i)]


def crud(proxies: list, c: list, k: Sequence = (0,), i: Sequence = (0,)) -> list[Point]:
    return [
        Point(proxy, None, None, None, None, many, CRUD, None, *rest)
        for proxy, many, *rest in itertools.product(proxies, c, k, i)
    ]


def loaded(configurations: Iterable[Point], loads: Sequence[int]) -> list[Point]:
    """The points of an open loop: each configuration at each load."""
    return [point._replace(load=load) for point in configurations for load in loads]


def impossible(point: Point, pool: int, duration: float) -> str | None:
    """Why no server could be measured at that point, as a sentence; None when it can."""
    if point.n is None or point.m is None or point.w is None or point.d is None or point.t is None:
        return None
    if point.w > point.n:
        return f"w={point.w} updates do not fit into n={point.n} queries: leave that pair out"
    if 0 < point.m < 64:
        return f"m={point.m}: a body has 0 or at least 64 bytes"
    # With more connections than database connections, requests also wait for each other.
    slowest = point.n * point.d / 1000 * max(1, point.c / pool) + point.t / 1000
    if slowest > duration / 2:
        return (
            f"at {point} a request takes {slowest:.1f} s for its waits alone, too long for runs of"
            f" {duration:g} s: DURATION={slowest * 2:.0f} or more would do"
        )
    return None


def plan(points: Sequence[Point], servers: Sequence[Server], repeats: int, seed: int) -> list[Block]:
    """All blocks. Each repeat goes through all points in a new random order: the blocks of a point lie all
    over the run, and a drift of the machine affects all points and servers alike."""
    chance = random.Random(seed)
    blocks: list[Block] = []
    for _ in range(repeats):
        for point in chance.sample(points, len(points)):
            order = tuple(chance.sample(servers, len(servers)))
            blocks.append(Block(len(blocks) + 1, point, order))
    return blocks
