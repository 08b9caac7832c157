"""The findings in sentences, from the numbers alone: no sentence presumes a result.

The terminal has a few of them below its tables: what follows for somebody who must choose, where the better one changes,
how small a difference is found, and what spoils the result. The report has more: each server against the baseline, over
all points, then along each axis (queries, bytes, ...) with the ratios at its ends, those in between that leave the range
of the ends, the order of magnitude, and where the sign of the difference flips. The ratio at a value of an axis is the
mean of the points with that value. Only those combinations of the other axes count that were measured at every value
shown, each of them once (stats.combined). The ratios are of throughput; in an open loop, where all servers have the same,
of the p99 latency, beside the capacities.
"""

import dataclasses
import statistics
import textwrap
from pathlib import Path

from ..plan import matrix
from ..judge import series, stats, summary
from . import by_language, capacity, choosing, formatting, peers, warnings, wording

AXES = {
    "n": "N queries", "m": "M bytes", "w": "W updates", "d": "D ms of delay in the database", "t": "T ms of waiting",
    "c": "C connections", "k": "K requests per connection", "i": "I idle connections",
    "load": "LOAD percent of the reference rate",
}  # fmt: skip
CRUD = "Workload crud: reads and writes of /items, mixed."

NAMES = {"rps": "throughput", "p99": "p99 latency"}  # of what leads


@dataclasses.dataclass
class Value:
    """One value of an axis."""

    value: object
    points: list[summary.Entry]  # whose mean it is
    lead: summary.Measure  # of the ratio
    ratio: stats.Estimate
    cpu: stats.Estimate | None

    @property
    def verdict(self) -> str | None:
        return stats.verdict(self.ratio, self.lead.more_is_better)

    @property
    def mark(self) -> str:
        return "*" if any(entry.generator_bound for entry in self.points) else ""


@dataclasses.dataclass
class Findings:
    """Sentences of any length; the terminal and the report break them into lines."""

    heading: list[str]
    servers: list[tuple[str, list[str]]]  # (sentence over all points, [one for each axis])
    footing: list[str]
    table: list[tuple[str, ...]]  # with several languages: heads, and a row for each server
    closing: list[str]  # and what follows for languages and models


def text(folder: str | Path) -> str:
    """The sentences of the terminal below its tables (show/table.py)."""
    found, runs = summary.load(folder), series.load(folder)
    parts = [
        ("To choose:", choosing.of(found)),
        ("To know:", _turns(found) + _precision(found) + _of_languages(found)),
        ("Warnings:", warnings.of(found, runs)),
    ]
    return "\n\n".join("\n".join([title, *_items(sentences)]) for title, sentences in parts if sentences)


def _of_languages(found):
    """Findings that the warnings do not say already."""
    if not found.several_languages:
        return []
    return [said for said in peers.missing(found) if said != peers.BOUND and "was given up" not in said]


