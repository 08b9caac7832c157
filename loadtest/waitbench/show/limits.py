"""Tables of limits.csv and ahead.csv, which loadtest/limits writes, and of threads.csv of micro/vm-limits: on the terminal,
and in documents:

    <!-- loadtest/tables limits results/one table=met -->                            what stopped each server
    <!-- loadtest/tables limits results/one table=cost kind=idle asked=1000,10000 -->   what connections cost it
    <!-- loadtest/tables limits results/one table=order kind=idle server=NAME -->    which limit would come next
    <!-- loadtest/tables limits results/one table=threads -->                        what stopped threads without a server
"""

from pathlib import Path
from typing import Any, Iterable, Mapping

from .. import ROOT, Failure
from ..base import reading
from ..judge import limits as judge
from ..observe.limits import BYTES, Readings
from . import aligned
from .words import split

TABLES = "met", "cost", "order", "threads"
CHOICES = "table", "kind", "server", "asked", "raised"
MET = "server", "connections", "are held", "limit met", "in use", "what says so", "read from outside"
COST = (
    *(
        "connections",
        "server",
        "resident, KiB each",
        "kernel, KiB each, both ends",
        "page tables of the server, KiB each",
    ),
    *("threads", "requests/s of a few active ones", "p99 of these, ms"),
)
ORDER = "server", "connections", "limit", "value", "of it each connection uses", "allows connections"
THREADS = (
    *("raised", "threads that wait", "stopped by", "resident, KiB each", "kernel stack, KiB each"),
    *("slab, KiB each", "all of the machine's memory, KiB each"),
)
OF_THREADS = "raised,threads,limit,limit_value,resident_b,kernel_stack_b,slab_b,machine_b".split(",")
KIB = 1024
UNITS = ((2**30, "GiB"), (2**20, "MiB"), (KIB, "KiB"))

Cells = tuple[list[str], list[list[str]]]


def cells(words: Iterable[str]) -> Cells:
    """Head and rows of a table in a document. Raises Failure."""
    folders, given = split(words, CHOICES)
    kind = given.pop("table", "")
    chosen = {name: value.split(",") for name, value in given.items()}
    if len(folders) != 1 or kind not in TABLES:
        raise Failure(f"limits takes one folder, and table={'|'.join(TABLES)}")
    folder = ROOT / folders[0]
    head, rows = {"met": met, "cost": cost, "order": order, "threads": threads}[kind](folder, chosen)
    if not rows:
        raise Failure(f"{folder} has no {' '.join(f'{name}={value}' for name, value in chosen.items())}")
    return head, rows


def met(folder: Path, chosen: dict[str, list[str]]) -> Cells:
    """A row for each server, kind and raise: the step at which it took no more."""
    rows = []
    for group in _groups(folder, chosen):
        if not group.words("limit"):
            continue
        name, value = group.words("limit"), group.spread("value")
        whose = " of the load" if group.words("side") == judge.LOAD else ""
        used = f"{_spread(group.spread('used'), name)} of {_amount(value.median, name)}" if value else ""
        outside = group.words("outside") or "nothing near"
        differs = " (they do not agree)" if judge.NO in group.words("agrees") else ""
        rows.append(
            [group.server, _kind(group.kind, group.raised), _spread(group.spread("held")), name + whose, used]
            + [group.words("evidence"), outside + differs]
        )
    return list(MET), rows


def cost(folder: Path, chosen: dict[str, list[str]]) -> Cells:
    """The cost of connections, at the numbers that are asked for."""
    groups = sorted(_groups(folder, chosen), key=lambda one: (one.kind, one.asked))
    rows = []
    for group in groups:
        held = group.spread("held")
        p99 = group.spread("p99_us", lambda value, row, first: value / 1000)
        rows.append(
            [f"{_spread(held)} {_kind(group.kind, group.raised)}", group.server]
            + [_spread(group.per_connection(name), places=1) for name in ("rss_kib", "kernel_kib", "pte_kib")]
            + [_spread(group.spread("threads")), _spread(group.spread("rps")), _spread(p99, places=1)]
        )
    return list(COST), rows


