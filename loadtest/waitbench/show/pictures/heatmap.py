"""The ratio to the baseline over two parameters at once: which way each step goes, and where it turns."""

import bisect
from typing import Any, NamedTuple, Sequence

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import FigureBase

from ...judge import evidence, stats, summary
from ...plan import matrix
from .. import formatting
from . import groups, words
from . import look as looks
from .bars import box
from .picture import Picture, Section

LIMITS = (1 / 2, 1 / 1.5, 1 / 1.2, 1 / stats.MARGIN, stats.MARGIN, 1.2, 1.5, 2)  # between the colours
MOST_ROWS, MOST_COLUMNS = 10, 6  # of a picture: a slide has room for them
CELL, ABOVE, STRIP = 40, 62, 46  # px on the page: a cell's height, names of the axes, the strip of colours
HATCHED: dict[str, Any] = {
    "facecolors": looks.PAPER,
    "edgecolors": looks.RULE,
    "linewidths": 1,
    "hatch": "///",
}
TITLES = {"rps": "Throughput", "cpu": "Server CPU per request"}
HOW = (
    "A cell is one configuration: throughput or CPU per request of a server, divided by that of {base} there. Blue-green is"
    " better than {base}, and orange worse: more requests are better, and less CPU. The colours are steps that reach equally"
    " far from 1 to both sides; grey is within 5% of 1. ~: the interval of the ratio contains 1 (or a single block gives none),"
    " so that the run cannot tell which is better. *: the generator was the bottleneck with one of the two, so that"
    " one of them could have done more. Hatched: not measured."
)


class Cells(NamedTuple):
    rows: str  # the axis
    columns: str
    ys: list[int]
    xs: list[int]
    entries: dict[tuple[int, int], summary.Entry]  # (y, x) -> of the other server


def section(known: evidence.Evidence) -> Section | None:
    found = known.found
    names = words.server_slugs(found.servers)
    planes = _planes(found.points)
    pictures = [
        made
        for measure in found.measures
        if measure.name in TITLES
        for rows, columns, points, where in planes
        for server in found.servers[1:]
        for made in _pictures(found, measure, server, names[server], rows, columns, points, where)
    ]
    how = HOW.format(base=found.baseline)
    return Section("heatmaps", "At a glance", how, pictures) if pictures else None


def _planes(points: Sequence[matrix.Point]) -> list[tuple[str, str, list[matrix.Point], str]]:
    """(axis of the rows, of the columns, points, what they have in common) of all combinations with two values of each
    or more: N x M, and for points that are in none of these, N x C."""
    made = []
    seen: set[matrix.Point] = set()
    for columns in ("m", "c"):
        names = [axis for axis in formatting.varying(points) if axis not in ("n", columns)]
        for key, group in groups.combinations(points, "n", columns).items():
            if seen.issuperset(group) or not all(_neighbours(group, axis) for axis in ("n", columns)):
                continue
            seen.update(group)
            made.append(("n", columns, group, formatting.label(key, names) if names else ""))
    return made


def _neighbours(points: Sequence[matrix.Point], axis: str) -> bool:
    """Whether two points have the same value of the axis."""
    return len({getattr(point, axis) for point in points}) < len(points)


def _pictures(found, measure, server, slug, rows, columns, points, where) -> list[Picture]:
    """Several where there are too many values for one."""
    entries = {
        (getattr(point, rows), getattr(point, columns)): found.entries[point, server]
        for point in points
        if (point, server) in found.entries and found.entries[point, server].estimates.get(measure.name)
    }
    ys, xs = (sorted({getattr(point, axis) for point in points}) for axis in (rows, columns))
    parts = [
        Cells(rows, columns, part_y, part_x, entries)
        for part_y in _parts(ys, MOST_ROWS)
        for part_x in _parts(xs, MOST_COLUMNS)
    ]
    parts = [part for part in parts if any((y, x) in entries for y in part.ys for x in part.xs)]
    return [
        _picture(
            found, measure, server, part, where, f"{number} of {len(parts)}" if len(parts) > 1 else "", slug
        )
        for number, part in enumerate(parts, 1)
    ]


