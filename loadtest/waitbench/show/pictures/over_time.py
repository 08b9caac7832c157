"""Throughput and p99 second by second, from series.csv: points with runs that were not steady first. Nothing is
smoothed."""

import dataclasses
import statistics
from typing import Sequence

from matplotlib.figure import FigureBase

from ...judge import evidence, series, summary
from ...plan import matrix
from . import groups, marks, words
from . import look as looks
from .picture import Picture, Section, servers_key
from .scales import from_zero, logarithmic, thousands

LEAST_SECONDS = 3  # of a run that is drawn: two are a line without a shape
OPEN, LEAST_OPEN = 6, 2  # pictures that are seen without a click: those with unsteady runs, or a few
NAMED = 3  # unsteady runs in a sentence
THIN = 0.6  # of the line through medians: the width of the line of one run
HOW = (
    "A thin line is one run, a thick one the median over the runs of a server, second by second. Dashed: a run that was not"
    " steady, since one of its seconds had less than half of the median throughput, or its second half was more than 20% slower than"
    " its first. A short stroke at the foot: the database reported a checkpoint in that second of a run (it then writes to the"
    " disk what was changed). With wrk the first second has the connecting phase in it, and no p99 is known of single"
    " seconds. A hollow mark at the end of a line and *:"
    " the generator was the bottleneck, so that the server could have done more, or p99 is spoilt."
)

Line = list[tuple[int, float]]  # (second, value)


@dataclasses.dataclass(frozen=True)
class Lines:
    """Of one server at one point."""

    entry: summary.Entry
    runs: list[tuple[int, Line]]  # (block, line)
    checkpoints: list[tuple[int, int]]  # (block, second), each once

    @property
    def medians(self) -> Line:
        by_second: dict[int, list[float]] = {}
        for _, line in self.runs:
            for second, value in line:
                by_second.setdefault(second, []).append(value)
        return [(second, statistics.median(values)) for second, values in sorted(by_second.items())]

    @property
    def values(self) -> list[float]:
        return [value for _, line in self.runs for _, value in line]


@dataclasses.dataclass(frozen=True)
class Measure:
    name: str
    title: str
    column: str
    divide: float
    unit: str
    from_zero: bool


RATE = Measure("rps", "Throughput", "requests", 1, "requests/s", True)
TAIL = Measure("p99", "p99 latency", "p99_us", 1000, "p99, ms, logarithmic", False)


def section(evidence: evidence.Evidence) -> Section | None:
    """None where no run is long enough."""
    found, seconds = evidence.found, evidence.seconds
    odd: dict[matrix.Point, list[series.Unsteady]] = {}
    for one in series.unsteady(found, seconds):
        odd.setdefault(one.point, []).append(one)
    points = sorted(found.points, key=lambda point: point not in odd)  # stable
    made = [
        (point, picture(evidence, point, m, odd.get(point, []))) for point in points for m in (RATE, TAIL)
    ]
    pictures = [(point, picture) for point, picture in made if picture]
    if not pictures:
        return None
    shown = len(pictures)
    if shown > OPEN:
        shown = max(LEAST_OPEN, min(OPEN, sum(point in odd for point, _ in pictures)))
    return Section("over-time", "Over time", HOW, [picture for _, picture in pictures], shown)


def picture(
    evidence: evidence.Evidence, point: matrix.Point, measure: Measure, odd: Sequence[series.Unsteady] = ()
) -> Picture | None:
    found = evidence.found
    of_entries = (_lines(entry, evidence.seconds, measure) for entry in groups.at(found, point))
    every = [lines for lines in of_entries if lines.values]
    if not every:
        return None
    where = words.label(point, matrix.Point._fields, found.points)
    return Picture(
        words.slug("over-time", measure.name, where),
        f"{measure.title}, second by second{words.at(where)}",
        _sentence(every, measure, odd),
        "series.csv",
        _table(every, measure, odd),
        lambda figure, look: _draw(figure, look, every, measure, odd),
        servers_key([lines.entry.server for lines in every]),
    )


def _lines(entry: summary.Entry, seconds: series.Runs, measure: Measure) -> Lines:
    """The known values of its runs. A p99 of 0 has no place on a logarithmic axis."""
    runs, checkpoints = [], []
    for run in entry.runs:
        own = seconds.get((run["block"], entry.server), [])
        if len(own) < LEAST_SECONDS:
            continue
        known = [(second.second, getattr(second, measure.column)) for second in own]
        line = [(second, value / measure.divide) for second, value in known if value is not None]
        runs.append((run["block"], [(s, value) for s, value in line if value or measure.from_zero]))
        checkpoints += [(run["block"], second.second) for second in own if second.checkpoints]
    return Lines(entry, runs, checkpoints)


