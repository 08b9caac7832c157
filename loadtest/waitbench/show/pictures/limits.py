"""How many connections each server took, what stopped it, which limit comes next, and what connections cost: limits.csv and
ahead.csv."""

from pathlib import Path
from typing import Callable, NamedTuple, Sequence

from matplotlib.figure import FigureBase

from ...judge import limits as judge
from . import look as looks
from . import marks, rows, words
from .picture import Picture, Section, servers_key
from .scales import from_zero, logarithmic, thousands

HOW = (
    "Connections are added in steps until a server takes no more. Idle: each has sent one request and rests; waiting: each has a"
    " request under way that waits, so that a server with a thread for each has so many threads that wait. A limit is what the kernel"
    " or a setting allows: files a process may open (RLIMIT_NOFILE), threads (kernel.pid_max, kernel.threads-max), mappings of memory"
    " (vm.max_map_count; two a thread), memory. A mark is the median of the repeats, a line reaches from the least to the greatest."
    " From what one connection uses up of each limit follows how many it would allow. Memory is that of the server's process (resident),"
    " and of the kernel for both ends of each connection, as growth since there was none."
)
ROWS_MOST = 22  # of one picture
KIB = 1024


class Line(NamedTuple):
    """A figure of one server over the connections that it held."""

    title: str
    name: str
    unit: str
    of: Callable[[judge.Group], judge.Spread | None]
    from_zero: bool = True


LINES = (
    Line("Resident memory of the server", "rss", "MiB", lambda one: _growth(one, "rss_kib")),
    Line("Memory of the kernel", "kernel", "MiB", lambda one: _growth(one, "kernel_kib")),
    Line("Requests per second of a few active connections", "rps", "requests/s", lambda one: one.spread("rps")),
    Line(
        "p99 latency of a few active connections", "p99", "ms, logarithmic",
        lambda one: one.spread("p99_us", lambda value, row, first: value / 1000), False,
    ),
)  # fmt: skip


def _growth(group, column):
    return group.spread(column, lambda value, row, first: (value - float(first[column] or 0)) / KIB)


def servers(folder: Path) -> list[str]:
    """In the order of the run. Raises Failure."""
    if not (folder / judge.FILE).exists():
        return []
    return list(dict.fromkeys(group.server for group in judge.read(folder)))


def section(folder: Path) -> Section | None:
    """None where there is no limits.csv. Raises Failure."""
    if not (folder / judge.FILE).exists():
        return None
    every = judge.read(folder)
    pictures = [reached(every)]
    if (folder / judge.AHEAD_FILE).exists():
        pictures += order(judge.read_order(folder))
    for kind in reversed(judge.KINDS):
        own = [group for group in every if group.kind == kind]
        pictures += [made for line in LINES if (made := over_connections(own, kind, line))]
    known = [picture for picture in pictures if picture]
    return Section("limits", "What stops each server", HOW, known, shown=4) if known else None


def _kind(kind, raised):
    return f"{kind} connections" + (f", after raising {raised}" if raised else "")


# How many were held


def reached(every: Sequence[judge.Group]) -> Picture | None:
    """The last step of each, whether or not a limit ended it."""
    last: dict[tuple[str, str, str], judge.Group] = {}
    for group in every:
        key = group.kind, group.raised, group.server
        if key not in last or group.asked > last[key].asked:
            last[key] = group
    groups = sorted(last.values(), key=lambda one: (one.kind, one.raised))
    drawn = [(group, held) for group in groups if (held := group.spread("held"))]
    if not drawn:
        return None
    listed = rows.under_headings([(_kind(one.kind, one.raised), words.short(one.server)) for one, _ in drawn])
    table = [["connections", "server", "held", "limit met", "what says so", "read from outside"]]
    table += [
        [
            _kind(one.kind, one.raised),
            one.server,
            _amount(held),
            _limit(one),
            one.words("evidence"),
            one.words("outside"),
        ]
        for one, held in drawn
    ]
    said = [f"{held.median:,.0f} ({one.server}, {one.kind}: {_limit(one)})" for one, held in drawn]
    ends = sorted(zip((held.median for _, held in drawn), said))
    between = f"From {ends[0][1]} to {ends[-1][1]} connections were held"
    if ends[0][0] == ends[-1][0]:
        limits = list(dict.fromkeys(_limit(one) for one, _ in drawn))
        between = f"Each held {ends[0][0]:,.0f} connections: {words.joined(limits)}"
    return Picture(
        "limits-reached",
        "Connections that each server held, and what stopped it",
        f"{between}.",
        judge.FILE,
        table,
        lambda figure, look: _draw_reached(figure, look, drawn, listed),
        height=rows.height(listed),
    )


def _limit(group: judge.Group) -> str:
    """`nothing` where every connection was taken."""
    whose = " of the load" if group.words("side") == judge.LOAD else ""
    return f"{group.words('limit')}{whose}" if group.words("limit") else "nothing stopped it"


def _amount(spread: judge.Spread) -> str:
    median, low, high = map(thousands, spread)
    return median if low == high else f"{median} [{low}, {high}]"


def _draw_reached(figure: FigureBase, look: looks.Look, drawn, listed) -> None:
    axes = figure.add_subplot()
    from_zero(axes, "x", [held.high for _, held in drawn])
    for y, (group, held) in zip(rows.frame(axes, look, listed), drawn):
        colour = look.colour(group.server)
        axes.barh(y, held.median, 0.7, color=colour, alpha=0.28, linewidth=0, label=group.server)
        axes.plot([held.low, held.high], [y, y], color=colour, label="reach")
        axes.text(0, y, f"  {held.median:,.0f}: {_limit(group)}", va="center")
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("connections held")


