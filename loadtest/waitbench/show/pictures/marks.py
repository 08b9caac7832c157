"""Marks of servers: every run a small dot, medians joined by a line, and what is spoilt pale and hollow."""

from typing import NamedTuple, Sequence

from matplotlib.axes import Axes

from ...judge import stats, summary
from . import look as looks
from . import positions

DOT, PALE = 0.45, 0.5  # size of a run's dot, of a mark's; opacity of what is spoilt
ROOM = 70  # px that the numbers beside the vertical axis take, about
WHY = {
    summary.GENERATOR_BOUND: "the generator was the bottleneck",
    summary.TOO_SHORT: "too few requests",
    summary.OVERLOADED: "requests without a response",
}


class Spot(NamedTuple):
    """Of one server at one place of an axis."""

    x: float
    runs: Sequence[float]
    y: float  # their median
    spoilt: bool = False


def dots(axes: Axes, look: looks.Look, server: str, xs: Sequence[float], ys: Sequence[float]) -> None:
    """Of single runs."""
    positions.dots(axes, xs, ys, look.colour(server), look.mark * DOT, label=f"runs of {server}")


def mark(
    axes: Axes, look: looks.Look, server: str, x: float, y: float, hollow: bool = False, pale: bool = False
) -> None:
    colour = look.colour(server)
    axes.plot(
        [x], [y], look.marker(server), color=colour, markerfacecolor=looks.PAPER if hollow else colour,
        alpha=PALE if pale else 1, label=server, clip_on=False, zorder=4,
    )  # fmt: skip


def joined(axes: Axes, look: looks.Look, server: str, spots: Sequence[Spot]) -> None:
    """Medians with a line through them, dotted on the way to one that is spoilt."""
    dots(
        axes, look, server,
        [spot.x for spot in spots for _ in spot.runs], [run for spot in spots for run in spot.runs],
    )  # fmt: skip
    for here, there in zip(spots, spots[1:]):
        spoilt = here.spoilt or there.spoilt
        axes.plot(
            [here.x, there.x], [here.y, there.y], ":" if spoilt else "-", color=look.colour(server),
            alpha=PALE if spoilt else 1, zorder=3,
        )  # fmt: skip
    for spot in spots:
        mark(axes, look, server, spot.x, spot.y, spot.spoilt, spot.spoilt)


def measured_ticks(axes: Axes, look: looks.Look, values: Sequence[float]) -> None:
    """A logarithmic x axis whose ticks are the values that were measured, as far as there is room for them."""
    figure = axes.figure
    positions.measured(axes, look, figure.bbox.width / figure.dpi * 72 - ROOM * look.text / 12, values)


def why_spoilt(entry: summary.Entry) -> str:
    """For a table: `* the generator was the bottleneck`; nothing where latencies are sound."""
    said = [words for flag, words in WHY.items() if flag in entry.flags]
    return f"* {', '.join(said)}" if said and entry.latencies_spoilt else ""


def bound(entries: Sequence[summary.Entry]) -> str:
    """For the end of a sentence about throughput."""
    count = sum(entry.generator_bound for entry in entries)
    return f"; hollow (*), {count} of {len(entries)}: the generator was the bottleneck" if count else ""


def spoilt(entries: Sequence[summary.Entry]) -> str:
    """For the end of a sentence: how many marks are spoilt, and why."""
    found = [entry for entry in entries if entry.latencies_spoilt]
    if not found:
        return ""
    flags = {flag for entry in found for flag in entry.flags}
    said = " or ".join(words for flag, words in WHY.items() if flag in flags)
    return f"; pale and hollow (*), {len(found)} of {len(entries)}: not to be compared, {said}"


def ratios(axes: Axes, look: looks.Look, rows: Sequence[tuple[float, str, stats.Estimate, bool]]) -> None:
    """Of (place, server, estimate, hollow): marks and intervals on a ratio axis, with 1 and the 5% around it."""
    axes.axvspan(1 / stats.MARGIN, stats.MARGIN, color=looks.BAND, linewidth=0, zorder=0)
    axes.axvline(1, color=looks.INK, linewidth=1)
    for y, server, estimate, hollow in rows:
        if estimate.low is not None:
            axes.plot(
                [estimate.low, estimate.high], [y, y], color=look.colour(server), label=f"interval of {server}"
            )  # fmt: skip
        mark(axes, look, server, estimate.ratio, y, hollow)
