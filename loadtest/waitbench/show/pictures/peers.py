"""Servers in several languages: each relative to the baseline, by language and the model by which it waits."""

from matplotlib.figure import FigureBase

from ...judge import evidence, peers, stats, summary
from ...judge.languages import UNKNOWN
from .. import by_language, formatting
from .. import peers as as_text
from . import look as looks
from . import marks, rows, words
from .picture import Picture, Section
from .scales import ratio_axis, ratio_label

EXTREME = 1e4  # an end of an interval beyond it would flatten all others


def section(evidence: evidence.Evidence) -> Section | None:
    """None for a run in one language."""
    found = evidence.found
    if not found.several_languages:
        return None
    pictures = [made for measure in peers.measures(found) if (made := picture(found, measure))]
    how = (
        f"A row is one server; its mark is the geometric mean of its ratios to {found.baseline} over the points, each of which"
        " counts once, and the line its joint 95% interval. A small dot is one point, hollow where the generator was the"
        " bottleneck of either server (*): such a ratio is a bound. A hollow mark: the run cannot tell a difference. The scale is"
        f" logarithmic, and the grey band is 5% to both sides of 1. {as_text.CAUTION}"
    )
    return Section("peers", "Languages and models", how, pictures) if pictures else None


def picture(found: summary.Summary, measure: summary.Measure) -> Picture | None:
    means = by_language.mean_to_baseline(found, measure)
    servers = [server for server in found.servers if server in means]
    if not servers:
        return None
    title = as_text.named(measure)
    listed = rows.under_headings([_names(found, server) for server in servers])
    table = [["language", "server", "waits by", "mean", "joint 95% interval", "verdict", "at each point"]]
    for server in servers:
        kind, mean = found.kinds.get(server, UNKNOWN), means[server]
        points = [
            f"{formatting.ratio(estimate.ratio)}{'*' if bound else ''} ({_label(found, entry)})"
            for entry, estimate, bound in _points(found, server, measure)
        ]
        table.append(
            [
                kind.language or "not known",
                server,
                kind.model,
                formatting.ratio(mean.ratio),
                formatting.interval(mean),
            ]
            + [formatting.decision(measure.name, mean, _verdict(mean, measure)), "; ".join(points)]
        )
    return Picture(
        f"peers-{measure.name}",
        f"{title[0].upper()}{title[1:]} by language and model, relative to {found.baseline}",
        _sentence(found, measure, servers, means),
        "runs.csv",
        table,
        lambda figure, look: _draw(figure, look, found, measure, servers, means, listed),
        height=rows.height(listed),
    )


def _names(found, server):
    """(heading, name beside the axis)"""
    kind = found.kinds.get(server, UNKNOWN)
    return kind.language or "language not known", words.short(server) + (
        f", {kind.model}" if kind.model else ""
    )


def _verdict(estimate, measure):
    return stats.verdict(estimate, measure.more_is_better)


def _label(found, entry):
    return words.label(entry.point, summary.matrix.Point._fields, found.points) or str(entry.point)


def _points(found, server, measure):
    """[(entry, estimate, whether the generator was the bottleneck of it or of the baseline)]"""
    seen = []
    for entry in by_language.at(found, server):
        if estimate := entry.estimates.get(measure.name):
            base = found.entries[entry.point, found.baseline]
            bound = measure == summary.THROUGHPUT and (entry.generator_bound or base.generator_bound)
            seen.append((entry, estimate, bound))
    return seen


def _sentence(found, measure, servers, means):
    ends = sorted(servers, key=lambda server: means[server].mean)
    said = " to ".join(
        f"{formatting.ratio(means[server].ratio)} ({server})" for server in dict.fromkeys((ends[0], ends[-1]))
    )
    verdicts = [_verdict(means[server], measure) for server in servers]
    points = [bound for server in servers for _, _, bound in _points(found, server, measure)]
    bound = (
        f"; at {sum(points)} of {len(points)} points (*) the generator was the bottleneck"
        if any(points)
        else ""
    )
    tally = formatting.tally(measure.name, verdicts, "servers")
    return f"On average over the points {said} of {found.baseline}: {tally}{bound}."


def _draw(figure: FigureBase, look: looks.Look, found, measure, servers, means, listed) -> None:
    axes = figure.add_subplot()
    dots = {server: _points(found, server, measure) for server in servers}
    ends = [estimate.ratio for own in dots.values() for _, estimate, _ in own]
    ends += [end for mean in means.values() for end in (mean.low, mean.high, mean.ratio)]
    ratio_axis(axes, "x", [end for end in ends if end and 1 / EXTREME < end < EXTREME])
    places = rows.frame(axes, look, listed)
    for y, server in zip(places, servers):
        colour = look.colour(server)
        for _, estimate, bound in dots[server]:
            axes.plot(
                [estimate.ratio], [y], "o", color=colour, markersize=look.mark * (0.7 if bound else marks.DOT),
                markerfacecolor="none" if bound else colour, alpha=marks.PALE, label=f"points of {server}",
            )  # fmt: skip
    inconclusive = (stats.verdict(means[server]) == stats.INCONCLUSIVE for server in servers)
    marks.ratios(axes, look, list(zip(places, servers, (means[s] for s in servers), inconclusive)))
    ratio_label(axes, found.baseline, measure.name)
