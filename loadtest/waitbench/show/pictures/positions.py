"""Axes on which the values that were measured stand where they belong, and marks on them."""

from typing import Iterable, Sequence

import numpy
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from . import look as looks
from .scales import thousands

LETTER = 0.62  # of the height of the text
TALLER = 2.5  # px, of the lines of numbers below an axis


def measured(axes: Axes, look: looks.Look, width: float, values: Iterable[float]) -> str:
    """The x axis from the least to the largest value, on a logarithmic scale that has 0 where a value is 0. Ticks are
    at the values themselves, without those that have no room in `width` pixels. Returns what kind of scale it is.
    """
    ordered = sorted(set(values))
    positive = [value for value in ordered if value > 0]
    if ordered[0] > 0:
        axes.set_xscale("log")
        widen = max((ordered[-1] / ordered[0]) ** 0.04, 1.05)
        axes.set_xlim(ordered[0] / widen, ordered[-1] * widen)
        kind = "logarithmic"
    else:
        least = positive[0] if positive else 1.0
        axes.set_xscale("symlog", linthresh=least, linscale=0.5)
        axes.set_xlim(-0.1 * least, max(positive, default=1.0) * 1.1)
        kind = f"logarithmic from {thousands(least)} on, linear below"
    places = axes.transLimits.transform([(axes.transScale.transform((value, 1))[0], 0) for value in ordered])[
        :, 0
    ]
    axes.xaxis.set_major_locator(FixedLocator(_with_room(ordered, places * width, look.text)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))
    return kind


def _with_room(values: Sequence[float], places: Sequence[float], text: float) -> list[float]:
    """The first, the last, and of the others as many as do not touch."""
    halves = [len(thousands(value)) * LETTER * text / 2 for value in values]
    kept = [0]
    last = len(values) - 1
    for place in range(1, last + 1):
        while place == last and len(kept) > 1 and not _apart(places, halves, kept[-1], place, text):
            kept.pop()
        if place == last or all(_apart(places, halves, other, place, text) for other in (kept[-1], last)):
            kept.append(place)
    return [values[place] for place in dict.fromkeys(kept)]


def _apart(places, halves, one, other, text):
    return abs(places[one] - places[other]) >= halves[one] + halves[other] + text * 0.4


def dots(
    axes: Axes,
    xs: Sequence[float],
    ys: Sequence[float],
    colour: str,
    size: float,
    hollow: bool = False,
    label: str = "",
) -> None:
    """A dot for each pair, all of them one path: ten thousand are a third of a megabyte of SVG. The axes have their limits
    and scales. `label` is for a person who inspects the figure."""
    if not len(xs):
        return
    # A line from each place to nearly the same one, with round ends. The backend drops what is shorter.
    ends = numpy.repeat(numpy.column_stack([xs, ys]).astype(float), 2, axis=0)
    ends[1::2] = _a_little_above(axes, ends[1::2])
    path = Path(ends, numpy.tile([Path.MOVETO, Path.LINETO], len(xs)))
    path.should_simplify = False
    rings = [(size, colour, label)] + ([(size * 0.5, looks.PAPER, "")] if hollow else [])
    for width, ink, name in rings:
        dot = PathPatch(
            path, facecolor="none", edgecolor=ink, linewidth=width, capstyle="round", label=name, zorder=3
        )
        dot.set(clip_on=False, snap=False)
        axes.add_artist(dot)  # which does not look for limits, as add_patch does


def _a_little_above(axes: Axes, places: numpy.ndarray) -> numpy.ndarray:
    """By a 5,000th of the height of the axes, whose limits are set."""
    scaled = axes.transScale.transform(places)
    low, high = axes.transScale.transform([(1, end) for end in axes.get_ylim()])[:, 1]
    scaled[:, 1] += abs(high - low) / 5000
    return axes.transScale.inverted().transform(scaled)


def marks(
    axes: Axes,
    look: looks.Look,
    server: str,
    xs: Sequence[float],
    ys: Sequence[float],
    hollow: Sequence[bool],
) -> None:
    """A server's marks, those of spoilt points hollow."""
    colour = look.colour(server)
    for empty in (False, True):
        places = [place for place, is_hollow in enumerate(hollow) if is_hollow == empty]
        if places:
            axes.plot(
                [xs[place] for place in places],
                [ys[place] for place in places],
                look.marker(server),
                color=colour,
                markerfacecolor=looks.PAPER if empty else colour,
                clip_on=False,
                zorder=4,
                label=server,
            )