def _parts(values: list[int], most: int) -> list[list[int]]:
    count = -(-len(values) // most)
    length = -(-len(values) // count)
    return [values[begin : begin + length] for begin in range(0, len(values), length)]


def _picture(found, measure, server, cells: Cells, where: str, part: str, slug: str) -> Picture:
    kept = [cells.entries[y, x] for y in cells.ys for x in cells.xs if (y, x) in cells.entries]
    rows = [[cells.rows, cells.columns, "ratio", "joint 95% interval", "verdict"]]
    for y in cells.ys:
        for x in cells.xs:
            entry = cells.entries.get((y, x))
            rows.append([str(y), str(x), *(_cells(measure, entry) if entry else ["not measured", "", ""])])
            rows[-1][2] += " *" if entry and _bound(found, entry) else ""
    name = TITLES[measure.name]
    kind = f"{cells.rows}-by-{cells.columns}"
    return Picture(
        words.slug("heatmap", measure.name, slug, kind, where, part.partition(" ")[0]),
        f"{name}: {words.short(server, 40)} relative to {words.short(found.baseline, 40)}"
        + words.at(where)
        + (f", {part}" if part else ""),
        _sentence(found, measure, kept),
        "summary.csv",
        rows,
        lambda figure, look: _draw(figure, look, found, measure, cells),
        height=ABOVE + STRIP + CELL * len(cells.ys),
    )


def _cells(measure: summary.Measure, entry: summary.Entry) -> list[str]:
    estimate = entry.estimates[measure.name]
    return [
        formatting.ratio(estimate.ratio),
        formatting.interval(estimate),
        formatting.decision(measure.name, estimate, entry.verdicts[measure.name]),
    ]


def _bound(found: summary.Summary, entry: summary.Entry) -> bool:
    """Of either server."""
    return entry.generator_bound or found.entries[entry.point, found.baseline].generator_bound


def _sentence(found: summary.Summary, measure: summary.Measure, entries: Sequence[summary.Entry]) -> str:
    ratios = [entry.estimates[measure.name].ratio for entry in entries]
    verdicts = [entry.verdicts[measure.name] for entry in entries]
    bound = sum(_bound(found, entry) for entry in entries)
    said = (
        f"From {formatting.ratio(min(ratios))} to {formatting.ratio(max(ratios))} of {found.baseline}:"
        f" {formatting.tally(measure.name, verdicts, 'cells')}"
    )
    return said + (f"; at {bound} the generator was the bottleneck (*)." if bound else ".")


def colour(ratio: float, more_is_better: bool) -> str:
    """Of looks.DIVERGING, whose end is the better one."""
    step = bisect.bisect_left(LIMITS, ratio)
    return looks.DIVERGING[step if more_is_better else -1 - step]


def text(found: summary.Summary, measure: summary.Measure, entry: summary.Entry) -> tuple[str, str]:
    """(the ratio, its marks)"""
    estimate = entry.estimates[measure.name]
    low, high = estimate.low, estimate.high
    open_ = low is None or high is None or low <= 1 <= high
    return formatting.ratio(estimate.ratio), "~" * open_ + "*" * _bound(found, entry)


def _draw(figure: FigureBase, look: looks.Look, found, measure, cells: Cells) -> None:
    high = figure.bbox.height / figure.dpi * 72
    strip = (look.text * 3.2) / high
    axes, below = figure.subplots(2, 1, height_ratios=(1 - strip, strip))
    axes.grid(False)
    one_line = (high * (1 - strip) - 5 * look.text) / len(cells.ys) < 2.9 * look.text
    faces: dict[str | None, list] = {}  # colour, None: not measured -> corners of its cells
    for row, y in enumerate(cells.ys):
        for column, x in enumerate(cells.xs):
            entry = cells.entries.get((y, x))
            face = colour(entry.estimates[measure.name].ratio, measure.more_is_better) if entry else None
            faces.setdefault(face, []).append(box(column - 0.48, row - 0.46, 0.96, 0.92))
            if entry:
                said = filter(None, text(found, measure, entry))
                axes.text(column, row, (" " if one_line else "\n").join(said), ha="center", va="center")
    for face, corners in faces.items():
        look_of = {"facecolors": face, "linewidths": 0} if face else HATCHED
        axes.add_collection(PolyCollection(corners, **look_of))
    for which, values, axis in (("x", cells.xs, cells.columns), ("y", cells.ys, cells.rows)):
        getattr(axes, f"set_{which}ticks")(range(len(values)), [f"{value:,}" for value in values])
        getattr(axes, f"set_{which}lim")(*((-0.5, len(values) - 0.5)[:: 1 if which == "x" else -1]))
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(formatting.AXES[cells.columns])
    axes.set_ylabel(formatting.AXES[cells.rows].replace(" (", "\n("))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    _strip(below, measure)


def _strip(axes: Axes, measure: summary.Measure) -> None:
    """The colours, and the ratios between them."""
    count = len(looks.DIVERGING)
    order = looks.DIVERGING if measure.more_is_better else looks.DIVERGING[::-1]
    for place, face in enumerate(order):
        axes.add_collection(PolyCollection([box(place, 0, 1, 1)], facecolors=face, linewidths=0))
    axes.set_xlim(0, count)
    axes.set_ylim(0, 1)
    axes.set_xticks(range(1, count), [f"{limit:.2f}".rstrip("0").rstrip(".") for limit in LIMITS])
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
