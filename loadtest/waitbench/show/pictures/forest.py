"""The ratio to the baseline at every point, with its interval."""

import collections
import dataclasses
from typing import Sequence

from matplotlib.figure import FigureBase

from ...judge import evidence, stats, summary
from ...plan.matrix import Point
from .. import formatting
from . import groups, marks
from . import look as looks
from .picture import Picture, Section, servers_key
from .scales import ratio_axis, ratio_label

ROW = 17  # px from one server's row to the next on the page
ROWS = 24  # of an overview, so that it is seen without scrolling
TITLES = {
    "rps": "Requests per second, relative to {}",
    "cpu": "Server CPU per request, relative to {}",
    "p99": "p99 latency, relative to {}",
}


def section(seen: evidence.Evidence) -> Section | None:
    found = seen.found
    pictures = [made for measure in found.measures if (made := picture(found, measure))]
    how = (
        f"A row is one server at one configuration; its mark is the mean ratio to {found.baseline} over the blocks, and the"
        " line its joint 95% interval. A hollow mark: the run cannot tell a difference. The grey band is 5% to both sides of 1."
        " The scale is logarithmic, so that twice as much and half as much are equally far from 1."
    )
    return Section("ratios", "Ratios", how, pictures) if pictures else None


def overview(seen: evidence.Evidence) -> Picture | None:
    """Of the first measure, at the points with the usual bytes, delay and so on: what is seen first."""
    found = seen.found
    points = usual(found.points, len(found.servers) - 1)
    made = picture(found, found.lead, points)
    if not made:
        return None
    left = len(found.points) - len(points)
    more = f" {left} more configurations are below." if left else ""
    fixed = formatting.fixed(points)
    return dataclasses.replace(
        made, name="overview", sentence=made.sentence + (f" All at {fixed}." if fixed else "") + more
    )


def usual(points: Sequence[Point], servers: int) -> list[Point]:
    """The points that have, on every axis but queries, connections and load, the value that most points have; of an open
    loop's loads the highest, as many as there is room for."""
    kept = list(points)
    for axis in Point._fields:
        if axis not in ("n", "c", "load"):
            counts = collections.Counter(getattr(point, axis) for point in kept)
            most = counts.most_common(1)[0][0]
            kept = [point for point in kept if getattr(point, axis) == most]
    loads = sorted({point.load for point in kept if point.load is not None})
    while len(loads) > 1 and len(kept) * servers > ROWS:
        lowest = loads.pop(0)
        kept = [point for point in kept if point.load != lowest]
    return kept


def picture(
    found: summary.Summary, measure: summary.Measure, points: Sequence[Point] | None = None
) -> Picture | None:
    """`points`: those that are drawn, of all."""
    shown = found.points if points is None else points
    entries = [e for point in shown for e in groups.at(found, point) if e.estimates.get(measure.name)]
    if not entries:
        return None
    varying = formatting.varying(shown) or ["n", "c"]
    names = {point: formatting.label(point, varying) for point in shown}
    title = TITLES[measure.name].format(found.baseline)
    rows = [["point", "server", "ratio", "joint 95% interval", "verdict"]]
    for entry in entries:
        estimate, word = entry.estimates[measure.name], entry.verdicts[measure.name]
        rows.append(
            [
                names[entry.point],
                entry.server,
                formatting.ratio(estimate.ratio),
                formatting.interval(estimate),
            ]
            + [formatting.decision(measure.name, estimate, word) + _mark(entry)]
        )
    return Picture(
        f"forest-{measure.name}",
        title,
        _sentence(found, measure, entries),
        "summary.csv",
        rows,
        lambda figure, look: _draw(figure, look, found, measure, entries, names),
        servers_key(found.servers[1:]),
        height=60 + ROW * len(entries),
    )


def _sentence(found, measure, entries):
    ratios = [entry.estimates[measure.name].ratio for entry in entries]
    words = [entry.verdicts[measure.name] for entry in entries]
    return (
        f"From {formatting.ratio(min(ratios))} to {formatting.ratio(max(ratios))} of {found.baseline}:"
        f" {formatting.tally(measure.name, words, 'ratios')}."
    )


def _draw(figure: FigureBase, look: looks.Look, found, measure, entries, names) -> None:
    axes = figure.add_subplot()
    estimates = [entry.estimates[measure.name] for entry in entries]
    ends = [end for e in estimates for end in (e.low, e.high, e.ratio) if end and 1e-3 < end < 1e3]
    ratio_axis(axes, "x", ends)
    marks.ratios(
        axes,
        look,
        [
            (y, entry.server, estimate, entry.verdicts[measure.name] == stats.INCONCLUSIVE)
            for y, (entry, estimate) in enumerate(zip(entries, estimates))
        ],
    )
    begins = [y for y, entry in enumerate(entries) if y == 0 or entries[y - 1].point != entry.point]
    axes.set_yticks(begins, [names[entries[y].point] for y in begins])
    axes.grid(False, axis="y")
    for y in begins[1:]:
        axes.axhline(y - 0.5, color=looks.RULE, linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(entries) - 0.4, -0.6)
    ratio_label(axes, found.baseline, measure.name)


def _mark(entry):
    return " *" if entry.generator_bound else ""
