"""The answer in words, from the numbers alone: nothing here knows how it comes out.

For each server against the base: all points together, then each axis (queries, bytes, ...) with the
ratios at its ends, and in between where it goes beyond them, its order of magnitude, and where it
flips from one side to the other. Along an axis a value stands for the points that are alike but for it:
only those combinations of the other axes count that were measured at every value shown, each of them
once (stats.combined).
"""

import dataclasses
import statistics
import textwrap

from ..observe import deployment
from ..judge import stats, summary
from . import formatting

AXES = "N queries, M bytes, W updates, D ms of delay, C connections: each value is the mean of points alike but for it."

FLAGS = {
    summary.GENERATOR_BOUND: "* wrk was the bottleneck at {}: throughput is a lower bound there; CPU stands.",
    summary.TOO_SHORT: "The window was too short at {}: latencies look shorter than they are; raise DURATION.",
    summary.MACHINE_BUSY: "Other programs kept the machine busy at {}: wider intervals, ratios that may be shifted.",
}


@dataclasses.dataclass
class Value:
    """One value of an axis."""

    value: object
    points: list  # the entries behind it
    rps: stats.Estimate
    cpu: stats.Estimate | None
    verdict: str = stats.INCONCLUSIVE

    @property
    def mark(self):
        return "*" if any(entry.generator_bound for entry in self.points) else ""


@dataclasses.dataclass
class Answer:
    """Sentences, as long as they are; the terminal and the report lay them out."""

    heading: list
    servers: list  # of (sentence over all points, [one for each axis])
    footing: list


def text(folder):
    return in_lines(answer(summary.load(folder)))


def answer(found):
    servers = [_server(found, server) for server in found.servers[1:]]
    if not servers:
        servers = [(f"Only {found.base} was measured: there is nothing to compare it with.", [])]
    return Answer(_heading(found), servers, _footing(found))


def in_lines(said):
    """For a terminal: at most 25 lines for two servers against a base along all axes."""
    lines = [line for sentence in said.heading for line in _wrapped(sentence, "", "")]
    for overall, axes in said.servers:
        lines += _wrapped(overall, "", "  ")
        lines += [line for axis in axes for line in _wrapped(axis, "  ", "    ")]
    return "\n".join(lines + [line for sentence in said.footing for line in _wrapped(sentence, "", "  ")])


def _wrapped(sentence, first, others):
    return textwrap.wrap(
        sentence, formatting.WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False
    )


def _heading(found):
    fewest, most = found.blocks
    blocks = _count(most, "block") if fewest == most else f"{fewest} to {most} blocks"
    kind = f"exploratory: fewer than {stats.BLOCKS} blocks a point" if found.exploratory else "95% confidence"
    points = _count(len(found.points), "point")
    ran = deployment.sentence(found.environment.get("ran"))
    lines = [f"The answer, from {points}, {blocks} each ({kind}){'; ' if ran else ''}{ran}."]
    return lines + ([AXES] if len(found.points) > 1 else [])


def _footing(found):
    lines = []
    seen = [e.estimates["rps"].detectable for e in found.compared if e.estimates["rps"].detectable]
    if seen:
        middle, worst = formatting.percent(statistics.median(seen)), formatting.percent(max(seen))
        lines.append(
            f"Had throughputs differed by {middle} (the median point) or {worst} (the worst), 4 runs in 5 would have"
            " shown it."
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
        return f"{server} and {found.base} never ran in the same block: nothing to compare.", []
    axes = {axis: along(entries, axis) for axis in formatting.varying(found.points)}
    axes = {axis: values for axis, values in axes.items() if len(values) > 1}
    overall = _overall(found, server, entries)
    decided = any(value.verdict != stats.INCONCLUSIVE for values in axes.values() for value in values)
    if decided and not any(flips(axis, values) for axis, values in axes.items()):
        both = {stats.FASTER, stats.SLOWER} <= {entry.verdicts["rps"] for entry in entries}
        overall += " On average no axis flips it." if both else " No axis flips it."
    return overall, [_axis(axis, values) for axis, values in axes.items()]


def _overall(found, server, entries):
    """One point: what was found there. More: how many went which way, and the extremes."""
    best = max(entries, key=lambda entry: entry.estimates["rps"].ratio)
    worst = min(entries, key=lambda entry: entry.estimates["rps"].ratio)
    axes = formatting.varying(found.points)
    if len(entries) == 1:
        estimate = best.estimates["rps"]
        said = (
            f"{_ratio(estimate)}: {formatting.verdict('rps', best.verdicts['rps'])}, {_magnitude([estimate])}"
        )
    else:
        low, high = (
            f"{_ratio(entry.estimates['rps'])} ({formatting.label(entry.point, axes)})"
            for entry in (worst, best)
        )
        said = f"{low} to {high}: {_magnitude([e.estimates['rps'] for e in entries])}; {_tally(entries)}"
    return f"{server.upper()} against {found.base}, throughput: {said}. {_cpu(found, entries)}"


def _tally(entries):
    """faster at 3, slower at 1, cannot tell at 2 of 6 points"""
    counts = {}
    for word in (stats.FASTER, stats.SLOWER, stats.SAME, stats.INCONCLUSIVE):
        count = sum(entry.verdicts["rps"] == word for entry in entries)
        if count:
            counts[formatting.verdict("rps", word)] = count
    if len(counts) == 1:
        return f"{next(iter(counts))} at all {len(entries)} points"
    return ", ".join(f"{word} at {count}" for word, count in counts.items()) + f" of {len(entries)} points"


def _cpu(found, entries):
    """Its own cost: the ratio, and microseconds at the first and the last point."""
    known = [entry for entry in entries if entry.estimates["cpu"]]
    if not known:
        return "CPU a request is not known."
    combined = stats.combined([entry.logs["cpu"] for entry in known])
    # A mean of points is no test of its own: it is judged by its interval alone.
    verdict = formatting.verdict("cpu", stats.verdict(combined, combined.p, more_is_better=False))
    axes, spans = formatting.varying(found.points), []
    for entry in known if len(known) == 1 else (known[0], known[-1]):
        base = found.entries[entry.point, found.base]
        own, its = (formatting.significant(e.median(summary.CPU)) for e in (entry, base))
        spans.append(f"{own} for {its} us" + (f" at {formatting.label(entry.point, axes)}" if axes else ""))
    average = " on average" if len(known) > 1 else ""
    return f"Server CPU a request: {_ratio(combined)}{average}, {verdict} ({', '.join(spans)})."


def along(entries, axis):
    """The values of an axis, in order, each with the entries that are matched over all of them."""
    rest = {}
    for entry in entries:
        key = entry.point._replace(**{axis: None})
        rest.setdefault(key, {})[_value(entry.point, axis)] = entry
    widest = max(len(values) for values in rest.values())
    shown = next(set(values) for values in rest.values() if len(values) == widest)
    matched = [values for values in rest.values() if shown <= set(values)]
    found = []
    for value in sorted(shown, key=lambda value: (value != "none", isinstance(value, str), value)):
        points = [values[value] for values in matched]
        known = all(entry.logs["cpu"] for entry in points)
        cpu = stats.combined([entry.logs["cpu"] for entry in points]) if known else None
        found.append(Value(value, points, stats.combined([entry.logs["rps"] for entry in points]), cpu))
    # The values of one axis are one family.
    for value, word in zip(found, stats.verdicts([value.rps for value in found])):
        value.verdict = word
    return found


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


def flips(axis, values):
    """Where the sign of the difference changes; only differences that were found count."""
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
