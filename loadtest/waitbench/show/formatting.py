"""Numbers, verdicts and points as text, the same on the terminal and in the report."""

import math
from typing import Any, Mapping, Sequence

from ..judge import stats
from ..observe import deployment
from ..plan.matrix import USUAL, Point
from . import aligned

WIDTH = 80  # of a terminal's line of text

# `faster` means better, whatever the measure; a reader sees what that is for the measure.
VERDICTS = {
    "rps": {stats.FASTER: "faster", stats.SLOWER: "slower"},
    "cpu": {stats.FASTER: "less", stats.SLOWER: "more"},
    "p99": {stats.FASTER: "shorter", stats.SLOWER: "longer"},
    "capacity": {stats.FASTER: "higher", stats.SLOWER: "lower"},
}
AXES = {
    "proxy": "proxy",
    "n": "queries per request (N)",
    "m": "bytes of a response (M)",
    "w": "updates among the queries (W)",
    "d": "ms added to each query (D)",
    "c": "connections (C)",
    "workload": "workload",
    "t": "ms of waiting for something else than the database (T)",
    "k": "requests per connection (K)",
    "i": "idle connections (I)",
    "load": "percent of the reference rate (LOAD)",
}
# The axes of a point where nothing unusual was asked for; those of `c` and the other axes are always named.
QUIET = {"proxy": "none", "workload": USUAL, "t": 0, "k": 0, "i": 0}
CPU_GROUPS = {
    "service": "each part in a CPU group of equal weight",
    "flat": "all parts in one CPU group",
    "session": "CPU time divided by session (autogroup)",
    "mixed": "the database in a CPU group of its own",
}
LIMITS = (1 / stats.MARGIN, 1, stats.MARGIN)  # which an interval may leave
JOINT = "[joint 95%]"
JOINTLY = f"{JOINT}: all intervals of one server and measure hold the truth with 95% confidence; verdicts are read off them"
OPEN = "cannot tell (~40): about 40 blocks would tell, if ratio and spread stay as they are (80% power; REPEATS=40)"
UNCERTAIN = "too uncertain for an order of magnitude"
UNDECIDED = {stats.SAME: "equivalent", stats.INCONCLUSIVE: "cannot tell"}


def verdict(measure: str, word: str | None) -> str:
    known = UNDECIDED | VERDICTS[measure]
    return known[word] if word in known else "not compared"


def decision(measure: str, estimate: stats.Estimate | None, word: str | None) -> str:
    """The verdict, and where it is open about how many blocks would tell: cannot tell (~40)."""
    needed = estimate and estimate.blocks_needed
    return verdict(measure, word) + (f" ({blocks(needed)})" if needed else "")


def tally(measure: str, words: Sequence[str | None], nouns: str) -> str:
    """faster at 3, slower at 1, cannot tell at 2 of 6 points"""
    counts: dict[str, int] = {}
    for word in (stats.FASTER, stats.SLOWER, stats.SAME, stats.INCONCLUSIVE):
        if count := words.count(word):
            counts[verdict(measure, word)] = count
    if len(counts) == 1:
        return f"{next(iter(counts))} at all {len(words)} {nouns}"
    return ", ".join(f"{word} at {count}" for word, count in counts.items()) + f" of {len(words)} {nouns}"


def blocks(needed: int) -> str:
    return f"~{needed}" if needed <= stats.MOST_BLOCKS else f">{stats.MOST_BLOCKS}"


def significant(value: float | None, digits: int = 3) -> str:
    """Three significant digits, thousands written out: 12300, 1.23, 0.0123; `?` when not known."""
    if value is None:
        return "?"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, places):.{max(0, places)}f}"


def grouped(value: float | None) -> str:
    """The same with its thousands apart: 12,300."""
    text = significant(value)
    return f"{int(text):,}" if text.isdecimal() else text


def ratio(value: float | None) -> str:
    """1.05x. Two decimals below ten: the noise is larger than the third."""
    if value is None:
        return "?"
    if value >= 1e6 or 0 < value < 1e-4:
        return f"{value:.0e}x"
    return f"{value:.2f}x" if 0.095 <= value < 10 else f"{significant(value)}x"


def brief(value: float) -> str:
    """1.3x, with two digits, for a line that has little room."""
    return f"{significant(value, 2)}x"


def interval(estimate: stats.Estimate) -> str:
    """[1.02, 1.08], the interval that the verdict is read off; of a single block, [one block]."""
    low, high = estimate.low, estimate.high
    if low is None or high is None:
        return "[one block]"
    return f"[{_end(low)}, {_end(high)}]"