def _items(sentences: list[str]) -> list[str]:
    return [
        line
        for sentence in sentences
        for line in textwrap.wrap(
            sentence, formatting.WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
    ]


def find(found: summary.Summary, runs: series.Runs | None = None) -> Findings:
    servers = [_server(found, server) for server in found.servers[1:]]
    if not servers:
        servers = [(f"Only {found.baseline} was measured: there is nothing to compare it with.", [])]
    flagged = [sentence for flag in warnings.FLAGS for sentence in warnings.flags(found, flag)]
    footing = _precision(found) + warnings.unsteady(found, runs or {}) + flagged
    return Findings(_heading(found), servers, footing, by_language.answer(found), peers.closing(found))


def _heading(found):
    fewest, most = found.blocks
    blocks = wording.count(most, "block") if fewest == most else f"{fewest} to {most} blocks"
    kind = (
        f"exploratory: fewer than {stats.BLOCKS} blocks per point" if found.exploratory else "95% confidence"
    )
    points = wording.count(len(found.points), "point")
    ran = formatting.arrangement(found.environment)
    lines = [f"From {points}, {blocks} each ({kind}){'; ' if ran else ''}{ran}."]
    axes = [AXES[axis] for axis in formatting.varying(found.points) if axis in AXES]
    lines += [CRUD] if any(point.is_crud for point in found.points) else []
    lines += [f"What varies: {', '.join(axes)}."] if axes else []
    return lines + capacity.explained(found)


def _precision(found):
    """How small a difference is found, and how many blocks would decide what is open."""
    lines, estimates = [], [entry.estimates[found.lead.name] for entry in found.compared]
    seen = [estimate.detectable for estimate in estimates if estimate.detectable]
    if seen:
        middle, worst = formatting.percent(statistics.median(seen)), formatting.percent(max(seen))
        noisiest = f"; where there was most noise, {worst}" if worst != middle else ""
        about = "" if middle.startswith("more") else "about "
        lines.append(
            f"The smallest difference in {NAMES[found.lead.name]} that so many blocks find is {about}{middle}{noisiest}."
        )
    needed = [estimate.blocks_needed for estimate in estimates if estimate.blocks_needed]
    if needed:
        least, most = (
            formatting.blocks(count).strip("~").replace(">", "more than ")
            for count in (min(needed), max(needed))
        )
        lines.append(
            f"Where the run cannot tell, about {least if least == most else f'{least} to {most}'} blocks would (REPEATS)."
        )
    return lines


def _turns(found):
    """Where the better one changes along an axis."""
    said = []
    for server in found.servers[1:]:
        entries = [entry for entry in found.at(server) if entry.estimates.get(found.lead.name)]
        for axis in formatting.varying(found.points) if entries else []:
            changes = flips(axis, along(entries, axis, found.lead))
            said += [f"{server} {words.replace('flips', 'goes', 1)}" for words in changes]
    return [f"Which is better changes, on average over the other axes: {'; '.join(said)}."] if said else []


def _server(found, server):
    """(the sentence over all points, those along the axes)"""
    lead = found.lead
    entries = [entry for entry in found.at(server) if entry.estimates.get(lead.name)]
    if not entries and any(entry.estimates.get("cpu") for entry in found.at(server)):
        overall = f"{server.upper()} against {found.baseline}: {NAMES[lead.name]} is compared at no point."
        return overall, capacity.sentences(found, server)
    if not entries:
        return f"{server} and {found.baseline} never ran in the same block: nothing to compare.", []
    axes = {axis: along(entries, axis, lead) for axis in formatting.varying(found.points)}
    along_axes = [_axis(axis, values) for axis, values in axes.items() if len(values) > 1]
    return _overall(found, server, entries), capacity.sentences(found, server) + along_axes


def _overall(found, server, entries):
    """One point: its ratio. Several points: the extremes, and how many have which verdict."""
    name = found.lead.name
    best = max(entries, key=lambda entry: entry.estimates[name].ratio)
    worst = min(entries, key=lambda entry: entry.estimates[name].ratio)
    axes = formatting.varying(found.points)
    if len(entries) == 1:
        estimate = best.estimates[name]
        ratios = (
            f"{_ratio(estimate)}: {formatting.verdict(name, best.verdicts[name])}, {_magnitude([estimate])}"
        )
    else:
        low, high = (
            f"{_ratio(entry.estimates[name])} ({formatting.label(entry.point, axes)})"
            for entry in (worst, best)
        )
        tally = formatting.tally(name, [entry.verdicts[name] for entry in entries], "points")
        ratios = f"{low} to {high}: {_magnitude([e.estimates[name] for e in entries])}; {tally}"
    return f"{server.upper()} against {found.baseline}, {NAMES[name]}: {ratios}. {_cpu(found, entries)}"


def _cpu(found, entries):
    """The server's own cost: the ratio, and microseconds at the first and the last point."""
    known = [entry for entry in entries if entry.estimates["cpu"]]
    if not known:
        return "CPU per request is not known."
    combined = stats.combined([entry.logs["cpu"] for entry in known])
    verdict = formatting.verdict("cpu", stats.verdict(combined, more_is_better=False))
    axes, spans = formatting.varying(found.points), []
    for entry in known if len(known) == 1 else (known[0], known[-1]):
        baseline = found.entries[entry.point, found.baseline]
        own, other = (formatting.significant(e.median(summary.CPU)) for e in (entry, baseline))
        spans.append(f"{own} for {other} us" + (f" at {formatting.label(entry.point, axes)}" if axes else ""))
    average = " on average" if len(known) > 1 else ""
    return f"Server CPU per request: {_ratio(combined)}{average}, {verdict} ({', '.join(spans)})."


def along(
    entries: list[summary.Entry], axis: str, lead: summary.Measure = summary.MEASURES[0]
) -> list[Value]:
    """The values of an axis, in order, each with the entries that are matched over all of them."""
    rest: dict[matrix.Point, dict] = {}
    for entry in entries:
        key = entry.point.without(axis)
        rest.setdefault(key, {})[_value(entry.point, axis)] = entry
    widest = max(len(values) for values in rest.values())
    shown = next(set(values) for values in rest.values() if len(values) == widest)
    matched = [values for values in rest.values() if shown <= set(values)]
    ordered = sorted(shown, key=lambda value: (value != "none", isinstance(value, str), value))
    points = [[values[value] for values in matched] for value in ordered]
    # The values of one axis are one family.
    ratios = [stats.combined([entry.logs[lead.name] for entry in entries]) for entries in points]
    return [
        Value(value, entries, lead, estimate, _combined_cpu(entries))
        for value, entries, estimate in zip(ordered, points, stats.family(ratios))
        if estimate  # always: there is at least one point
    ]


def _combined_cpu(entries):
    known = all(entry.logs["cpu"] for entry in entries)
    return stats.combined([entry.logs["cpu"] for entry in entries]) if known else None


def _value(point, axis):
    """Updates count as a share where they can, so that half of 5 and half of 20 queries are alike."""
    if axis != "w":
        return getattr(point, axis)
    return "none" if point.w == 0 else "half" if point.w == point.n // 2 else point.w


def _axis(axis, values):
    """The ends of the axis, and what lies between where it leaves the range of the ends."""
    first, last = values[0], values[-1]
    low, high = min(first.ratio.ratio, last.ratio.ratio), max(first.ratio.ratio, last.ratio.ratio)
    if first.ratio.low is not None:
        low, high = min(first.ratio.low, last.ratio.low), max(first.ratio.high, last.ratio.high)
    shown = [first] + [v for v in values[1:-1] if not low <= v.ratio.ratio <= high] + [last]
    parts = [
        f"{axis.upper()}={formatting.part(axis, value.value)} {_ratio(value.ratio)}{value.mark}"
        f" {formatting.verdict(value.lead.name, value.verdict)},"
        f" CPU {formatting.ratio(value.cpu.ratio if value.cpu else None)}"
        for value in shown
    ]
    return "; ".join(parts + [_magnitude([value.ratio for value in values])] + flips(axis, values))


def flips(axis: str, values: list[Value]) -> list[str]:
    """Where the sign of the difference changes; values without a significant difference are skipped."""
    sided = [value for value in values if value.verdict in (stats.FASTER, stats.SLOWER)]
    words = {
        id(
            value
        ): f"{formatting.verdict(value.lead.name, value.verdict)} at {axis.upper()}={formatting.part(axis, value.value)}"
        for value in sided
    }
    return [
        f"flips from {words[id(before)]} to {words[id(after)]}"
        for before, after in zip(sided, sided[1:])
        if before.verdict != after.verdict
    ]


def _magnitude(estimates):
    if any(estimate.low is None for estimate in estimates):
        return "one block alone bounds nothing"
    return formatting.magnitude(min(e.low for e in estimates), max(e.high for e in estimates))


def _ratio(estimate):
    return f"{formatting.ratio(estimate.ratio)} {formatting.interval(estimate)}"
