"""Which limit stopped a server that takes connections, and in which order the others would: from its own words, from
what was read of every limit from outside, and from what the client saw. Rows of limits.csv and ahead.csv."""

import collections
import statistics
from pathlib import Path
from typing import Callable, Iterable, Mapping, NamedTuple, Sequence

from .. import Failure
from ..base import reading
from ..observe import limits
from ..observe.limits import Readings, Said

FILE, AHEAD_FILE, RAISES_FILE = "limits.csv", "ahead.csv", "raises.csv"
IDLE, WAITING = KINDS = ("idle", "waiting")
SERVER, LOAD = "server", "load"  # whose limit it is
YES, NO = "yes", "no"
KEY = ("server", "kind", "raised", "repeat", "step")
MEMORY = ("kernel_stack_kib", "page_tables_kib", "slab_kib", "tcp_kib")
COLUMNS = (
    *KEY,
    *("asked", "held", "refused", "lost", "rss_kib", "pte_kib", "threads", "kernel_kib", *MEMORY),
    *("rps", "p99_us", "errors", "answered", "late_ms"),
    *("side", "limit", "used", "value", "evidence", "outside", "agrees", "flags"),
)
AHEAD_COLUMNS = (
    *(
        "server",
        "kind",
        "raised",
        "repeat",
        "place",
        "limit",
        "value",
        "at_none",
        "per_connection",
        "connections",
    ),
)
RAISES_COLUMNS = ("server", "kind", "repeat", "place", "limit", "old", "new", "why_not")
MEMORIES = limits.GROUP_MEMORY, limits.MEMORY
NEAR_SHARE, NEAR = 0.05, 100  # of the connections held, or so many: without room for more, a limit is met
NEAR_SHARE_OF_MEMORY = 0.125  # servers keep more of that back, and the kernel finds some when little is left
LEAST_GROWTH = 0.01  # per connection: less is chance, and such a limit is not one of connections


class Ahead(NamedTuple):
    """A limit, and how many connections it allows if each uses as much as those that there were."""

    limit: str
    value: int
    at_none: int  # in use without any connection
    per_connection: float
    connections: int


class Met(NamedTuple):
    """The limit that stopped the connections."""

    side: str  # SERVER or LOAD
    limit: str
    used: int | None
    value: int | None
    evidence: str  # the call and its errno, or what the client saw
    outside: str  # the limit that the readings from outside name; empty where none is near
    agrees: str  # YES, NO, or empty: there was only one of the two


def ahead(none: Readings, last: Readings, held: int) -> list[Ahead]:
    """The limits that connections use up, the nearest first: readings without connections, and with `held` of them.
    Memory and files of the whole machine count both ends of a connection, and what the load needs. Of threads, other
    programs have as many as at the last reading. A connection that is tracked is one entry, whatever others were
    forgotten meanwhile."""
    found = []
    for name, now in last.items():
        if name not in none or held < 1:
            continue
        before = none[name]
        at_none, growth = before.used, now.used - before.used
        if now.own is not None and before.own is not None:
            at_none, growth = now.used - now.own + before.own, now.own - before.own
        if name == limits.CONNTRACK and now.used >= held:
            at_none, growth = now.used - held, held
        per = growth / held
        if per >= LEAST_GROWTH:
            found.append(Ahead(name, now.value, at_none, per, max(0, int((now.value - at_none) / per))))
    return sorted(found, key=lambda one: one.connections)


def near(order: Sequence[Ahead], held: int) -> list[str]:
    """The limits that leave room for hardly any connection more, the nearest first."""
    return [one.limit for one in order if one.connections - held <= max(NEAR, _share(one.limit) * held)]


def _share(name: str) -> float:
    return NEAR_SHARE_OF_MEMORY if name in limits.BYTES else NEAR_SHARE


def met(
    said: Said | None,
    order: Sequence[Ahead],
    readings: Readings,
    held: int,
    refused: Mapping[str, int],
    own: Iterable[str],
    died: str | None = None,
    backlog: bool = False,
) -> Met:
    """`refused`: reasons that the client saw, with their counts; `own`: those of them that are the load's. `died`: how
    the server ended, if it did. `backlog`: whether the kernel counted connections that a full backlog turned away.
    """
    ours = [reason for reason in refused if reason in set(own)]
    close = near(order, held)
    outside = close[0] if close else ""
    saw = ", ".join(sorted(refused))
    if ours:
        name = limits.PORTS if ours[0].endswith("EADDRNOTAVAIL") else limits.NOFILE
        name = limits.FILE_MAX if ours[0].endswith("ENFILE") else name
        name = limits.MEMORY if ours[0].endswith(("ENOBUFS", "ENOMEM")) else name
        return Met(LOAD, name, None, None, ours[0], outside, "")
    if said and said.name != limits.UNKNOWN:
        agrees = _agrees(said.name, close, readings)
        return Met(SERVER, said.name, said.used, said.value, said.call, outside, agrees)
    if died:
        return Met(SERVER, _killer(died, readings), None, None, died, outside, "")
    evidence = said.call if said else f"the client saw: {saw or 'nothing'}"
    if outside:
        nearest = order[0]
        used = round(nearest.at_none + held * nearest.per_connection)
        return Met(SERVER, outside, used, nearest.value, evidence, outside, "")
    return Met(SERVER, limits.BACKLOG if backlog else limits.UNKNOWN, None, None, evidence, outside, "")