def _end(value: float) -> str:
    """An end of an interval, with so many decimals that it is seen on which side of 1 and of the margin it lies:
    a verdict that is read off 1.003 must not stand beside 1.00."""
    for places in range(2, 9):
        text = f"{value:.{places}f}" if 0.5 < value < 2 else ratio(value)[:-1]
        if all((float(text) > limit) == (value > limit) for limit in LIMITS) and (float(text) == 1) == (
            value == 1
        ):
            break
    return text


# Of a verdict, beside a ratio.
MARKS = {stats.FASTER: "+", stats.SLOWER: "-", stats.SAME: "=", stats.INCONCLUSIVE: "~"}


def cell(estimate: stats.Estimate, word: str | None) -> tuple[str, str]:
    """A ratio in a narrow table, and what is behind it: 1.23x and ~ [0.91 1.66]."""
    return ratio(estimate.ratio), f"{MARKS.get(word or '', ' ')} {interval(estimate).replace(',', '')}"


def detectable(estimate: stats.Estimate | None) -> str:
    """The minimum detectable effect, for a table: 2.5%, 4.2x, >10x."""
    value = estimate.detectable if estimate else None
    if value is None:
        return ""
    return percent(value) if value < 2 else f"{significant(value, 2)}x" if value < 10 else ">10x"


def percent(value: float) -> str:
    """How far a ratio above 1 is from 1."""
    if value < 2:
        return f"{significant((value - 1) * 100, 2)}%"
    return f"a factor of {significant(value, 2)}" if value < 10 else "more than a factor of 10"


def arrangement(environment: Mapping[str, Any]) -> str:
    """Where everything ran, and how the kernel divided CPU time; empty for a result that says neither."""
    parts = deployment.sentence(environment.get("ran")), CPU_GROUPS.get(environment.get("cpu_groups", ""))
    return ", ".join(filter(None, parts))


def magnitude(low: float, high: float) -> str:
    """The order of magnitude of a ratio (or of several) between low and high, in either direction. It claims no
    more than both ends support."""
    far = max(high, 1 / low)
    near = 1.0 if low <= 1 <= high else min(abs(math.log(low)), abs(math.log(high)))
    near = near if near == 1.0 else math.exp(near)
    if far <= stats.MARGIN:
        return "within 5%"
    if far < 2:
        return "less than a factor of 2"
    if far < math.sqrt(10):
        return "the same order of magnitude"
    if near == 1.0:
        return UNCERTAIN
    if near < math.sqrt(10):
        return f"a factor of {significant(near, 2)} to {significant(far, 2)}"
    orders = {round(math.log10(near)), round(math.log10(far))}
    if len(orders) == 1:
        order = orders.pop()
        return f"about {order} order{'s' if order > 1 else ''} of magnitude"
    return f"{min(orders)} to {max(orders)} orders of magnitude"


def label(point: Point, axes: Sequence[str]) -> str:
    """A point by the axes that vary: n=1 c=16. Updates, delay and what is in QUIET are named where they are not the
    usual ones, and what the point's workload does not have is left out."""
    quiet = QUIET | {"w": 0, "d": 0}
    has = [axis for axis in axes if getattr(point, axis) is not None]
    named = [axis for axis in has if getattr(point, axis) != quiet.get(axis)]
    return " ".join(f"{axis}={shown(point, axis)}" for axis in named or has)


def shown(point: Point, axis: str) -> str:
    return part(axis, getattr(point, axis))


def part(axis: str, value: Any) -> str:
    """Of a point, as a reader sees it: 50% of load, unlimited requests per connection."""
    return f"{value}%" if axis == "load" else "unlimited" if axis == "k" and value == 0 else str(value)


def varying(points: Sequence[Point]) -> list[str]:
    """The axes along which the points differ, in the order of the columns."""
    if not points:
        return []
    return [axis for axis in points[0]._fields if len({getattr(point, axis) for point in points}) > 1]


def fixed(points: Sequence[Point]) -> str:
    """The parameters that are the same at all points: m=1024 w=0 d=0. Those in QUIET are named only where they are not
    the usual ones."""
    free = varying(points)
    same = [axis for axis in points[0]._fields if axis not in free]
    named = [axis for axis in same if getattr(points[0], axis) not in (None, QUIET.get(axis))]
    return " ".join(f"{axis}={shown(points[0], axis)}" for axis in named)


columns = aligned.columns  # apart from this module, which imports numpy
narrow = aligned.narrow
