"""The findings in sentences, from the numbers alone: no sentence presumes a result.

For each server against the baseline: all points together, then each axis (queries, bytes, ...) with the ratios at
its ends, those in between that leave the range of the ends, the order of magnitude, and where the sign of the
difference flips. The ratio at a value of an axis is the mean of the points with that value. Only those
combinations of the other axes count that were measured at every value shown, each of them once (stats.combined).
"""

import dataclasses
import statistics
import textwrap
from pathlib import Path

from ..plan import matrix
from ..judge import stats, summary
from . import formatting

AXES = "N queries, M bytes, W updates, D ms of delay, C connections: each value is the mean of its points."
CRUD = "Workload crud: reads and writes of /items, mixed; C connections."

FLAGS = {
    summary.GENERATOR_BOUND: "* wrk was the bottleneck at {}: throughput is a lower bound there; CPU stands.",
    summary.TOO_SHORT: "The window was too short at {}: latencies look shorter than they are; raise DURATION.",
    summary.MACHINE_BUSY: "Other programs kept the machine busy at {}: wider intervals, ratios that may be shifted.",
}


@dataclasses.dataclass
class Value:
    """One value of an axis."""

    value: object
    points: list[summary.Entry]  # whose mean it is
    rps: stats.Estimate
    cpu: stats.Estimate | None

    @property
    def verdict(self) -> str | None:
        return stats.verdict(self.rps)

    @property
    def mark(self) -> str:
        return "*" if any(entry.generator_bound for entry in self.points) else ""


@dataclasses.dataclass
class Findings:
    """Sentences of any length; the terminal and the report break them into lines."""

    heading: list[str]
    servers: list[tuple[str, list[str]]]  # (sentence over all points, [one for each axis])
    footing: list[str]


def text(folder: str | Path) -> str:
    return in_lines(find(summary.load(folder)))


def find(found: summary.Summary) -> Findings:
    servers = [_server(found, server) for server in found.servers[1:]]
    if not servers:
        servers = [(f"Only {found.baseline} was measured: there is nothing to compare it with.", [])]
    return Findings(_heading(found), servers, _footing(found))


def in_lines(findings: Findings) -> str:
    """For a terminal: at most 25 lines for two servers and a baseline along all axes."""
    lines = [line for sentence in findings.heading for line in _wrapped(sentence, "", "")]
    for overall, axes in findings.servers:
        lines += _wrapped(overall, "", "  ")
        lines += [line for axis in axes for line in _wrapped(axis, "  ", "    ")]
    return "\n".join(lines + [line for sentence in findings.footing for line in _wrapped(sentence, "", "  ")])


def _wrapped(sentence, first, others):
    return textwrap.wrap(
        sentence, formatting.WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False
    )


def _heading(found):
    fewest, most = found.blocks
    blocks = _count(most, "block") if fewest == most else f"{fewest} to {most} blocks"
    kind = (
        f"exploratory: fewer than {stats.BLOCKS} blocks per point" if found.exploratory else "95% confidence"
    )
    points = _count(len(found.points), "point")
    ran = formatting.arrangement(found.environment)
    lines = [f"The answer, from {points}, {blocks} each ({kind}){'; ' if ran else ''}{ran}."]
    axes = [CRUD] if any(point.is_crud for point in found.points) else []
    axes += [AXES] if len(found.points) > 1 and any(not point.is_crud for point in found.points) else []
    return lines + axes


def _footing(found):
    lines = []
    seen = [e.estimates["rps"].detectable for e in found.compared if e.estimates["rps"].detectable]
    if seen:
        middle, worst = formatting.percent(statistics.median(seen)), formatting.percent(max(seen))
        lines.append(
            f"The minimum detectable effect on throughput (with 80% power) was {middle} at the median point and"
            f" {worst} at the worst."
        )
    needed = [e.estimates["rps"].blocks_needed for e in found.compared if e.estimates["rps"].blocks_needed]
    if needed:
        least, most = (formatting.blocks(count).strip("~") for count in (min(needed), max(needed)))
        lines.append(
            f"Where it cannot tell, about {least if least == most else f'{least} to {most}'} blocks per point would tell, if"
            " ratios and spreads stay as they are (REPEATS)."
        )
    return lines + [
        sentence.format(_where(found, flag)) for flag, sentence in FLAGS.items() if _flagged(found, flag)
    ]


def _flagged(found, flag):
    """The points at which any run of any server has the flag."""
    return [
        point
        for point in found.points
        if any(flag in e.flags for e in found.entries.values() if e.point == point)
    ]


