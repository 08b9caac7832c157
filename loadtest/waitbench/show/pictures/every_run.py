"""Every run as a dot: how far runs of the same kind are apart, and which of them are unlike the others."""

import statistics
from typing import NamedTuple, Sequence

from matplotlib.figure import FigureBase

from ...judge import evidence, summary
from .. import formatting
from . import groups, positions, scales, words
from . import look as looks
from .picture import Picture, Section, servers_key

HOW = (
    "Each dot is one run; nothing is averaged. In the first picture it is divided by the median of the same server at the"
    " same point, in the order in which the runs were made: a drift of the machine moves all dots of a time, and an outlier is"
    " far from the others. In the others each server has a row of its own at each point. A hollow dot: the run is"
    " flagged (the generator was the bottleneck, say); such a run is sound and stays."
)
UNITS = {"rps": "requests per second", "p99_us": "p99 latency, µs"}
HIGH = 460  # px that the rows of a picture may take together
LEAST, SERVER = 24, 8  # px, of a point and of a server in it
BELOW, LEAST_DOT = 56, 3  # px, of the axis below them and of a dot


class Run(NamedTuple):
    entry: summary.Entry
    block: int
    value: float
    flags: str

    @property
    def text(self) -> str:
        return formatting.significant(self.value, 4) + " *" * bool(self.flags)


