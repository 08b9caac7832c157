"""Tables of documents that are made from folders of runs; markdown.py has the comments that ask for them."""

from pathlib import Path
from typing import Callable, Iterable, NamedTuple

from .. import ROOT, Failure
from ..judge import evidence, generators_compared, summary
from ..judge import yardstick as yardsticks
from ..plan.matrix import Point
from . import capacity as capacity_rows, formatting
from . import generators_compared as generator_rows
from . import yardstick as yardstick_rows
from .pictures import groups

USUAL = {
    "proxy": "none",
    "m": 1024,
    "w": 0,
    "d": 0,
    "workload": "work",
    "t": 0,
    "k": 0,
    "i": 0,
}  # values that a row does not name
# Of a run or of its row in detail.csv: what a table of medians shows, and with how many decimals.
MEDIANS = {
    "ctx_voluntary_per_req": ("voluntary switches", 1),
    "ctx_involuntary_per_req": ("involuntary switches", 1),
    summary.CPU: ("server CPU, µs", 0),
    "runqueue_wait_us_per_req": ("ready, but not running, µs", 0),
}
Row = Iterable[str]


class Table(NamedTuple):
    """The request of one comment."""

    paths: dict[str, Path]  # folders of results, by label; without a label by path
    chosen: dict[str, list[str]]  # column -> values

    @property
    def folders(self) -> dict[str, summary.Summary]:
        return {label: summary.load(path) for label, path in self.paths.items()}

    def entries(self, found: summary.Summary) -> list[summary.Entry]:
        return groups.entries(found, lambda entry: self.has(entry.point, entry.server))

    def has(self, point: Point, server: str) -> bool:
        values = {**point._asdict(), "server": server}
        return all(str(values[name]) in wanted for name, wanted in self.chosen.items())


def parse(words: Iterable[str]) -> Table:
    """Raises Failure."""
    table = Table({}, {})
    for word in words:
        name, equals, value = word.rpartition("=")
        if equals and name in (*Point._fields, "server"):
            table.chosen[name] = value.split(",")
        else:
            table.paths[name or value] = ROOT / value
    if not table.paths:
        raise Failure("a table needs a folder of results")
    return table


def label(point: Point) -> str:
    """n=1 c=16, and what is unusual."""
    return formatting.label(
        point, [axis for axis, value in point._asdict().items() if USUAL.get(axis) != value]
    )


def render(head: Row, rows: Iterable[Row]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def _number(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:,.{places}f}"


def _ratio(entry: summary.Entry, measure: str) -> str:
    estimate = entry.estimates.get(measure)
    return f"{estimate.ratio:.2f} {formatting.interval(estimate)}" if estimate else ""


def ratios(table: Table) -> str:
    """Throughput, CPU and context switches of each server, and what they are of the baseline's."""
    if len(table.paths) > 1:
        raise Failure("a table of ratios is of one folder; arrangements is of several")
    (found,) = table.folders.values()
    against = f"of {found.baseline} {formatting.JOINT}"
    head = [
        "point",
        "server",
        "requests/s",
        against,
        "server CPU, µs per request",
        against,
        "switches per request",
    ]
    rows = []
    for entry in table.entries(found):
        switches = [entry.median(name) for name in list(MEDIANS)[:2]]
        rate = _number(entry.median("rps"), 0) + ("\\*" if entry.generator_bound else "")
        known = None if None in switches else sum(value for value in switches if value is not None)
        rows.append(
            [label(entry.point), entry.server, rate, _ratio(entry, "rps")]
            + [_number(entry.median(summary.CPU), 1), _ratio(entry, "cpu"), _number(known, 2)]
        )
    return render(head, rows)


def arrangements(table: Table) -> str:
    """The same ratios in several folders, side by side."""
    head = ["point", "server"]
    for name in table.paths:
        head += [f"{name}: throughput", "CPU"]
    rows: dict[tuple[Point, str], list[str]] = {}
    for found in table.folders.values():
        for entry in table.entries(found):
            if entry.server != found.baseline:
                row = rows.setdefault((entry.point, entry.server), [label(entry.point), entry.server])
                row += [_ratio(entry, "rps"), _ratio(entry, "cpu")]
    whole = [row for row in rows.values() if len(row) == len(head)]  # points that all folders have
    return render(head, whole)


def medians(table: Table) -> str:
    """The cost of each server's requests in several folders."""
    cells: dict[tuple[Point, str], list[list[str]]] = {}
    for name, path in table.paths.items():
        known = evidence.load(path)
        if not known.details:
            raise Failure(f"{path / 'detail.csv'} is not there: name the results folder of a finished run")
        for entry in table.entries(known.found):
            values = [known.median(entry, column) for column in MEDIANS]
            texts = [_number(value, places) for value, (_, places) in zip(values, MEDIANS.values())]
            what = f"{label(entry.point)} {entry.server}, {name}"
            cells.setdefault((entry.point, entry.server), []).append([what, *texts])
    return render(
        ["", *(title for title, _ in MEDIANS.values())], [row for rows in cells.values() for row in rows]
    )


def capacity(table: Table) -> str:
    """The capacity of each server at an objective, and what it is of the baseline's."""
    (found,) = table.folders.values()
    head = [
        f"p99 ≤ {capacity_rows.objective(found)}",
        "server",
        "requests/s [95%]",
        f"of {found.baseline} {formatting.JOINT}",
        "verdict",
    ]
    return render(head, capacity_rows.rows(found, table.has))


def yardstick(table: Table) -> str:
    """The servers beside pgbench and nginx, of the given c, and what pgbench gave."""
    (path,) = table.paths.values()
    shown = table.chosen.get("c")
    rows = yardstick_rows.rows(yardsticks.read(path / "yardstick.csv"))
    return render(
        yardstick_rows.HEAD,
        [row for row in rows if not shown or row[0] in shown or row[3] in yardstick_rows.PGBENCHES],
    )


def generators(table: Table) -> str:
    """pace beside other load generators, with the given c."""
    (path,) = table.paths.values()
    shown = table.chosen.get("c")
    rows = generator_rows.rows(generators_compared.read(path / "generators.csv"))
    return render(generator_rows.HEAD, [row for row in rows if not shown or row[1] in shown])


KINDS: dict[str, Callable[[Table], str]] = {
    "capacity": capacity,
    "ratios": ratios,
    "arrangements": arrangements,
    "medians": medians,
    "yardstick": yardstick,
    "generators": generators,
}