def _marked(lines: Lines, measure: Measure) -> bool:
    return lines.entry.generator_bound if measure == RATE else lines.entry.latencies_spoilt


def _starred(lines: Lines, measure: Measure) -> str:
    return lines.entry.server + ("*" if _marked(lines, measure) else "")


def _sentence(every: Sequence[Lines], measure: Measure, odd: Sequence[series.Unsteady]) -> str:
    entries = [lines.entry for lines in every]
    marked = marks.bound(entries) if measure == RATE else marks.spoilt(entries)
    if odd:
        parts = [f"{one.server} in block {one.block} ({one.words})" for one in odd[:NAMED]]
        more = f", and {len(odd) - NAMED} more" if len(odd) > NAMED else ""
        return f"Not steady: {'; '.join(parts)}{more}{marked}."
    worst = max if measure == TAIL else min
    ends = [
        (_starred(lines, measure), statistics.median(lines.values), worst(lines.values)) for lines in every
    ]
    middles = words.extremes([(name, middle) for name, middle, _ in ends], thousands)
    value, name = worst((value, name) for name, _, value in ends)
    which = "longest" if measure == TAIL else "least"
    unit = " ms" if measure == TAIL else ""
    least = f"the {which} of any second {thousands(value)}{unit} ({name})"
    return f"The median of the seconds is {middles}{unit}, and {least}{marked}."


def _table(every: Sequence[Lines], measure: Measure, odd: Sequence[series.Unsteady]) -> list[list[str]]:
    """A row for each line, a column for each second."""
    length = 1 + max(second for lines in every for _, line in lines.runs for second, _ in line)
    unit = ", ms" if measure == TAIL else ""
    rows = [
        ["server", "block", *(f"second {second}{unit}" for second in range(length)), "checkpoints in", "note"]
    ]
    why = {(one.server, one.block): one.words for one in odd}
    for lines in every:
        note = marks.why_spoilt(lines.entry) if _marked(lines, measure) else ""
        drawn: list[tuple[int | str, Line]] = list(lines.runs)
        if len(drawn) > 1:
            drawn.append(("median", lines.medians))
        for block, line in drawn:
            known = dict(line)
            cells = (thousands(known[second]) if second in known else "" for second in range(length))
            own = " ".join(f"second {second}" for of, second in lines.checkpoints if of == block)
            said = " ".join(filter(None, [why.get((lines.entry.server, block), ""), note]))  # type: ignore[arg-type]
            rows.append([lines.entry.server, str(block), *cells, own, said])
    return rows


def _draw(
    figure: FigureBase,
    look: looks.Look,
    every: Sequence[Lines],
    measure: Measure,
    odd: Sequence[series.Unsteady],
) -> None:
    """A value stands in the middle of its second."""
    axes = figure.add_subplot()
    values = [value for lines in every for value in lines.values]
    if measure.from_zero:
        from_zero(axes, "y", values)
    else:
        logarithmic(axes, "y", values, least_span=3)
    marked = {(one.server, one.block) for one in odd}
    for lines in every:
        several = len(lines.runs) > 1
        for block, line in lines.runs:
            unsteady = (lines.entry.server, block) in marked
            axes.plot(
                [second + 0.5 for second, _ in line], [value for _, value in line], "--" if unsteady else "-",
                color=look.colour(lines.entry.server), linewidth=look.line * (THIN if several else 1),
                alpha=marks.PALE if several and not unsteady else 1, label=f"{lines.entry.server}, block {block}",
            )  # fmt: skip
    for place, lines in enumerate(every):
        medians = lines.medians
        xs, ys = [second + 0.5 for second, _ in medians], [value for _, value in medians]
        if len(lines.runs) > 1:
            label = f"{lines.entry.server}, median"
            axes.plot(xs, ys, color=look.colour(lines.entry.server), label=label, zorder=3)
        spoilt = _marked(lines, measure)
        marks.mark(axes, look, lines.entry.server, xs[-1], ys[-1], spoilt, spoilt)
        _checkpoints(axes, look, lines, place)
    length = 1 + max(second for lines in every for _, line in lines.runs for second, _ in line)
    axes.set_xlim(0, length)
    axes.locator_params(axis="x", integer=True, nbins=9)
    axes.set_xlabel("seconds of the run")
    axes.set_ylabel(measure.unit)


def _checkpoints(axes, look, lines, place):
    """A stroke at the foot; those of one server above those of the one before, as several may have one in a second."""
    xs = [second + 0.5 for second in sorted({second for _, second in lines.checkpoints})]
    if xs:
        axes.plot(
            xs, [0.02 + 0.035 * place] * len(xs), "|", color=look.colour(lines.entry.server), markeredgewidth=look.line,
            transform=axes.get_xaxis_transform(), label=f"checkpoints of {lines.entry.server}",
        )  # fmt: skip
