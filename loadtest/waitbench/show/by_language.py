"""A run with servers in several languages, grouped by language and model. A run in one language has nothing of this."""

from ..judge import languages, peers, stats, summary
from . import formatting

HEADS = ("language", "waits by")
LEADS = {"rps": "throughput", "p99": "p99 latency"}


def heads(found: summary.Summary) -> tuple[str, ...]:
    return HEADS if found.several_languages else ()


def cells(found: summary.Summary, server: str) -> tuple[str, ...]:
    """Of one row; none where all servers are in one language."""
    return tuple(found.kinds.get(server, languages.UNKNOWN)) if found.several_languages else ()


def answer(found: summary.Summary) -> list[tuple[str, ...]]:
    """A row for each server against the baseline, in place of sentences, of which there would be too many; [] for one
    language."""
    if not found.several_languages:
        return []
    lead, cpu = found.lead, summary.MEASURES[1]
    leads, costs = (mean_to_baseline(found, measure) for measure in (lead, cpu))
    rows = [
        (
            *cells(found, server),
            server,
            _range(found, server, lead) + _mark(found, server),
            _mean(leads.get(server)),
            _mean(costs.get(server)),
        )
        for server in found.servers[1:]
    ]
    title = LEADS[lead.name]
    heads = (
        f"{title} of {found.baseline}",
        f"on average {formatting.JOINT}",
        "CPU per request, on average",
    )
    return [(*HEADS, "server", *heads), *rows] if rows else []


def text(found: summary.Summary) -> list[str]:
    """The same for a terminal, without ranges: each language has a line of its own, and its servers follow."""
    if len(found.servers) < 2 or not found.several_languages:
        return []
    measures = {found.lead: LEADS[found.lead.name], summary.MEASURES[1]: "CPU per request"}
    means = [mean_to_baseline(found, measure) for measure in measures]
    lines = [("language", "waits by", "server", *measures.values())]
    for server in found.servers[1:]:
        shown = [
            _cell(of_measure.get(server), measure) + (_mark(found, server) if measure == found.lead else "")
            for of_measure, measure in zip(means, measures)
        ]
        lines.append((*cells(found, server), server, *shown))
    title = f"Ratios to {found.baseline}, on average over the configurations"
    return ["", title, *formatting.narrow(lines, range(5), 3, formatting.WIDTH)]


def _cell(estimate: stats.Estimate | None, measure: summary.Measure) -> str:
    if estimate is None:
        return "not known"
    return " ".join(formatting.cell(estimate, stats.verdict(estimate, measure.more_is_better)))


def mean_to_baseline(found: summary.Summary, measure: summary.Measure) -> dict[str, stats.Estimate]:
    """The geometric mean over the points of each server; all servers are one family."""
    groups = {
        server: [entry.logs[measure.name] for entry in at(found, server) if entry.logs.get(measure.name)]
        for server in found.servers[1:]
    }
    estimates = stats.family([stats.combined(logs) for logs in groups.values()])
    return {server: estimate for server, estimate in zip(groups, estimates) if estimate}


def at(found: summary.Summary, server: str) -> list[summary.Entry]:
    """At the points that are shown together: those behind nginx are compared apart."""
    return [entry for entry in found.at(server) if entry.point in peers.direct(found)]


def _range(found: summary.Summary, server: str, measure: summary.Measure) -> str:
    """0.50x to 0.75x: the lowest and the highest of its points."""
    known = [entry.estimates.get(measure.name) for entry in at(found, server)]
    ratios = sorted(estimate.ratio for estimate in known if estimate)
    if not ratios:
        return "not compared"
    ends = dict.fromkeys(formatting.ratio(ratio) for ratio in (ratios[0], ratios[-1]))
    return " to ".join(ends)


def _mark(found: summary.Summary, server: str) -> str:
    """Where the generator was the bottleneck of this server or of the baseline at any of the points."""
    entries = [*at(found, server), *at(found, found.baseline)]
    return "*" if not found.is_open and any(entry.generator_bound for entry in entries) else ""


def _mean(estimate: stats.Estimate | None) -> str:
    return f"{formatting.ratio(estimate.ratio)} {formatting.interval(estimate)}" if estimate else "not known"
