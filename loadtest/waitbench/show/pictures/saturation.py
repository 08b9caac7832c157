"""How many requests must wait for a server to be busy, and what many waiting requests cost it: saturation.csv."""

import statistics
from pathlib import Path
from typing import Callable, NamedTuple, Sequence

from matplotlib.figure import FigureBase

from ...judge import saturation as judge
from ...judge import stats, summary
from .. import saturation as as_text
from . import look as looks
from . import marks, rows, words
from .picture import Picture, Section, servers_key
from .scales import from_zero, logarithmic, thousands

HOW = (
    "No request makes a query; each waits t ms for something else and is followed by the next on its connection, so that there are as"
    " many waiting requests as connections. A small dot is one run, a mark the median of the runs. Many waiting requests: the dashed line"
    " is what is asked for, a request from each connection every t ms. Knee: with one CPU for itself a server computes for T_cpu per"
    " request and waits for T_io, so that N = 1 + T_io / T_cpu requests under way keep it busy (Goetz, 2006). The dotted lines are that N,"
    " with the T_cpu of the busy server; a ring is what was measured: the least number of connections with 95% of the best"
    " throughput. Where both stand in a row, the hollow mark is the prediction. A pale, hollow mark and *: the generator was the bottleneck, so that throughput is a lower bound and latencies are spoilt."
)
BOUND = summary.GENERATOR_BOUND


class Measure(NamedTuple):
    name: str
    title: str
    unit: str
    of: Callable[[judge.Figure], float]
    from_zero: bool = True
    even: bool = False  # connections from 0 too, so that a cost of each is a slope


RATE = Measure("rps", "Throughput", "requests/s", lambda one: one.per_s, False)
CPU = Measure("cpu", "CPU of the server per request", "µs", lambda one: one.cpu_us)
TAIL = Measure("p99", "p99 latency", "ms", lambda one: one.p99_us / 1000, False)
RESIDENT = Measure("rss", "Resident memory of the server", "MiB", lambda one: one.rss_kib / 1024, even=True)
KERNEL = Measure("kernel", "Memory of the kernel", "MiB", lambda one: one.kernel_kib / 1024, even=True)
SHOWN = {judge.WAITING: (RATE, CPU, TAIL, RESIDENT, KERNEL), judge.KNEE: (RATE, CPU)}


def servers(folder: Path) -> list[str]:
    """As servers.csv has them. Raises Failure."""
    path = folder / judge.FILE
    return as_text.in_order(figure.server for figure in judge.read(path)) if path.exists() else []


def section(folder: Path) -> Section | None:
    """None where there is no saturation.csv. Raises Failure."""
    if not (folder / judge.FILE).exists():
        return None
    figures = judge.read(folder / judge.FILE)
    names = as_text.in_order(figure.server for figure in figures)
    found = sorted(judge.knees(figures), key=lambda knee: (knee.t, names.index(knee.server)))
    pictures = [_of_knees(found, names)] if found else []
    for part in (judge.WAITING, judge.KNEE):
        for t in sorted({figure.t for figure in figures if figure.part == part}):
            own = [figure for figure in figures if (figure.part, figure.t) == (part, t)]
            knees = [knee for knee in found if knee.t == t] if part == judge.KNEE else []
            pictures += [made for measure in SHOWN[part] if (made := _over(own, part, t, measure, knees))]
    pictures.sort(key=lambda picture: not picture.name.startswith("saturation-waiting"))  # stable
    return Section("saturation", "Many requests that wait", HOW, pictures, shown=4) if pictures else None


# One figure over the connections


def _spots(figures: Sequence[judge.Figure], server: str, measure: Measure) -> list[marks.Spot]:
    """By connections. A value that is not above 0 has no place on a logarithmic axis."""
    runs: dict[int, list[judge.Figure]] = {}
    for figure in sorted(figures, key=lambda figure: (figure.c, figure.block)):
        if figure.server == server and (measure.from_zero or measure.of(figure) > 0):
            runs.setdefault(figure.c, []).append(figure)
    return [
        marks.Spot(
            c, [measure.of(run) for run in own], statistics.median(map(measure.of, own)),
            measure in (RATE, TAIL) and any(BOUND in run.flags.split() for run in own),
        )
        for c, own in runs.items()
    ]  # fmt: skip


def _over(
    figures: Sequence[judge.Figure], part: str, t: int, measure: Measure, knees: Sequence[judge.Knee]
) -> Picture | None:
    names = as_text.in_order(figure.server for figure in figures)
    spots = {server: own for server in names if (own := _spots(figures, server, measure))}
    if not spots:
        return None
    where = f"requests that wait {t:,} ms" + ("" if part == judge.WAITING else ", on one CPU")
    table = [["connections", "server", f"median, {measure.unit}", "each run", "note"]]
    table += [
        [
            thousands(spot.x), server, thousands(spot.y), " ".join(map(thousands, spot.runs)),
            "* the generator was the bottleneck" if spot.spoilt else "",
        ]
        for server, own in spots.items()
        for spot in own
    ]  # fmt: skip
    if measure == RATE:
        table += [[_interval(knee.measured), knee.server, "", "", "measured knee"] for knee in knees]
    table += [[_interval(knee.busy_predicted), knee.server, "", "", "predicted knee"] for knee in knees]
    return Picture(
        words.slug("saturation", part, f"t{t}", measure.name),
        f"{measure.title} over {where}",
        _sentence(spots, measure, knees),
        judge.FILE,
        table,
        lambda figure, look: _draw(figure, look, spots, part, t, measure, knees),
        servers_key(list(spots)),
    )


