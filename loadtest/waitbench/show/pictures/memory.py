"""Memory against connections: what one connection takes, and what a server takes without any."""

from typing import NamedTuple, Sequence

from matplotlib.figure import FigureBase

from ...judge import evidence, stats, summary
from .. import formatting
from . import groups, positions, scales, words
from . import look as looks
from .picture import Picture, Section, servers_key

KIB = 1024
HOW = (
    "A dot is one run, and a line is fitted to the runs of a server; both axes begin at 0 and are linear. The slope is the"
    " memory that one more connection takes, and where the line meets the left edge is what the server takes without"
    " connections. Resident memory is the server process's own. Memory of the kernel (stacks of threads, page tables, sockets)"
    " belongs to no process: it is how much that of the whole machine grew, with both ends of each connection and the"
    " database's part; where other programs gave some back meanwhile, it is below 0. A hollow dot: the run is flagged."
)


class Measure(NamedTuple):
    name: str
    title: str
    column: str


MEASURES = (
    Measure("memory-resident", "Resident memory", "rss_kib"),
    Measure("memory-kernel", "Memory of the kernel", "kernel_kib"),
)


class Fit(NamedTuple):
    """A line through the runs of one server."""

    server: str
    runs: list[tuple[summary.Entry, int, float, bool]]  # entry, connections, KiB, flagged
    slope: float  # KiB per connection
    base: float  # KiB without connections
    error: float | None  # of the slope: half its 95% interval; None with two numbers of connections


def section(known: evidence.Evidence) -> Section | None:
    found, pictures = known.found, []
    names = [name for name in formatting.varying(found.points) if name not in ("c", "i")]
    for key, points in groups.combinations(found.points, "c", "i").items():
        if len({point.connections for point in points}) < 2:
            continue
        entries = [entry for point in points for entry in groups.at(found, point)]
        for measure in MEASURES:
            fits = [made for server in found.servers if (made := fit(server, entries, measure.column))]
            if fits:
                where = formatting.label(key, names) if names else ""
                pictures.append(_picture(found, measure, where, fits))
    return Section("memory", "Memory by connections", HOW, pictures) if pictures else None


def fit(server: str, entries: Sequence[summary.Entry], column: str) -> Fit | None:
    """Least squares over the runs. None without two numbers of connections."""
    runs = [
        (entry, entry.point.connections, run[column], bool(run["flags"]))
        for entry in entries
        if entry.server == server
        for run in entry.runs
        if run[column] is not None
    ]
    if len({count for _, count, _, _ in runs}) < 2:
        return None
    return Fit(server, runs, *stats.line([run[1] for run in runs], [run[2] for run in runs]))


def _picture(found: summary.Summary, measure: Measure, where: str, fits: Sequence[Fit]) -> Picture:
    rows = [["server", "connections", "KiB of each run", "KiB per connection", "KiB without connections"]]
    for one in fits:
        counts = dict.fromkeys(count for _, count, _, _ in one.runs)
        for count in sorted(counts):
            values = [f"{kib:g}" + " *" * flagged for _, of, kib, flagged in one.runs if of == count]
            rows.append([one.server, str(count), ", ".join(values), _slope(one), f"{one.base:,.0f}"])
    return Picture(
        words.slug(measure.name, where),
        f"{measure.title} by connections" + words.at(where),
        _sentence(fits),
        "runs.csv",
        rows,
        lambda figure, look: _draw(figure, look, fits),
        servers_key([one.server for one in fits]),
    )


def _slope(one: Fit) -> str:
    value = formatting.significant(one.slope)
    if one.error is None:
        return value
    ends = (formatting.significant(one.slope + side * one.error) for side in (-1, 1))
    return f"{value} [{', '.join(ends)}]"


def _sentence(fits: Sequence[Fit]) -> str:
    if len(fits) > 4:
        ordered = sorted(fits, key=lambda one: one.slope)
        per = (
            f"{_slope(ordered[0])} ({ordered[0].server}) to {_slope(ordered[-1])} KiB ({ordered[-1].server})"
        )
    else:
        per = words.joined([f"{_slope(one)} KiB ({one.server})" for one in fits])
    bases = words.extremes([(one.server, one.base / KIB) for one in fits], lambda mib: f"{mib:.1f}")
    how = (
        "with the 95% interval of a straight line"
        if all(one.error is not None for one in fits)
        else "the difference between the medians of two numbers of connections"
    )
    return f"A connection takes {per}, {how}; without connections the lines are at {bases} MiB."


def _draw(figure: FigureBase, look: looks.Look, fits: Sequence[Fit]) -> None:
    axes = figure.add_subplot()
    counts = [count for one in fits for _, count, _, _ in one.runs]
    sizes = [kib / KIB for one in fits for _, _, kib, _ in one.runs]
    ends = {one.server: (one.base / KIB, (one.base + one.slope * max(counts)) / KIB) for one in fits}
    scales.from_zero(axes, "x", counts)
    scales.from_zero(axes, "y", [*sizes, *(end for pair in ends.values() for end in pair)])
    if min(sizes) < 0:  # less than before the load: it is seen
        axes.set_ylim(bottom=min(sizes) - 0.04 * max(sizes))
        axes.axhline(0, color=looks.SOFT, linewidth=0.8)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel("connections")
    axes.set_ylabel("MiB")
    for one in fits:
        colour = look.colour(one.server)
        axes.plot([0, max(counts)], ends[one.server], color=colour, label=one.server)
        for flagged in (False, True):
            chosen = [(count, kib / KIB) for _, count, kib, is_flagged in one.runs if is_flagged == flagged]
            xs, ys = [x for x, _ in chosen], [y for _, y in chosen]
            positions.dots(axes, xs, ys, colour, look.mark, hollow=flagged, label=one.server)
