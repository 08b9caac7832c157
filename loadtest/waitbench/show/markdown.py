"""Tables in Markdown documents that are made from results: loadtest/tables.

A table stands between two comments. The first says what the table shows, of which results:

    <!-- loadtest/tables ratios results/one -->
    <!-- loadtest/tables arrangements service=results/one flat=results/other n=20 -->
    <!-- loadtest/tables medians service=results/one flat=results/other n=20 server=a,b -->
    <!-- loadtest/tables yardstick results/one c=512 -->
    <!-- loadtest/tables where results/one unit=us n=20 -->
    | ... |
    <!-- end of table -->

Words such as n=0,20 or server=a choose rows; without them all are shown.
"""

import re
import statistics
import sys
from pathlib import Path
from typing import Callable, Iterable, Iterator, NamedTuple

from .. import ROOT, Failure
from ..base import command_line, reading, results
from ..judge import summary
from ..plan.matrix import Point
from ..judge import yardstick as yardsticks
from . import formatting, where
from . import yardstick as yardstick_rows

DOCUMENTS = ("README.md", "docs", "results/README.md")
BLOCK = re.compile(r"^<!-- loadtest/tables ([^\n]*) -->\n(.*?)^<!-- end of table -->$", re.M | re.S)
USUAL = {"proxy": "none", "m": 1024, "w": 0, "d": 0, "workload": "work"}  # values that a row does not name
# Of a run or of its row in detail.csv: what a table of medians shows, and with how many decimals.
MEDIANS = {
    "ctx_voluntary_per_req": ("voluntary switches", 1),
    "ctx_involuntary_per_req": ("involuntary switches", 1),
    summary.CPU: ("server CPU, µs", 0),
    "runqueue_wait_us_per_req": ("ready, but not running, µs", 0),
}
Row = Iterable[str]


class Table(NamedTuple):
    """What one comment asks for."""

    paths: dict[str, Path]  # folders of results, by label; without a label by path
    chosen: dict[str, list[str]]  # column -> values

    @property
    def folders(self) -> dict[str, summary.Summary]:
        return {label: summary.load(path) for label, path in self.paths.items()}

    def entries(self, found: summary.Summary) -> Iterator[summary.Entry]:
        """In the order of points, then of servers."""
        for point in found.points:
            for server in found.servers:
                entry = found.entries.get((point, server))
                values = {**point._asdict(), "server": server}
                if entry and all(str(values[name]) in wanted for name, wanted in self.chosen.items()):
                    yield entry


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
    """What each server's requests cost in several folders."""
    cells: dict[tuple[Point, str], list[list[str]]] = {}
    for name, found in table.folders.items():
        details = _details(table.paths[name])
        for entry in table.entries(found):
            values = [_median(entry, column, details) for column in MEDIANS]
            texts = [_number(value, places) for value, (_, places) in zip(values, MEDIANS.values())]
            what = f"{label(entry.point)} {entry.server}, {name}"
            cells.setdefault((entry.point, entry.server), []).append([what, *texts])
    return render(
        ["", *(title for title, _ in MEDIANS.values())], [row for rows in cells.values() for row in rows]
    )


def _details(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    rows = reading.table(folder / "detail.csv", ("block", "server"))
    return {(row["block"], row["server"]): row for row in rows}


def _median(
    entry: summary.Entry, column: str, details: dict[tuple[str, str], dict[str, str]]
) -> float | None:
    if column in entry.runs[0]:
        return entry.median(column)
    found = [details.get((str(run["block"]), entry.server), {}).get(column, "") for run in entry.runs]
    values = [value for value in (reading.field(column, text) for text in found) if value is not None]
    return statistics.median(values) if values else None


def yardstick(table: Table) -> str:
    """The servers beside pgbench and nginx, of the given c, and what pgbench gave."""
    (path,) = table.paths.values()
    shown = table.chosen.get("c")
    rows = yardstick_rows.rows(yardsticks.read(path / "yardstick.csv"))
    return render(
        yardstick_rows.HEAD,
        [row for row in rows if not shown or row[0] in shown or row[3] in yardstick_rows.PGBENCHES],
    )


KINDS: dict[str, Callable[[Table], str]] = {
    "ratios": ratios,
    "arrangements": arrangements,
    "medians": medians,
    "yardstick": yardstick,
}


def made(kind: str, words: Iterable[str]) -> str:
    """One table. Raises Failure."""
    if kind == "where":
        return render(*where.cells(words))  # of where.csv, which has points and servers of its own
    if kind not in KINDS:
        raise Failure(f"'{kind}' is no table; there are {', '.join(KINDS)}, where")
    return KINDS[kind](parse(words))


def remade(text: str) -> str:
    """The document with its tables made again. Raises Failure."""

    def table(found: re.Match) -> str:
        kind, *words = found[1].split()
        return f"<!-- loadtest/tables {found[1]} -->\n{made(kind, words)}<!-- end of table -->"

    return BLOCK.sub(table, text)


def documents(names: Iterable[str]) -> list[Path]:
    paths = [ROOT / name for name in names]
    return [file for path in paths for file in (sorted(path.glob("*.md")) if path.is_dir() else [path])]


def main(arguments: list[str]) -> int:
    """The command; returns its exit status."""
    parser = command_line.Parser(
        prog="loadtest/tables",
        description="Makes the tables again that documents have from committed results, as the comment before each"
        " table says.",
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit status 1 when a table is not up to date"
    )
    parser.add_argument("documents", nargs="*", default=DOCUMENTS, help=f"by default {' '.join(DOCUMENTS)}")
    given = parser.parse_args(arguments)
    stale = []
    for path in documents(given.documents):
        try:
            text = path.read_text()
            made = remade(text)
        except (Failure, OSError) as error:
            print(f"loadtest/tables: {path}: {error}", file=sys.stderr)
            return 2
        if made != text:
            stale.append(path)
            if not given.check:
                results.replace(path, made.encode())
    for path in stale:
        print(f"{path}: {'not up to date: run loadtest/tables' if given.check else 'made again'}")
    return int(given.check and bool(stale))
