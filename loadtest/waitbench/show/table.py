"""The answer and its tables, for a terminal of 80 columns: one table for each measure, a server beside the baseline.

Of more servers than a line has room for, or of longer names, several tables are made.
"""

import textwrap
from typing import NamedTuple, Sequence

from ..judge import summary
from ..plan.matrix import Point
from . import aligned, by_language, capacity, formatting, headline, proxy_comparison, wording

GAP = 2  # between two columns
NAME = 22  # letters of a server's name at the head of a column
SIZES = ((1 << 20, "M"), (1 << 10, "K"))  # of bytes
RATES = {
    "rps": "Requests per second",
    "cpu": "Server CPU per request, microseconds",
    "p99": "p99 latency, ms",
}
LEGEND = "+ better  - worse  = equivalent (within 5%)  ~ cannot tell  [joint 95% interval]"
MEDIANS = "Values are medians over the blocks; ratios are means, paired inside the blocks."


class Column(NamedTuple):
    """Of one server: its values, and its ratios to the baseline."""

    server: str
    values: list[str]
    ratios: list[str]  # [] where nothing is compared

    @property
    def width(self) -> int:
        """With what is between it and the column before."""
        return sum(GAP + max(map(len, cells)) for cells in (self.values, self.ratios) if cells)


def text(found: summary.Summary) -> str:
    said = headline.sentence(found)
    return "\n".join([*textwrap.wrap(said, formatting.WIDTH, break_on_hyphens=False), "", *tables(found)])


def tables(found: summary.Summary) -> list[str]:
    """Without the headline."""
    said = [formatting.fixed(found.points) and f"all at {formatting.fixed(found.points)}"]
    said += [formatting.arrangement(found.environment)]
    lines = textwrap.wrap(wording.capital("; ".join(filter(None, said))), formatting.WIDTH)
    lines += by_language.text(found) + capacity.text(found)
    for measure in sorted(summary.MEASURES, key=lambda measure: measure != found.lead):
        if measure in found.measures:
            lines += ["", RATES[measure.name], *_table(found, measure)]
    lines += ["", *legend(found), "", *memory(found)]
    return lines + proxy_comparison.text(found)


def legend(found: summary.Summary) -> list[str]:
    """Two lines."""
    every = list(found.entries.values())
    if any(entry.generator_bound for entry in every):
        return [LEGEND, "* the load generator was the bottleneck: a lower bound; its p99 is not compared"]
    if any(entry.latencies_spoilt for entry in every):
        return [LEGEND, "* a latency that is spoilt (see below), and not compared"]
    return [LEGEND, MEDIANS]


def memory(found: summary.Summary) -> list[str]:
    """Briefly: from the least to the most of each server."""
    parts = []
    for server in found.servers:
        known = [entry.median("rss_kib") for entry in found.at(server)]
        values = sorted(value / 1024 for value in known if value is not None)
        ends = dict.fromkeys(formatting.significant(value) for value in values[:1] + values[-1:])
        parts.append(f"{wording.short(found, server)} {' to '.join(ends) or '?'}")
    return textwrap.wrap(
        f"Resident memory, MiB: {', '.join(parts)}",
        formatting.WIDTH,
        subsequent_indent="  ",
        break_on_hyphens=False,
    )


def _table(found: summary.Summary, measure: summary.Measure) -> list[str]:
    """One table, or several below each other."""
    points = found.points
    axes = formatting.varying(points)
    baseline = _cut(wording.short(found, found.baseline))
    axis_cells = [[axis.upper(), *(_shown(point, axis) for point in points)] for axis in axes]
    if found.is_open:
        axis_cells.append(
            ["rate", *(_value(found, point, found.baseline, summary.THROUGHPUT) for point in points)]
        )
    base = [baseline, *(_value(found, point, found.baseline, measure) for point in points)]
    columns = [_column(found, measure, server, f"vs {baseline}") for server in found.servers[1:]]
    made = [_joined(axis_cells, gap) for gap in (GAP, 1)]
    rooms = [formatting.WIDTH - _width(first, base) for first in made]
    if (
        max((column.width for column in columns), default=0) > rooms[1]
    ):  # the configuration has a line of its own
        return _stacked([formatting.label(point, axes) for point in points], base, columns)
    first, room = min(zip(made, rooms), key=lambda one: len(_groups(columns, one[1])))
    lines: list[str] = []
    for group in _groups(columns, room):
        lines += ([""] if lines else []) + _aligned([first, base] if first else [base], group)
    return lines