def section(known: evidence.Evidence) -> Section | None:
    found = known.found
    runs = _runs(found)
    if not runs:
        return None
    axes = ["workload", "n"]
    # As if a point were a row, with as many of them as fit.
    most = 2 * max(1, HIGH // max(LEAST, SERVER * len(found.servers)))
    firsts = list({run.entry.point: run.entry for run in runs}.values())
    pictures = [_over_blocks(found, runs)]
    pictures += [_strips(found, sheet, runs) for sheet in groups.sheets(found, firsts, axes, most)]
    return Section("every-run", "Every run", HOW, pictures)


def _runs(found: summary.Summary) -> list[Run]:
    column = found.lead.column
    return [
        Run(entry, run["block"], run[column], run["flags"])
        for entry in groups.entries(found)
        for run in entry.runs
        if run[column]
    ]


def _over_blocks(found: summary.Summary, runs: Sequence[Run]) -> Picture:
    medians = {id(entry): entry.median(found.lead.column) or 1.0 for entry in groups.entries(found)}
    ratios = [(run, run.value / medians[id(run.entry)]) for run in runs]
    blocks: dict[int, dict[str, str]] = {}
    points = {}
    for run, ratio in sorted(ratios, key=lambda pair: pair[0].block):
        points[run.block] = str(run.entry.point)
        blocks.setdefault(run.block, {})[run.entry.server] = f"{ratio:.3f}" + " *" * bool(run.flags)
    rows = [["block", "point", *found.servers]]
    rows += [
        [str(block), points[block], *(of.get(server, "") for server in found.servers)]
        for block, of in blocks.items()
    ]
    return Picture(
        "every-run-in-order",
        "Every run, in the order in which they were made",
        _spread(ratios),
        "runs.csv",
        rows,
        lambda figure, look: _draw_blocks(figure, look, found, ratios),
        servers_key(found.servers),
    )


def _spread(ratios: Sequence[tuple[Run, float]]) -> str:
    far = [max(ratio, 1 / ratio) for _, ratio in ratios]
    half = statistics.median(far)
    run, ratio = ratios[far.index(max(far))]
    said = (
        f"Half of the {len(far):,} runs are within {formatting.percent(half)} of the median of the same server at the same"
        f" point; the farthest is {formatting.ratio(ratio)} ({run.entry.server} at {run.entry.point}, block {run.block})"
    )
    return said + _flagged([run for run, _ in ratios]) + "."


def _flagged(runs: Sequence[Run]) -> str:
    counts: dict[str, int] = {}
    for run in runs:
        for word in run.flags.split():
            counts[word] = counts.get(word, 0) + 1
    if not counts:
        return "; no run is flagged"
    marked = sum(bool(run.flags) for run in runs)
    each = words.joined([f"{count:,} {word}" for word, count in sorted(counts.items())])
    return f"; {marked:,} of {len(runs):,} runs are flagged (*): {each}"


def _draw_blocks(
    figure: FigureBase, look: looks.Look, found: summary.Summary, ratios: Sequence[tuple[Run, float]]
) -> None:
    axes = figure.add_subplot()
    last = max(run.block for run, _ in ratios)
    axes.set_xlim(0, last + 1)
    axes.locator_params(axis="x", integer=True)
    scales.ratio_axis(axes, "y", [ratio for _, ratio in ratios])
    axes.axhline(1, color=looks.INK, linewidth=1, zorder=1)
    axes.set_xlabel("block")
    axes.set_ylabel("ratio to the median, logarithmic")
    for server in found.servers:
        for hollow in (False, True):
            own = [(run, ratio) for run, ratio in ratios if run.entry.server == server]
            own = [(run, ratio) for run, ratio in own if bool(run.flags) == hollow]
            xs, ys = [run.block for run, _ in own], [ratio for _, ratio in own]
            positions.dots(axes, xs, ys, look.colour(server), look.mark * 0.75, hollow, server)


def _strips(found: summary.Summary, sheet: groups.Sheet, runs: Sequence[Run]) -> Picture:
    points = {entry.point for entry in sheet.entries}
    own = [run for run in runs if run.entry.point in points]
    of_entry: dict[int, list[Run]] = {}
    for run in own:
        of_entry.setdefault(id(run.entry), []).append(run)
    unit = UNITS[found.lead.column]
    rows = [["point", "server", f"{unit}, of each run in order"]]
    for same in of_entry.values():
        entry = same[0].entry
        rows.append([str(entry.point), entry.server, ", ".join(run.text for run in same)])
    return Picture(
        words.slug("every-run", sheet.name),
        f"Every run: {unit}" + words.at(sheet.where),
        _apart(list(of_entry.values())) + _flagged(own) + ".",
        "runs.csv",
        rows,
        lambda figure, look: _draw_strips(figure, look, found, sheet, own, unit),
        servers_key(found.servers),
        height=72 + max(LEAST, SERVER * len(found.servers)) * len(points),
    )


def _apart(alike: Sequence[Sequence[Run]]) -> str:
    if all(len(same) == 1 for same in alike):
        return "Each server ran once at each point"
    widths = [max(run.value for run in same) / min(run.value for run in same) for same in alike]
    widest = alike[widths.index(max(widths))][0].entry
    return (
        f"Runs of the same kind are farthest apart with {widest.server} at {widest.point}, where the greatest is"
        f" {formatting.ratio(max(widths))} the least"
    )


def _draw_strips(
    figure: FigureBase,
    look: looks.Look,
    found: summary.Summary,
    sheet: groups.Sheet,
    runs: Sequence[Run],
    unit: str,
) -> None:
    axes = figure.add_subplot()
    points = {entry.point: place for place, entry in enumerate(sheet.entries)}
    scales.logarithmic(axes, "x", [run.value for run in runs])
    axes.set_ylim(len(points) - 0.5, -0.5)
    step = 0.8 / len(found.servers)  # of a row, which is a name and no scale
    room = (figure.bbox.height / figure.dpi * 72 - BELOW * look.text / 12) * step / len(points)
    size = min(look.mark, max(room, LEAST_DOT))
    for place, server in enumerate(found.servers):
        shift = (place - (len(found.servers) - 1) / 2) * step
        for hollow in (False, True):
            own = [run for run in runs if run.entry.server == server and bool(run.flags) == hollow]
            xs = [run.value for run in own]
            ys = [points[run.entry.point] + shift for run in own]
            positions.dots(axes, xs, ys, look.colour(server), size, hollow, server)
    axes.set_yticks(
        range(len(points)), [formatting.label(point, sheet.axes) if sheet.axes else "" for point in points]
    )
    axes.tick_params(axis="y", length=0, labelcolor=looks.INK)
    axes.grid(False, axis="y")
    for place in range(1, len(points)):
        axes.axhline(place - 0.5, color=looks.RULE, linewidth=0.6)
    axes.set_xlabel(f"{unit}, logarithmic")
