"""An open loop: p99 over the offered rate, with the objective, and the capacities that the searches found."""

from typing import Sequence

from matplotlib.figure import FigureBase

from ...judge import capacities, evidence, stats, summary
from ...plan import matrix
from .. import capacity as as_text
from .. import formatting
from . import groups, marks, rows, words
from . import look as looks
from .picture import Picture, Section, servers_key
from .scales import logarithmic, ratio_axis, ratio_label, thousands

HOW = (
    "In an open loop requests arrive at a set rate, whatever the server does, as the users of a web site do; the latency of"
    " a request counts from the moment at which it was due. Above: p99 (99 of 100 requests take no longer) over the rate that"
    " was offered; a small dot is one run, a mark the median of the runs' percentiles. The dashed line is the objective (SLO, for"
    " service level objective), and a ringed mark on it the capacity. Capacity: the highest rate at which p99 is within the objective,"
    " the geometric mean over the blocks with its 95% interval; a small dot is one search. A load is a percentage of what the slowest server does in a closed"
    " loop, so that the rates are the same for all. Scales are logarithmic. A pale,"
    " hollow mark and *: latencies are spoilt, or of a capacity only a bound is known; neither is compared."
)
OTHERS = [axis for axis in matrix.Point._fields if axis != "load"]


def section(evidence: evidence.Evidence) -> Section | None:
    """None for a closed loop."""
    found = evidence.found
    loads: dict[matrix.Point, list[summary.Entry]] = {}
    for entry in groups.entries(found, lambda entry: entry.point.load is not None and _known(entry)):
        loads.setdefault(entry.point.configuration, []).append(entry)
    pictures = [over_rate(found, point, entries) for point, entries in loads.items()]
    pictures += [made for made in (capacity_picture(found), ratio_picture(found)) if made]
    return (
        Section("open-loop", "Open loop: latency at a set rate", HOW, pictures, shown=6) if pictures else None
    )


def _known(entry):
    return entry.median("offered_rps") and entry.median("p99_us")


# p99 over the rate


def over_rate(found: summary.Summary, point: matrix.Point, entries: Sequence[summary.Entry]) -> Picture:
    where = words.label(point, OTHERS, [entry.configuration for entry in found.points])
    table = [["load", "server", "offered, requests/s", "p99, median, ms", "each run: requests/s, ms", "note"]]
    table += [
        [
            f"{entry.point.load}%",
            entry.server,
            thousands(entry.median("offered_rps") or 0),
            thousands(_p99(entry)),
            "; ".join(f"{thousands(rate)}, {thousands(ms)}" for rate, ms in _runs(entry)),
            marks.why_spoilt(entry),
        ]
        for entry in entries
    ]
    for server, one in _capacities(found, point).items():
        table.append(["capacity", server, as_text.figure(one), thousands(one.slo_ms), "", _bound(one)])
    servers = {entry.server for entry in entries}
    return Picture(
        words.slug("open-loop-p99", where),
        f"p99 latency over the rate of arrivals{words.at(where)}",
        _sentence(found, point, entries),
        "runs.csv",
        table,
        lambda figure, look: _draw_rates(figure, look, found, point, entries),
        servers_key([server for server in found.servers if server in servers]),
    )


def _runs(entry):
    """(requests/s that were offered, p99 in ms) of each run."""
    return [
        (run["offered_rps"], run["p99_us"] / 1000)
        for run in entry.runs
        if run["offered_rps"] and run["p99_us"]
    ]


def _p99(entry):
    return (entry.median("p99_us") or 0.0) / 1000


def _capacities(found, point):
    """server -> its capacity at a configuration, where there is a mean."""
    own = {server: found.capacities.get((point, server)) for server in found.servers}
    return {server: one for server, one in own.items() if one and one.mean}


def _slo(found, point):
    return next((one.slo_ms for (own, _), one in found.capacities.items() if own == point), None)


def _bound(one: capacities.Entry) -> str:
    said = [capacities.MEANING.get(bound, bound) for bound in one.bounds]
    return f"* {', '.join(said)}" if said else ""


def _sentence(found, point, entries):
    most = max(entry.point.load for entry in entries)
    last = [
        (e.server + ("*" if e.latencies_spoilt else ""), _p99(e)) for e in entries if e.point.load == most
    ]
    said = words.extremes(last, lambda value: f"{thousands(value)} ms")
    met = ""
    if slo := _slo(found, point):
        own = [entry.server for entry in entries if entry.point.load == most and _p99(entry) <= slo]
        met = f"; within the objective of {slo:g} ms: {words.joined(own) or 'none'}"
    return f"At a load of {most}% p99 is {said}{met}{marks.spoilt(entries)}."


def _draw_rates(figure: FigureBase, look: looks.Look, found, point, entries) -> None:
    axes = figure.add_subplot()
    slo, own = _slo(found, point), _capacities(found, point)
    runs: dict[str, list[tuple[float, float]]] = {entry.server: [] for entry in entries}
    for entry in entries:
        runs[entry.server] += _runs(entry)
    every = [pair for pairs in runs.values() for pair in pairs]
    logarithmic(axes, "x", [rate for rate, _ in every] + [one.mean.ratio for one in own.values()])
    logarithmic(axes, "y", [ms for _, ms in every] + ([slo] if slo else []), least_span=3)
    if slo:
        axes.axhline(slo, color=looks.INK, linewidth=1, linestyle="--", label="objective")
        axes.text(0.01, slo, f"SLO {slo:g} ms", transform=axes.get_yaxis_transform(), va="bottom")
    for server, pairs in runs.items():
        marks.dots(axes, look, server, [rate for rate, _ in pairs], [ms for _, ms in pairs])
        spots = sorted(
            marks.Spot(entry.median("offered_rps") or 0, [], _p99(entry), entry.latencies_spoilt)
            for entry in entries
            if entry.server == server
        )
        marks.joined(axes, look, server, spots)
    for server, one in own.items():
        axes.plot(
            [one.mean.ratio], [one.slo_ms], look.marker(server), color=look.colour(server), markersize=look.mark * 1.8,
            markerfacecolor="none", alpha=marks.PALE if one.bounds else 1, label=f"capacity of {server}", zorder=5,
        )  # fmt: skip
    axes.set_xlabel("requests per second that arrive, logarithmic")
    axes.set_ylabel("p99, ms, logarithmic")