def _sentence(spots, measure, knees):
    most = max(spot.x for own in spots.values() for spot in own)
    last = {server: own[-1] for server, own in spots.items()}
    values = [(f"{server}{'*' if spot.spoilt else ''}", spot.y) for server, spot in last.items()]
    said = words.extremes(values, lambda value: f"{thousands(value)} {measure.unit}")
    together = {spot.x for spot in last.values()} == {most}
    begin = f"With {most:,.0f} connections" if together else "With the most connections of each server"
    every = [spot for own in spots.values() for spot in own]
    bound = sum(spot.spoilt for spot in every)
    rest = f"; at {bound} of {len(every)} marks the generator was the bottleneck (*)" if bound else ""
    known = [(knee.server, knee.busy_predicted.ratio) for knee in knees]
    predicted = f"; busy is predicted from {words.extremes(known, thousands)} on" if known else ""
    return f"{begin} {measure.title[0].lower() if measure != CPU else 'C'}{measure.title[1:]} is {said}{predicted}{rest}."


def _draw(figure: FigureBase, look: looks.Look, spots, part, t, measure, knees) -> None:
    axes = figure.add_subplot()
    every = [spot for own in spots.values() for spot in own]
    values = [run for spot in every for run in spot.runs]
    predicted = [knee.busy_predicted.ratio for knee in knees]
    measured = [knee.measured.ratio for knee in knees] if measure == RATE else []
    if measure.even:
        from_zero(axes, "x", [spot.x for spot in every])
        axes.locator_params(axis="x", nbins=5)
    elif knees:
        logarithmic(axes, "x", [spot.x for spot in every] + predicted + measured)
    else:
        marks.measured_ticks(axes, look, [spot.x for spot in every])
    if measure.from_zero:
        from_zero(axes, "y", values)
        axes.set_ylim(bottom=min([0.0, *values]))
    else:
        logarithmic(axes, "y", values, least_span=3)
    if measure == RATE and part == judge.WAITING:
        ends = sorted({spot.x for spot in every})
        axes.plot(ends, [c * 1000 / t for c in ends], "--", color=looks.SOFT, linewidth=1, label="asked for")
    for server, own in spots.items():
        marks.joined(axes, look, server, own)
    for knee in knees:
        colour = look.colour(knee.server)
        axes.axvline(
            knee.busy_predicted.ratio, color=colour, linestyle=":", label=f"predicted knee of {knee.server}"
        )
        if measure == RATE:
            axes.plot(
                [knee.measured.ratio], [judge.SHARE * knee.best_per_s.ratio], look.marker(knee.server), color=colour,
                markerfacecolor="none", markersize=look.mark * 1.8, label=f"knee of {knee.server}", zorder=5,
            )  # fmt: skip
    axes.set_xlabel(
        ("waiting requests" if part == judge.WAITING else "connections")
        + ("" if measure.even else ", logarithmic")
    )
    axes.set_ylabel(f"{measure.unit}" + ("" if measure.from_zero else ", logarithmic"))


# Predicted and measured knees


def _interval(estimate: stats.Estimate) -> str:
    """1,340 [284, 6,270]"""
    low, high = estimate.interval()
    if low is None or high is None:
        return f"{thousands(estimate.ratio)} [one block]"
    return f"{thousands(estimate.ratio)} [{thousands(low)}, {thousands(high)}]"


def _of_knees(knees: Sequence[judge.Knee], names: Sequence[str]) -> Picture:
    listed = rows.under_headings([(f"t = {knee.t:,} ms", words.short(knee.server)) for knee in knees])
    table = [["t, ms", "server", "predicted: 1 + T_io / T_cpu, busy", "measured", "measured / predicted"]]
    table += [
        [str(k.t), k.server, _interval(k.busy_predicted), _interval(k.measured), _interval(k.ratio)]
        for k in knees
    ]
    ratios = [knee.ratio.ratio for knee in knees]
    own = {knee.server for knee in knees}
    return Picture(
        "saturation-knees",
        "Requests under way that keep a server busy: predicted and measured",
        f"What was measured is {min(ratios):.2f} to {max(ratios):.2f} times what the formula says.",
        judge.FILE,
        table,
        lambda figure, look: _draw_knees(figure, look, knees, listed),
        servers_key([server for server in names if server in own]),
        height=rows.height(listed),
    )


def _draw_knees(figure: FigureBase, look: looks.Look, knees, listed) -> None:
    """The prediction hollow and above, what was measured below it."""
    axes = figure.add_subplot()
    both = [(knee, estimate) for knee in knees for estimate in (knee.busy_predicted, knee.measured)]
    ends = [end for _, estimate in both for end in (*_ends(estimate), estimate.ratio)]
    logarithmic(axes, "x", ends)
    for y, knee in zip(rows.frame(axes, look, listed), knees):
        for place, estimate, hollow in (
            (y - 0.18, knee.busy_predicted, True),
            (y + 0.18, knee.measured, False),
        ):
            colour = look.colour(knee.server)
            axes.plot(
                _ends(estimate), [place, place], ":" if hollow else "-", color=colour,
                label=f"interval of {knee.server}",
            )  # fmt: skip
            marks.mark(axes, look, knee.server, estimate.ratio, place, hollow)
    axes.set_xlabel("requests under way, logarithmic")


def _ends(estimate: stats.Estimate) -> tuple[float, float]:
    low, high = estimate.interval()
    return (estimate.ratio, estimate.ratio) if low is None or high is None else (low, high)