# Which limit comes next


def order(every: Sequence[judge.Order]) -> list[Picture]:
    """After the last raise. A picture for each kind, or for each kind and server where the rows are too many."""
    last = {(one.server, one.kind): one.raised for one in every}
    pictures = []
    for kind in reversed(judge.KINDS):
        own = [one for one in every if one.kind == kind and one.raised == last[one.server, kind]]
        names = list(dict.fromkeys(one.server for one in own))
        parts = [[one for one in own if one.server == name] for name in names]
        if parts and len(own) + len(names) <= ROWS_MOST:
            pictures.append(_order(kind, own, ""))
        else:
            pictures += [_order(kind, part, name) for name, part in zip(names, parts)]
    return pictures


def _order(kind: str, own: Sequence[judge.Order], server: str) -> Picture:
    listed = rows.under_headings([("" if server else one.server, one.limit) for one in own])
    table = [["server", "limit", "value", "of it each connection uses", "allows connections"]]
    table += [
        [one.server, one.limit, _amount(one.value), _amount(one.per_connection), _amount(one.connections)]
        for one in own
    ]
    first = [
        next(one for one in own if one.server == name) for name in dict.fromkeys(one.server for one in own)
    ]
    said = [f"{one.limit} at {one.connections.median:,.0f} ({one.server})" for one in first]
    return Picture(
        words.slug("limits-next", kind, server),
        f"How many connections each limit allows{f' {server}' if server else ''}, {kind}",
        f"The nearest: {words.joined(said)}.",
        judge.AHEAD_FILE,
        table,
        lambda figure, look: _draw_order(figure, look, own, listed),
        height=rows.height(listed),
    )


def _draw_order(figure: FigureBase, look: looks.Look, own, listed) -> None:
    axes = figure.add_subplot()
    logarithmic(axes, "x", [max(1.0, end) for one in own for end in one.connections], 4)
    for y, one in zip(rows.frame(axes, look, listed), own):
        colour = look.colour(one.server)
        median, low, high = (max(1.0, end) for end in one.connections)
        axes.plot([low, high], [y, y], color=colour, label=f"reach of {one.server}")
        axes.plot([median], [y], "o", color=colour, label=one.server, zorder=4)
    axes.set_xlabel("connections, logarithmic")


# The cost of connections


def over_connections(every: Sequence[judge.Group], kind: str, line: Line) -> Picture | None:
    """Lines of the servers before any raise and after each; x begins at 0 where y does."""
    lines: dict[tuple[str, str], list[tuple[float, judge.Spread, judge.Group]]] = {}
    for group in sorted(every, key=lambda one: one.asked):
        held, value = group.spread("held"), line.of(group)
        if held and value and held.median > 0 and (line.from_zero or value.low > 0):
            lines.setdefault((group.server, group.raised), []).append((held.median, value, group))
    if not lines:
        return None
    table = [
        [
            "server",
            "after raising",
            "connections",
            f"{line.title.lower()}, {line.unit.partition(',')[0]}",
            "repeats",
        ]
    ]
    table += [
        [server, raised or "nothing", thousands(held), _amount(value), str(len(group.rows))]
        for (server, raised), spots in lines.items()
        for held, value, group in spots
    ]
    own = list(dict.fromkeys(server for server, _ in lines))
    ends = {server: spots[-1] for (server, _), spots in lines.items()}
    unit = line.unit.partition(",")[0]
    said = [
        f"{thousands(value.median)} {unit} ({server}, {held:,.0f})"
        for server, (held, value, _) in ends.items()
    ]
    return Picture(
        words.slug("limits", line.name, kind),
        f"{line.title} over {kind} connections",
        f"With the most connections of each server: {words.joined(said)}.",
        judge.FILE,
        table,
        lambda figure, look: _draw_lines(figure, look, lines, line, kind),
        servers_key(own),
    )


def _draw_lines(figure: FigureBase, look: looks.Look, lines, line, kind) -> None:
    axes = figure.add_subplot()
    every = [spot for spots in lines.values() for spot in spots]
    if line.from_zero:
        from_zero(axes, "x", [held for held, *_ in every])
        from_zero(axes, "y", [value.high for _, value, _ in every])
        axes.set_ylim(bottom=min(0.0, *(value.low for _, value, _ in every)))
    else:
        marks.measured_ticks(axes, look, [held for held, *_ in every])
        logarithmic(axes, "y", [end for _, value, _ in every for end in value], least_span=3)
    for (server, _), spots in lines.items():
        colour = look.colour(server)
        axes.plot(
            [x for x, *_ in spots],
            [value.median for _, value, _ in spots],
            color=colour,
            label=f"line of {server}",
        )
        for x, value, _ in spots:
            axes.plot(
                [x, x],
                [value.low, value.high],
                color=colour,
                linewidth=look.line * 0.6,
                label=f"reach of {server}",
            )
            marks.mark(axes, look, server, x, value.median)
    axes.locator_params(axis="x", nbins=5) if line.from_zero else None
    axes.set_xlabel(f"{kind} connections" + ("" if line.from_zero else ", logarithmic"))
    axes.set_ylabel(line.unit)