# Capacities


def _rows(found):
    """[(heading, entry)] of the capacities with any value, by configuration and server."""
    points = summary.in_order({point for point, _ in found.capacities})
    return [
        (words.label(point, matrix.Point._fields, points), found.capacities[point, server])
        for point in points
        for server in found.servers
        if (point, server) in found.capacities
    ]


def capacity_picture(found: summary.Summary) -> Picture | None:
    every = _rows(found)
    drawn = [(heading, one) for heading, one in every if one.values]
    if not drawn:
        return None
    listed = rows.under_headings([(heading, words.short(one.server)) for heading, one in drawn])
    table = [["configuration", "server", "capacity, requests/s [95%]", "each search, requests/s", "note"]]
    table += [
        [
            heading or str(one.point),
            one.server,
            as_text.figure(one),
            " ".join(map(thousands, one.values)),
            _bound(one),
        ]
        for heading, one in every
    ]
    return Picture(
        "capacity",
        f"Capacity: the highest rate with a p99 of at most {as_text.objective(found)}",
        _sentence_of_capacities(drawn, every),
        "capacity.csv",
        table,
        lambda figure, look: _draw_capacities(figure, look, drawn, listed),
        servers_key([server for server in found.servers if any(one.server == server for _, one in drawn)]),
        height=rows.height(listed),
    )


def _sentence_of_capacities(drawn, every):
    means = [(one.mean.ratio, one.server, heading) for heading, one in drawn if one.mean]
    bounded = sum(bool(one.bounds) for _, one in every)
    rest = f"; of {bounded} of {len(every)} only a bound is known (*)" if bounded else ""
    if not means:
        return f"No capacity is known in every block{rest}."
    ends = [
        f"{thousands(rate)} requests per second ({server}{words.at(heading)})"
        for rate, server, heading in (min(means), max(means))
    ]
    said = f"From {' to '.join(ends)}" if len(means) > 1 else ends[0]
    return f"{said}{rest}."


def _draw_capacities(figure: FigureBase, look: looks.Look, drawn, listed) -> None:
    axes = figure.add_subplot()
    ends = [value for _, one in drawn for value in (*one.values, *(_interval(one) if one.mean else ()))]
    logarithmic(axes, "x", ends)
    for y, (_, one) in zip(rows.frame(axes, look, listed), drawn):
        marks.dots(axes, look, one.server, one.values, [y] * len(one.values))
        if one.mean:
            axes.plot(
                _interval(one), [y, y], color=look.colour(one.server), label=f"interval of {one.server}"
            )
            marks.mark(axes, look, one.server, one.mean.ratio, y, bool(one.bounds), bool(one.bounds))
    axes.set_xlabel("requests per second, logarithmic")


def _interval(one):
    low, high = one.mean.interval()
    return (one.mean.ratio, one.mean.ratio) if low is None else (low, high)


def ratio_picture(found: summary.Summary) -> Picture | None:
    drawn = [(heading, one) for heading, one in _rows(found) if one.estimate]
    if not drawn:
        return None
    listed = rows.under_headings([(heading, words.short(one.server)) for heading, one in drawn])
    table = [["configuration", "server", "ratio", "joint 95% interval", "verdict"]]
    table += [
        [
            heading or str(one.point),
            one.server,
            formatting.ratio(one.estimate.ratio),
            formatting.interval(one.estimate),
        ]
        + [formatting.decision("capacity", one.estimate, one.verdict)]
        for heading, one in drawn
    ]
    ratios = sorted(one.estimate.ratio for _, one in drawn)
    tally = formatting.tally("capacity", [one.verdict for _, one in drawn], "ratios")
    said = " to ".join(dict.fromkeys(map(formatting.ratio, (ratios[0], ratios[-1]))))
    return Picture(
        "capacity-ratios",
        f"Capacity, relative to {found.baseline}",
        f"{said} of {found.baseline}: {tally}.",
        "capacity.csv",
        table,
        lambda figure, look: _draw_ratios(figure, look, found, drawn, listed),
        servers_key([server for server in found.servers if any(one.server == server for _, one in drawn)]),
        height=rows.height(listed),
    )


def _draw_ratios(figure: FigureBase, look: looks.Look, found, drawn, listed) -> None:
    axes = figure.add_subplot()
    places = rows.frame(axes, look, listed)
    of = [
        (y, one.server, one.estimate, one.verdict == stats.INCONCLUSIVE) for y, (_, one) in zip(places, drawn)
    ]
    ratio_axis(
        axes, "x", [end for _, _, e, _ in of for end in (e.low, e.high, e.ratio) if end and 1e-3 < end < 1e3]
    )
    marks.ratios(axes, look, of)
    ratio_label(axes, found.baseline, "rps")
