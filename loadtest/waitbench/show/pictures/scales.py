"""Axes with round numbers on them."""

import math
from typing import Iterable

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from .. import formatting

BETTER = {"rps": "→ more requests", "cpu": "← less CPU", "p99": "← shorter"}  # by measure
# Ticks of a ratio, from fine to coarse: the finest that has room is taken.
AROUND = (
    (0.9, 0.92, 0.94, 0.96, 0.98, 1, 1.02, 1.04, 1.06, 1.08, 1.1),
    (0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5),
    (0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2, 2.5),
    (0.1, 0.2, 0.5, 1, 2, 5, 10),
    (0.001, 0.01, 0.1, 1, 10, 100, 1000),
)
ROOM = 0.1  # of the axis, between two ticks of a ratio
STEPS = ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))


def ratio_label(axes: Axes, baseline: str, measure: str) -> None:
    """Below a horizontal axis of ratios: the direction, too, in which a server is better."""
    axes.set_xlabel(f"ratio to {baseline} ({BETTER[measure]})")


def ratio_axis(axes: Axes, which: str, values: Iterable[float]) -> None:
    """Logarithmic; 1 and the 5% around it are on it."""
    every = [*values, 0.93, 1.075]
    low, high = min(every) / 1.03, max(every) * 1.03
    room = ROOM * math.log(high / low)
    ticks: list[float] = [1.0]
    for steps in AROUND:
        found = [float(step) for step in steps if low <= step <= high]
        apart = all(math.log(b / a) >= room for a, b in zip(found, found[1:]))
        if apart and steps[0] <= low * 1.3 and steps[-1] >= high / 1.3:
            ticks = found
            break
    _logarithmic(axes, which, low, high, ticks, lambda value, _: f"{value:.3g}")


def logarithmic(
    axes: Axes, which: str, values: Iterable[float], most: int = 6, least_span: float = 1.5
) -> None:
    """From somewhat below the least value to somewhat above the largest; values are above 0."""
    every = list(values) or [1.0]
    low, high = min(every), max(every)
    widen = max((high / low) ** 0.04, (least_span / (high / low)) ** 0.5, 1.02)
    low, high = low / widen, high * widen
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in STEPS:
        ticks = [
            v
            for v in (step * 10.0**exponent for exponent in exponents for step in steps)
            if low <= v <= high
        ]
        if len(ticks) <= most:
            break
    else:
        ticks = ticks[:: math.ceil(len(ticks) / most)]
    _logarithmic(axes, which, low, high, ticks, lambda value, _: thousands(value))


def from_zero(axes: Axes, which: str, values: Iterable[float]) -> None:
    """Linear, and 0 is on it: lengths can be compared."""
    high = max(values, default=0.0) * 1.06 or 1.0
    getattr(axes, f"set_{which}lim")(0, high)
    getattr(axes, f"{which}axis").set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))


def thousands(value: float) -> str:
    """Three significant digits, and from 1,000 on all that are before the point, with commas: 12,345."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = formatting.significant(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _logarithmic(axes, which, low, high, ticks, formatter):
    getattr(axes, f"set_{which}scale")("log")
    getattr(axes, f"set_{which}lim")(low, high)
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(formatter))