def _where(found, flag):
    """2 of 30 points (n=0 c=16, n=0 c=256)"""
    points, axes = _flagged(found, flag), formatting.varying(found.points) or ["n", "c"]
    named = ", ".join(formatting.label(point, axes) for point in points[:3]) + (
        ", ..." if len(points) > 3 else ""
    )
    return f"{len(points)} of {_count(len(found.points), 'point')} ({named})"


def _server(found, server):
    """(the sentence over all points, those along the axes)"""
    entries = [entry for entry in found.at(server) if entry.estimates.get("rps")]
    if not entries:
        return f"{server} and {found.baseline} never ran in the same block: nothing to compare.", []
    axes = {axis: along(entries, axis) for axis in formatting.varying(found.points)}
    axes = {axis: values for axis, values in axes.items() if len(values) > 1}
    overall = _overall(found, server, entries)
    decided = any(value.verdict != stats.INCONCLUSIVE for values in axes.values() for value in values)
    if decided and not any(flips(axis, values) for axis, values in axes.items()):
        both = {stats.FASTER, stats.SLOWER} <= {entry.verdicts["rps"] for entry in entries}
        overall += " On average no axis flips it." if both else " No axis flips it."
    return overall, [_axis(axis, values) for axis, values in axes.items()]


def _overall(found, server, entries):
    """One point: its ratio. Several points: the extremes, and how many have which verdict."""
    best = max(entries, key=lambda entry: entry.estimates["rps"].ratio)
    worst = min(entries, key=lambda entry: entry.estimates["rps"].ratio)
    axes = formatting.varying(found.points)
    if len(entries) == 1:
        estimate = best.estimates["rps"]
        ratios = (
            f"{_ratio(estimate)}: {formatting.verdict('rps', best.verdicts['rps'])}, {_magnitude([estimate])}"
        )
    else:
        low, high = (
            f"{_ratio(entry.estimates['rps'])} ({formatting.label(entry.point, axes)})"
            for entry in (worst, best)
        )
        ratios = f"{low} to {high}: {_magnitude([e.estimates['rps'] for e in entries])}; {_tally(entries)}"
    return f"{server.upper()} against {found.baseline}, throughput: {ratios}. {_cpu(found, entries)}"


def _tally(entries):
    """faster at 3, slower at 1, cannot tell at 2 of 6 points"""
    counts: dict[str, int] = {}
    for word in (stats.FASTER, stats.SLOWER, stats.SAME, stats.INCONCLUSIVE):
        count = sum(entry.verdicts["rps"] == word for entry in entries)
        if count:
            counts[formatting.verdict("rps", word)] = count
    if len(counts) == 1:
        return f"{next(iter(counts))} at all {len(entries)} points"
    return ", ".join(f"{word} at {count}" for word, count in counts.items()) + f" of {len(entries)} points"


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


def along(entries: list[summary.Entry], axis: str) -> list[Value]:
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
    rps = stats.family([stats.combined([entry.logs["rps"] for entry in entries]) for entries in points])
    return [
        Value(value, entries, estimate, _combined_cpu(entries))
        for value, entries, estimate in zip(ordered, points, rps)
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
    low, high = min(first.rps.ratio, last.rps.ratio), max(first.rps.ratio, last.rps.ratio)
    if first.rps.low is not None:
        low, high = min(first.rps.low, last.rps.low), max(first.rps.high, last.rps.high)
    shown = [first] + [v for v in values[1:-1] if not low <= v.rps.ratio <= high] + [last]
    parts = [
        f"{axis.upper()}={value.value} {_ratio(value.rps)}{value.mark} {formatting.verdict('rps', value.verdict)},"
        f" CPU {formatting.ratio(value.cpu.ratio if value.cpu else None)}"
        for value in shown
    ]
    return "; ".join(parts + [_magnitude([value.rps for value in values])] + flips(axis, values))


def flips(axis: str, values: list[Value]) -> list[str]:
    """Where the sign of the difference changes; values without a significant difference are skipped."""
    axis = axis.upper()
    sided = [value for value in values if value.verdict in (stats.FASTER, stats.SLOWER)]
    return [
        f"flips from {before.verdict} at {axis}={before.value} to {after.verdict} at {axis}={after.value}"
        for before, after in zip(sided, sided[1:])
        if before.verdict != after.verdict
    ]


def _magnitude(estimates):
    if any(estimate.low is None for estimate in estimates):
        return "one block alone bounds nothing"
    return formatting.magnitude(min(e.low for e in estimates), max(e.high for e in estimates))


def _ratio(estimate):
    return f"{formatting.ratio(estimate.ratio)} {formatting.interval(estimate)}"


def _count(number, noun):
    return f"{number} {noun}" + ("s" if number != 1 else "")
