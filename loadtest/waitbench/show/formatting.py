"""Numbers, verdicts and points as text, the same on the terminal and in the report."""

import math
from typing import Any, Collection, Mapping, Sequence

from ..judge import stats
from ..observe import deployment
from ..plan.matrix import USUAL, Point

WIDTH = 120  # of a terminal's line of text

# `faster` means better, whatever the measure; a reader sees what that is for the measure.
VERDICTS = {
    "rps": {stats.FASTER: "faster", stats.SLOWER: "slower"},
    "cpu": {stats.FASTER: "less", stats.SLOWER: "more"},
    "p99": {stats.FASTER: "shorter", stats.SLOWER: "longer"},
}
AXES = {
    "proxy": "proxy",
    "n": "queries per request (N)",
    "m": "bytes of a response (M)",
    "w": "updates among the queries (W)",
    "d": "ms added to each query (D)",
    "c": "connections (C)",
    "workload": "workload",
}
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
UNDECIDED = {stats.SAME: "equivalent", stats.INCONCLUSIVE: "cannot tell"}


def verdict(measure: str, word: str | None) -> str:
    known = UNDECIDED | VERDICTS[measure]
    return known[word] if word in known else "not compared"


def decision(measure: str, estimate: stats.Estimate | None, word: str | None) -> str:
    """The verdict, and where it is open about how many blocks would tell: cannot tell (~40)."""
    needed = estimate and estimate.blocks_needed
    return verdict(measure, word) + (f" ({blocks(needed)})" if needed else "")


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


def ratio(value: float | None) -> str:
    """1.05x. Two decimals below ten: the noise is larger than the third."""
    if value is None:
        return "?"
    if value >= 1e6 or 0 < value < 1e-4:
        return f"{value:.0e}x"
    return f"{value:.2f}x" if 0.095 <= value < 10 else f"{significant(value)}x"


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
        return "too uncertain for an order of magnitude"
    if near < math.sqrt(10):
        return f"a factor of {significant(near, 2)} to {significant(far, 2)}"
    orders = {round(math.log10(near)), round(math.log10(far))}
    if len(orders) == 1:
        order = orders.pop()
        return f"about {order} order{'s' if order > 1 else ''} of magnitude"
    return f"{min(orders)} to {max(orders)} orders of magnitude"


def label(point: Point, axes: Sequence[str]) -> str:
    """A point by the axes that vary: n=1 c=16. Updates, delay, proxy and workload are named where they are not the
    usual ones, and what the point's workload does not have is left out."""
    quiet = {"w": 0, "d": 0, "proxy": "none", "workload": USUAL}
    has = [axis for axis in axes if getattr(point, axis) is not None]
    named = [axis for axis in has if getattr(point, axis) != quiet.get(axis)]
    return " ".join(f"{axis}={getattr(point, axis)}" for axis in named or has)


def varying(points: Sequence[Point]) -> list[str]:
    """The axes along which the points differ, in the order of the columns."""
    if not points:
        return []
    return [axis for axis in points[0]._fields if len({getattr(point, axis) for point in points}) > 1]


def fixed(points: Sequence[Point]) -> str:
    """The parameters that are the same at all points: m=1024 w=0 d=0. Proxy and workload are named only where they are
    not the usual ones."""
    free, quiet = varying(points), {"proxy": "none", "workload": USUAL}
    same = [axis for axis in points[0]._fields if axis not in free]
    named = [axis for axis in same if getattr(points[0], axis) not in (None, quiet.get(axis))]
    return " ".join(f"{axis}={getattr(points[0], axis)}" for axis in named)


def columns(lines: Sequence[tuple], left: Collection[int]) -> list[str]:
    """Lines of cells, aligned: the columns in `left` are words, the others numbers. The first line has the
    heads, and is underlined; a first cell that repeats (the point) is shown once."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    out, last = [], None
    for line in lines:
        cells = ("",) + line[1:] if line[0] == last else line
        padded = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths))]
        out.append("  ".join(padded).rstrip())
        last = line[0]
    out.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return out