def order(folder: Path, chosen: dict[str, list[str]]) -> Cells:
    """The limits, the nearest first."""
    rows = []
    for one in judge.read_order(folder):
        values = {"server": one.server, "kind": one.kind, "raised": one.raised}
        if all(values.get(name) in wanted for name, wanted in chosen.items()):
            each = _spread(one.per_connection, one.limit, places=2)
            rows.append(
                [one.server, _kind(one.kind, one.raised), one.limit, _spread(one.value, one.limit), each]
                + [_spread(one.connections)]
            )
    return list(ORDER), rows


def threads(folder: Path, _: dict[str, list[str]]) -> Cells:
    """A row for each raise."""
    rows = []
    for row in reading.table(folder / "threads.csv", OF_THREADS, _of_threads):
        limit = (
            f"{row['limit']}, {int(row['limit_value']):,}" if row["limit"] else "nothing: no more were wanted"
        )
        each = [f"{int(row[name]) / KIB:.1f}" for name in OF_THREADS[4:]]
        rows.append([row["raised"] or "nothing", f"{int(row['threads']):,}", limit, *each])
    return list(THREADS), rows


def _of_threads(column: str, text: str) -> None:
    """Raises ValueError with what the field is not."""
    if column in OF_THREADS[3:] + ["threads"] and not text.removeprefix("-").isdecimal():
        raise ValueError("not a whole number")


def text(folder: Path) -> str:
    """For the terminal: what stopped each, and the order of the limits after the last raise."""
    last = {(one.server, one.kind): one.raised for one in judge.read_order(folder)}
    parts = []
    for title, (head, rows) in (
        ("Which limit was met", met(folder, {})),
        (
            "How many connections each limit allows, if more use as much as those that were held",
            order(folder, {"raised": list(last.values())}),
        ),
    ):
        lines = [tuple(line) for line in [head, *rows]]
        table = aligned.columns(lines, range(len(head))) if rows else ["none: every connection was taken"]
        parts.append("\n".join([f"{title} (median [least, greatest] of the repeats)", *table]))
    return "\n\n".join(parts)


def step(row: Mapping[str, Any], found: judge.Met | None, last: Readings) -> str:
    """One step as it happens. `last`: what was read from outside."""
    words = f"{row['held']} of {row['asked']}, {row['rss_kib']} KiB resident, {row['threads']} threads"
    if row.get("rps"):
        words += f", {row['rps']:.0f} requests/s beside them"
    if not found:
        return words
    whose = "the load met" if found.side == judge.LOAD else "met"
    words += f"; {whose} {found.limit}"
    if found.used is not None:
        words += f", {found.used} of {found.value} in use"
    words += f" ({found.evidence})"
    if found.agrees == judge.NO:
        read = last.get(found.limit)
        words += f"; seen from outside it is {found.outside or 'no limit that is near'}"
        words += f", since {read.used} of {read.value} are in use" if read else ""
    return words


def _groups(folder: Path, chosen: dict[str, list[str]]) -> list[judge.Group]:
    return [
        group
        for group in judge.read(folder)
        if all(str(getattr(group, name)) in wanted for name, wanted in chosen.items())
    ]


def _kind(kind: str, raised: str) -> str:
    return f"{kind}, after {raised}" if raised else kind


def _spread(found: judge.Spread | None, limit: str = "", places: int = 0) -> str:
    if found is None:
        return ""
    median, low, high = (_amount(value, limit, places) for value in found)
    return median if low == high else f"{median} [{low}, {high}]"


def _amount(value: float, limit: str, places: int = 0) -> str:
    """In the unit of that limit, or a number."""
    if limit in BYTES:
        for size, unit in UNITS:
            if abs(value) >= size:
                return f"{value / size:,.1f} {unit}"
        return f"{value:,.0f} bytes"
    return f"{value:,.{places}f}"
