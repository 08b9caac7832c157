"""Latency percentiles over connections, or in rows where connections do not vary: every run, and medians."""

import dataclasses
from typing import Sequence

from matplotlib.figure import FigureBase

from ...judge import evidence, summary
from . import groups, marks, rows, words
from . import look as looks
from .picture import Picture, Section, servers_key
from .scales import logarithmic, thousands

PERCENTILES = {"p50": "p50_us", "p99": "p99_us", "p999": "p999_us"}
NAMES = {"p50": "p50", "p99": "p99", "p999": "p99.9"}
HOW = (
    "Half of the requests of a run take no longer than p50, 99 of 100 no longer than p99, and 999 of 1,000 no longer than"
    " p99.9. A small dot is the percentile of one run, a mark the median of those of all runs: no percentile is averaged, and"
    " no requests of different runs are pooled. Scales are logarithmic. A pale, hollow mark with a dotted line, and * in the table:"
    " the latencies of that point are spoilt, since the generator was the bottleneck, the run too short, or requests were"
    " left without a response; they say nothing about the server and are not compared."
)


@dataclasses.dataclass(frozen=True)
class Shown:
    """One percentile of the entries of one picture."""

    found: summary.Summary
    name: str  # one of PERCENTILES
    entries: Sequence[summary.Entry]  # that have it

    def values(self, entry: summary.Entry) -> list[float]:
        """ms, run by run; 0 has no place on a logarithmic axis."""
        column = PERCENTILES[self.name]
        return [run[column] / 1000 for run in entry.runs if run[column]]

    def median(self, entry: summary.Entry) -> float:
        column = PERCENTILES[self.name]
        return (entry.median(column) or 0.0) / 1000

    @property
    def everything(self) -> list[float]:
        return [value for entry in self.entries for value in self.values(entry)]

    def spots(self, server: str) -> list[marks.Spot]:
        """By connections."""
        own = sorted((e for e in self.entries if e.server == server), key=lambda entry: entry.point.c)
        return [
            marks.Spot(entry.point.c, self.values(entry), self.median(entry), entry.latencies_spoilt)
            for entry in own
        ]

    def row(self, entry: summary.Entry) -> list[str]:
        runs = " ".join(map(thousands, self.values(entry)))
        return [entry.server, thousands(self.median(entry)), runs, marks.why_spoilt(entry)]


def section(evidence: evidence.Evidence) -> Section | None:
    found = evidence.found
    pictures, rest = [], []
    together = list(groups.combinations(found.points, "c").values())
    for points in sorted(together, key=lambda points: _all_spoilt(found, points)):  # stable
        if len(points) > 1:
            pictures += [made for name in PERCENTILES if (made := over_connections(found, points, name))]
        else:
            rest += points
    pictures += in_rows(found, rest)
    return Section("latencies", "Latency", HOW, pictures, shown=6) if pictures else None


def _all_spoilt(found, points):
    return all(entry.latencies_spoilt for point in points for entry in groups.at(found, point))


def _of(found, entries, name):
    column = PERCENTILES[name]
    return Shown(found, name, [entry for entry in entries if entry.median(column)])


def over_connections(found: summary.Summary, points: Sequence, name: str) -> Picture | None:
    shown = _of(found, [entry for point in points for entry in groups.at(found, point)], name)
    if not shown.entries:
        return None
    where = words.label(points[0], _others("c"), found.points)
    table = [["connections", "server", "median, ms", "each run, ms", "note"]]
    table += [[f"{entry.point.c:,}", *shown.row(entry)] for entry in shown.entries]
    return Picture(
        words.slug("latency", name, where),
        f"{NAMES[name]} latency over connections{words.at(where)}",
        _sentence(shown),
        "runs.csv",
        table,
        lambda figure, look: _draw_lines(figure, look, shown),
        servers_key([server for server in found.servers if shown.spots(server)]),
    )


def _others(*axes):
    return [axis for axis in summary.matrix.Point._fields if axis not in axes]


def _sentence(shown):
    """At the most connections."""
    most = max(entry.point.c for entry in shown.entries)
    last = [entry for entry in shown.entries if entry.point.c == most]
    values = [(_starred(entry), shown.median(entry)) for entry in last]
    said = words.extremes(values, lambda value: f"{thousands(value)} ms")
    return f"With {most:,} connections {NAMES[shown.name]} is {said}{marks.spoilt(shown.entries)}."


def _starred(entry):
    return entry.server + ("*" if entry.latencies_spoilt else "")


def _draw_lines(figure: FigureBase, look: looks.Look, shown: Shown) -> None:
    axes = figure.add_subplot()
    marks.measured_ticks(axes, look, [entry.point.c for entry in shown.entries])
    logarithmic(axes, "y", shown.everything, least_span=3)
    for server in shown.found.servers:
        if spots := shown.spots(server):
            marks.joined(axes, look, server, spots)
    axes.set_xlabel("connections, logarithmic")
    axes.set_ylabel(f"{NAMES[shown.name]}, ms, logarithmic")


def in_rows(found: summary.Summary, points: Sequence) -> list[Picture]:
    """Of points that differ from each other in more than their connections."""
    pictures = []
    entries = [entry for point in points for entry in groups.at(found, point)]
    for name in PERCENTILES:
        known = _of(found, entries, name)
        for sheet in groups.sheets(found, known.entries, []):
            pictures.append(_sheet(dataclasses.replace(known, entries=sheet.entries), sheet))
    return pictures


def _sheet(shown, sheet):
    found = shown.found
    labels = [words.label(entry.point, _others(), found.points) for entry in shown.entries]
    listed = rows.under_headings([(label, words.short(e.server)) for label, e in zip(labels, shown.entries)])
    table = [["point", "server", "median, ms", "each run, ms", "note"]]
    table += [[label or str(entry.point), *shown.row(entry)] for label, entry in zip(labels, shown.entries)]
    servers = {entry.server for entry in shown.entries}
    return Picture(
        words.slug("latency", shown.name, "rows", sheet.name),
        f"{NAMES[shown.name]} latency of each server" + (f", {sheet.where}" if sheet.where else ""),
        _sentence_of_rows(shown, labels),
        "runs.csv",
        table,
        lambda figure, look: _draw_rows(figure, look, shown, listed),
        servers_key([server for server in found.servers if server in servers]),
        height=rows.height(listed),
    )


def _sentence_of_rows(shown, labels):
    places = [
        (shown.median(entry), f"{_starred(entry)}{words.at(label)}")
        for entry, label in zip(shown.entries, labels)
    ]
    (low, first), (high, last) = min(places), max(places)
    said = f"from {thousands(low)} ms ({first}) to {thousands(high)} ms ({last})"
    if len(places) == 1:
        said = f"{thousands(low)} ms ({first})"
    return f"The medians of {NAMES[shown.name]} are {said}{marks.spoilt(shown.entries)}."


def _draw_rows(figure: FigureBase, look: looks.Look, shown: Shown, listed: rows.Listed) -> None:
    axes = figure.add_subplot()
    logarithmic(axes, "x", shown.everything, least_span=3)
    for y, entry in zip(rows.frame(axes, look, listed), shown.entries):
        values = shown.values(entry)
        marks.dots(axes, look, entry.server, values, [y] * len(values))
        spoilt = entry.latencies_spoilt
        marks.mark(axes, look, entry.server, shown.median(entry), y, spoilt, spoilt)
    axes.set_xlabel(f"{NAMES[shown.name]}, ms, logarithmic")