def _killer(died: str, readings: Readings) -> str:
    """Which memory a server died for: that of its group where less of it was left than of the machine's."""
    if "memory" not in died:
        return limits.UNKNOWN
    left = {name: readings[name].value - readings[name].used for name in MEMORIES if name in readings}
    return min(left, key=lambda name: left[name], default=limits.MEMORY)


def _agrees(name: str, close: Sequence[str], readings: Readings) -> str:
    """Whether what was read from outside speaks for that limit; empty where it cannot be read."""
    if name in close:
        return YES
    if name not in readings:
        return ""
    used, value, _ = readings[name]
    return YES if value - used <= _share(name) * value else NO


# -- reading them again -------------------------------------------------------------------------------------------

Row = dict[str, str]


class Spread(NamedTuple):
    """A figure over the repeats."""

    median: float
    low: float
    high: float


class Group(NamedTuple):
    """The repeats of one step."""

    server: str
    kind: str
    raised: str
    asked: int
    rows: list[Row]
    first: list[Row]  # of the same repeats, before any connection

    def spread(
        self, column: str, of: Callable[[float, Row, Row], float] = lambda value, row, first: value
    ) -> Spread | None:
        """None where no repeat has the figure."""
        values = [
            of(float(row[column]), row, first)
            for row, first in zip(self.rows, self.first)
            if row[column] and first is not None
        ]
        return Spread(statistics.median(values), min(values), max(values)) if values else None

    def per_connection(self, column: str) -> Spread | None:
        """Growth since there was no connection, divided by those that are held."""
        return self.spread(
            column, lambda value, row, first: (value - float(first[column] or 0)) / max(1, int(row["held"]))
        )

    def words(self, column: str) -> str:
        """The findings of the repeats, each once."""
        return ", ".join(dict.fromkeys(row[column] for row in self.rows if row[column]))


def read(folder: Path) -> list[Group]:
    """In the order of the list of servers; a step that reached its limit is a group too. Raises Failure."""
    rows = reading.table(folder / FILE, COLUMNS)
    first: dict[tuple, Row] = {}
    groups: dict[tuple[str, str, str, int], tuple[list[Row], list[Row]]] = {}
    for row in rows:
        sweep = tuple(row[name] for name in ("server", "kind", "raised", "repeat"))
        if row["asked"] == "0":
            first[sweep] = row
        elif sweep not in first:
            raise Failure(
                f"{folder / FILE}: {' '.join(sweep)} has no row with asked=0, with which each begins"
            )
        else:
            key = row["server"], row["kind"], row["raised"], int(row["asked"])
            own = groups.setdefault(key, ([], []))
            own[0].append(row)
            own[1].append(first[sweep])
    found = [Group(*key, rows=own, first=none) for key, (own, none) in groups.items()]
    places = _places(folder)
    return sorted(found, key=lambda one: (places.get(one.server, len(places)), one.kind))


def _places(folder: Path) -> dict[str, int]:
    """server -> its place in environment.json"""
    facts = reading.facts(folder / "environment.json") or {}
    return {name: number for number, name in enumerate(facts.get("servers", []))}


class Order(NamedTuple):
    """A limit of ahead.csv over the repeats."""

    server: str
    kind: str
    raised: str
    limit: str
    value: Spread  # somebody may have changed it between the repeats
    per_connection: Spread
    connections: Spread


def read_order(folder: Path) -> list[Order]:
    """For each server and kind, the nearest first. Raises Failure."""
    found: dict[tuple[str, str, str, str], list[Row]] = collections.defaultdict(list)
    for row in reading.table(folder / AHEAD_FILE, AHEAD_COLUMNS):
        found[row["server"], row["kind"], row["raised"], row["limit"]].append(row)

    def spread(rows: list[Row], column: str) -> Spread:
        values = [float(row[column]) for row in rows]
        return Spread(statistics.median(values), min(values), max(values))

    orders = [
        Order(
            *key,
            value=spread(rows, "value"),
            per_connection=spread(rows, "per_connection"),
            connections=spread(rows, "connections"),
        )
        for key, rows in found.items()
    ]
    places, raises = _places(folder), list(dict.fromkeys(one.raised for one in orders))
    return sorted(
        orders,
        key=lambda one: (
            places.get(one.server, len(places)),
            one.kind,
            raises.index(one.raised),
            one.connections.median,
        ),
    )
