"""A measure against one parameter: the median of each server, and the ribbon of its runs."""

import dataclasses
from typing import Mapping, NamedTuple, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from ...judge import measures, summary
from ...plan import matrix
from .. import formatting
from . import groups, positions, scales, words
from . import look as looks
from .picture import Picture, servers_key

RIBBON = 0.16, 0.06  # opacity, of up to four servers and of more
FEW_LETTERS = 70  # px that the numbers beside the vertical axis take, about
ENDLESS = "k"  # whose 0 is "unlimited", which has no place on a scale


class Measure(NamedTuple):
    name: str
    title: str
    column: str
    unit: str
    what: str  # in a sentence
    from_zero: bool  # or logarithmic, where an axis multiplies the work


THROUGHPUT = Measure("throughput", "Throughput", "rps", "requests per second", "throughput", False)
CPU = Measure(
    "cpu", "Server CPU per request", measures.CPU, "µs of server CPU per request", "CPU per request", True
)
# Along these throughput changes by orders of magnitude.
STEEP = {"n", "d", "t", "w"}


@dataclasses.dataclass(frozen=True)
class Track:
    """One server's values along the axis."""

    server: str
    entries: Sequence[summary.Entry]
    xs: Sequence[float]
    middles: Sequence[float]
    lows: Sequence[float]  # least run
    highs: Sequence[float]  # largest run


def pictures(
    found: summary.Summary,
    axis: str,
    kinds: Sequence[Measure],
    pools: Mapping[matrix.Point, int] | None = None,
) -> list[Picture]:
    """Of each combination of the other parameters that has two values of this one or more; those with the most values
    first, and of them those whose generator was the bottleneck at the fewest."""
    made = []
    alike = groups.combinations(found.points, axis)
    names = [name for name in formatting.varying(found.points) if name != axis]
    for key, points in sorted(alike.items(), key=lambda pair: _worth(found, pair[1])):
        if len(points) > 1:
            where = formatting.label(key, names) if names else ""
            kept = [picture(found, axis, kind, points, where, (pools or {}).get(key)) for kind in kinds]
            made += [one for one in kept if one]
    return made


def _worth(found: summary.Summary, points: Sequence[matrix.Point]) -> tuple[int, int]:
    spoilt = sum(entry.generator_bound for point in points for entry in groups.at(found, point))
    return -len(points), spoilt


def tracks(found: summary.Summary, axis: str, column: str, points: Sequence[matrix.Point]) -> list[Track]:
    made = []
    for server in found.servers:
        entries, xs, spans = [], [], []
        for place, point in enumerate(points):
            entry = found.entries.get((point, server))
            runs = [run[column] for run in entry.runs if run[column] is not None] if entry else []
            middle = entry.median(column) if entry else None
            if entry and middle is not None:
                entries.append(entry)
                xs.append(float(place) if axis == ENDLESS else getattr(point, axis))
                spans.append((middle, min(runs), max(runs)))
        if entries:
            made.append(Track(server, entries, xs, *zip(*spans)))
    return made


def picture(
    found: summary.Summary,
    axis: str,
    kind: Measure,
    points: Sequence[matrix.Point],
    where: str,
    pool: int | None,
) -> Picture | None:
    points = sorted(points, key=lambda point: _order(axis, point))
    drawn = tracks(found, axis, kind.column, points)
    if not any(len(track.xs) > 1 for track in drawn):
        return None
    rows = [["point", "server", f"median, {kind.unit}", "least run", "largest run"]]
    for track in drawn:
        for entry, *numbers in zip(track.entries, track.middles, track.lows, track.highs):
            rows.append([str(entry.point) + words.star(entry), track.server])
            rows[-1] += [formatting.significant(number) for number in numbers]
    return Picture(
        words.slug(kind.name, "by", axis, where),
        f"{kind.title} by {formatting.AXES[axis]}" + words.at(where),
        _sentence(axis, kind, points, drawn),
        "runs.csv",
        rows,
        lambda figure, look: draw(figure, look, axis, kind, points, drawn, pool),
        servers_key(found.servers),
    )


def _order(axis: str, point: matrix.Point) -> float:
    """Unlimited comes last."""
    value = getattr(point, axis)
    return float("inf") if axis == ENDLESS and value == 0 else value


def _sentence(axis: str, kind: Measure, points: Sequence[matrix.Point], drawn: Sequence[Track]) -> str:
    first, last = (formatting.shown(point, axis) for point in (points[0], points[-1]))
    whole = [track for track in drawn if len(track.xs) == len(points) and track.middles[0]]
    entries = [entry for track in drawn for entry in track.entries]
    if whole:
        changes = [(track.server, track.middles[-1] / track.middles[0]) for track in whole]
        said = words.extremes(changes, formatting.ratio)
        text = f"At {axis}={last} the {kind.what} is {said} of what it is at {axis}={first}"
    else:
        text = f"No server was measured at every value from {axis}={first} to {axis}={last}"
    return text + words.spoilt(entries) + "."


def draw(
    figure: FigureBase,
    look: looks.Look,
    axis: str,
    kind: Measure,
    points: Sequence[matrix.Point],
    drawn: Sequence[Track],
    pool: int | None = None,
) -> None:
    axes = figure.add_subplot()
    values = [value for track in drawn for value in (*track.lows, *track.highs)]
    if kind.from_zero or axis not in STEEP or min(values) <= 0:
        scales.from_zero(axes, "y", values)
        axes.set_ylabel(kind.unit)
    else:
        scales.logarithmic(axes, "y", values)
        axes.set_ylabel(f"{kind.unit}, logarithmic")
    if axis == ENDLESS:
        axes.set_xticks(range(len(points)), [formatting.shown(point, axis) for point in points])
        axes.set_xlim(-0.3, len(points) - 0.7)
        scale = "in order, on no scale"
    else:
        xs = [getattr(point, axis) for point in points] + ([pool] if pool else [])
        width = figure.bbox.width / figure.dpi * 72 - FEW_LETTERS * look.text / 12
        scale = positions.measured(axes, look, width, xs)
    axes.set_xlabel(f"{formatting.AXES[axis]}\n{scale}")
    if pool:
        _pool(axes, pool)
    ribbon = RIBBON[len(drawn) > 4]
    for track in drawn:
        colour = look.colour(track.server)
        if len(track.xs) > 1:
            axes.fill_between(track.xs, track.lows, track.highs, color=colour, alpha=ribbon, linewidth=0)
        else:
            axes.plot([track.xs[0]] * 2, [track.lows[0], track.highs[0]], color=colour, alpha=2 * ribbon)
        axes.plot(track.xs, track.middles, color=colour, label=track.server)
        hollow = [words.marked(entry) for entry in track.entries]
        positions.marks(axes, look, track.server, track.xs, track.middles, hollow)


def _pool(axes: Axes, pool: int) -> None:
    """The number of database connections, which is where requests begin to wait for one."""
    axes.axvline(pool, color=looks.SOFT, linestyle=(0, (4, 3)), linewidth=1.2, zorder=1, label="pool")
    left = axes.transLimits.transform((axes.transScale.transform((pool, 1))[0], 0))[0] < 0.5
    axes.text(
        pool, 1.0, f" pool: {pool} " if left else f"pool: {pool} ", transform=axes.get_xaxis_transform(),
        ha="left" if left else "right", va="bottom", color=looks.SOFT,
    )  # fmt: skip
