"""The percentile spectrum of each run at a point, from histogram.csv."""

import statistics
from typing import NamedTuple, Sequence

from matplotlib.figure import FigureBase
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ...judge import evidence, spectra, summary
from ...plan import matrix
from . import groups, marks, words
from . import look as looks
from .picture import Picture, Section, servers_key
from .scales import logarithmic, thousands

BEYOND = 10  # requests, at least, that are slower than a percentile which is drawn
STEPS = (7, 5, 4, 3, 2, 1.5, 1)  # times a power of ten: the shares of the requests that are slower
THIN = 0.6  # of a line through medians: width of a line of one run
HOW = (
    "The whole distribution of the latencies: at 90% stands the time that 9 of 10 requests of a run stayed below, at 99.9% that of"
    " 999 of 1,000. Each step to the right by the same length has ten times fewer requests beyond it, so that the slow ones"
    f" are seen. A thin line is one run, up to the last percentile that at least {BEYOND} of its requests are beyond;"
    " a thick one the median of the percentiles of all runs, as far as each of them has it. A line that turns upwards: a few"
    " requests waited much longer than the others. Values are from buckets of 3 to 6% width. Dotted: the latencies are"
    " spoilt, since the generator was the bottleneck, the run too short, or requests were left without a response."
)

Line = dict[float, float]  # share of the requests -> ms


class Lines(NamedTuple):
    """Of one server at one point."""

    entry: summary.Entry
    runs: list[tuple[int, Line]]  # (block, line)

    @property
    def medians(self) -> Line:
        """Where every run has the percentile."""
        shares = set.intersection(*(set(line) for _, line in self.runs))
        return {share: statistics.median(line[share] for _, line in self.runs) for share in sorted(shares)}


def section(evidence: evidence.Evidence) -> Section | None:
    """None of folders of versions that kept no histogram."""
    pictures = [made for point in evidence.found.points if (made := picture(evidence, point))]
    return Section("spectrum", "Percentile spectrum", HOW, pictures, shown=2) if pictures else None


def line(run: spectra.Buckets) -> Line:
    """From the median on. A 0 has no place on a logarithmic axis."""
    requests = sum(count for _, count in run)
    shares = [round(1 - step * 10.0**power, 10) for power in range(-1, -9, -1) for step in STEPS]
    known = (share for share in shares if share >= 0.5 and (1 - share) * requests >= BEYOND - 1e-6)
    found = {share: spectra.percentile(run, share) / 1000 for share in known}
    return {share: ms for share, ms in found.items() if ms}


def picture(evidence: evidence.Evidence, point: matrix.Point) -> Picture | None:
    found = evidence.found
    every = []
    for entry in groups.at(found, point):
        keys = [(run["block"], entry.server) for run in entry.runs]
        runs = [(key[0], line(evidence.spectra[key])) for key in keys if key in evidence.spectra]
        if runs := [(block, of_run) for block, of_run in runs if of_run]:
            every.append(Lines(entry, runs))
    if not every:
        return None
    where = words.label(point, matrix.Point._fields, found.points)
    return Picture(
        words.slug("spectrum", where),
        f"Percentile spectrum{words.at(where)}",
        _sentence(every),
        "histogram.csv",
        _table(every),
        lambda figure, look: _draw(figure, look, every),
        servers_key([lines.entry.server for lines in every]),
    )


def percent(share: float) -> str:
    """99.9%"""
    return f"{100 * share:.10g}%"


def _table(every: Sequence[Lines]) -> list[list[str]]:
    """A row for each line, a column for each percentile."""
    shares = sorted({share for lines in every for _, of_run in lines.runs for share in of_run})
    rows = [["server", "block", *(f"{percent(share)}, ms" for share in shares), "note"]]
    for lines in every:
        drawn = [(str(block), of_run) for block, of_run in lines.runs]
        if len(drawn) > 1:
            drawn.append(("median", lines.medians))
        for block, of_run in drawn:
            cells = (thousands(of_run[share]) if share in of_run else "" for share in shares)
            rows.append([lines.entry.server, block, *cells, marks.why_spoilt(lines.entry)])
    return rows


def _sentence(every: Sequence[Lines]) -> str:
    """From the middle to the last percentile that all have."""
    common = set.intersection(*(set(lines.medians) for lines in every))
    missing = sum(len(lines.entry.runs) - len(lines.runs) for lines in every)
    runs = sum(len(lines.runs) for lines in every)
    rest = f"; {missing} of {missing + runs} runs have no histogram" if missing else ""
    rest += marks.spoilt([lines.entry for lines in every])
    if not common:
        return f"{runs} runs, without a percentile that all of them have{rest}."
    share = max(common)
    values = [
        (lines.entry.server + ("*" if lines.entry.latencies_spoilt else ""), lines.medians[share])
        for lines in every
    ]
    said = words.extremes(values, lambda value: f"{thousands(value)} ms")
    least = min(common)
    middle = words.extremes(
        [(name, lines.medians[least]) for (name, _), lines in zip(values, every)],
        lambda value: f"{thousands(value)} ms",
    )
    begin = f"Of all requests {percent(least)} took at most {middle}"
    return f"{begin}{rest}." if share == least else f"{begin}, and {percent(share)} at most {said}{rest}."


def _draw(figure: FigureBase, look: looks.Look, every: Sequence[Lines]) -> None:
    axes = figure.add_subplot()
    known = [pair for lines in every for _, of_run in lines.runs for pair in of_run.items()]
    logarithmic(axes, "y", [ms for _, ms in known], least_span=3)
    _percentile_axis(axes, [share for share, _ in known])
    for lines in every:
        style = ":" if lines.entry.latencies_spoilt else "-"
        colour = look.colour(lines.entry.server)
        for block, of_run in lines.runs:
            axes.plot(
                [1 / (1 - share) for share in of_run], list(of_run.values()), style, color=colour,
                linewidth=look.line * THIN, alpha=marks.PALE, label=f"{lines.entry.server}, block {block}",
            )  # fmt: skip
    for lines in every:
        medians = lines.medians
        if len(lines.runs) > 1 and medians:
            xs, ys = [1 / (1 - share) for share in medians], list(medians.values())
            colour = look.colour(lines.entry.server)
            style = ":" if lines.entry.latencies_spoilt else "-"
            axes.plot(xs, ys, style, color=colour, label=f"{lines.entry.server}, median", zorder=3)
            spoilt = lines.entry.latencies_spoilt
            marks.mark(axes, look, lines.entry.server, xs[-1], ys[-1], spoilt, spoilt)
    axes.set_ylabel("ms, logarithmic")
    axes.set_xlabel("requests that took no longer")


def _percentile_axis(axes, shares):
    """1 / (1 - share), logarithmic: 50%, 90%, 99% and so on, as far as there is room."""
    most = max(1 / (1 - share) for share in shares)
    axes.set_xscale("log")
    axes.set_xlim(1.9, max(most, 4) * 1.12)
    ticks = [0.5, *(1 - 10.0**-power for power in range(1, 9))]
    ticks = [share for share in ticks if 1 / (1 - share) <= most * 1.05]
    axes.xaxis.set_major_locator(FixedLocator([1 / (1 - share) for share in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(round(1 - 1 / value, 9))))