def _width(*columns: Sequence[str]) -> int:
    return sum(max(map(len, cells)) + GAP for cells in columns if cells) - GAP


def _joined(columns: Sequence[Sequence[str]], gap: int) -> list[str]:
    """The axes as one column; [] where nothing varies."""
    widths = [max(map(len, column)) for column in columns]
    rows = zip(*columns)
    return [(" " * gap).join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows]


def _groups(columns: Sequence[Column], room: int) -> list[list[Column]]:
    """As many in each as there is room for; at least one group, which may be empty."""
    groups: list[list[Column]] = [[]]
    for column in columns:
        if groups[-1] and sum(each.width for each in [*groups[-1], column]) > room:
            groups.append([])
        groups[-1].append(column)
    return groups


def _aligned(numbers: Sequence[Sequence[str]], group: Sequence[Column]) -> list[str]:
    """Numbers to the right, ratios to the left."""
    cells, left = list(numbers), []
    for column in group:
        cells.append(column.values)
        if column.ratios:
            left.append(len(cells))
            cells.append(column.ratios)
    return aligned.plain(list(zip(*cells)), left)


def _stacked(names: Sequence[str], base: Sequence[str], columns: Sequence[Column]) -> list[str]:
    """Indented, below the name of each configuration."""
    lines: list[str] = []
    for group in _groups(columns, formatting.WIDTH - GAP - _width(base)):
        head, *rows = _aligned([base], group)
        lines += [*([""] if lines else []), f"  {head}"]
        for name, row in zip(names, rows):
            lines += [*textwrap.wrap(name, formatting.WIDTH), f"  {row}"]
    return lines


def _column(found: summary.Summary, measure: summary.Measure, server: str, versus: str) -> Column:
    values, ratios = [], []
    for point in found.points:
        values.append(_value(found, point, server, measure))
        entry = found.entries.get((point, server))
        estimate = entry.estimates.get(measure.name) if entry else None
        verdict = entry.verdicts.get(measure.name) if entry else None
        ratios.append(formatting.cell(estimate, verdict) if estimate else ("", ""))
    widest = max(len(ratio) for ratio, _ in ratios)
    shown = [f"{ratio.rjust(widest)} {rest}".rstrip() for ratio, rest in ratios]
    return Column(server, [_cut(server), *values], [versus, *shown] if any(shown) else [])


def _cut(name: str) -> str:
    return (
        name if len(name) <= NAME else f"{name[: NAME - 10]}...{name[-7:]}"
    )  # what differs is at the end, often


def _value(found: summary.Summary, point: Point, server: str, measure: summary.Measure) -> str:
    """With a mark where it is a bound or spoilt; empty where the server has no run."""
    entry = found.entries.get((point, server))
    if entry is None:
        return ""
    if measure == summary.P99:
        value = entry.median("p99_us")
        shown = formatting.grouped(None if value is None else value / 1000)
        return shown + ("*" if entry.latencies_spoilt else "")
    if measure == summary.THROUGHPUT:
        shown = formatting.grouped(entry.median("achieved_rps" if found.is_open else "rps"))
        return shown + ("*" if entry.generator_bound and not found.is_open else "")
    return formatting.grouped(entry.median(summary.CPU))


def _shown(point: Point, axis: str) -> str:
    value = getattr(point, axis)
    if value is None:
        return ""
    if axis == "m":
        return next(
            (f"{value // unit}{name}" for unit, name in SIZES if value and value % unit == 0), f"{value:,}"
        )
    return (
        f"{value:,}" if isinstance(value, int) and axis not in ("k", "load") else formatting.part(axis, value)
    )
