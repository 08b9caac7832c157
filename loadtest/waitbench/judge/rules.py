"""A rule that holds at the points that were measured: "20 queries and no more than 16 connections", say.

It is a set of points given by ranges of at most three axes, and is never wider than what was measured: all points that lie
in the ranges are among those of which the rule says something.
"""

import itertools
from typing import Collection, NamedTuple, Sequence

from ..plan.matrix import Point

CONDITIONS = 3  # more than that nobody remembers
# In the order in which they are preferred, where two rules cover as many points.
AXES = ("n", "c", "w", "d", "m", "t", "load", "k", "i", "proxy")
SINGLE = ("k", "proxy")  # a range of these means nothing: 0 requests per connection stands for any number


class Condition(NamedTuple):
    axis: str
    values: tuple  # measured ones, in order


class Rule(NamedTuple):
    conditions: tuple[Condition, ...]  # none: it holds at all points
    points: list[Point]  # that it covers


def best(points: Sequence[Point], good: Collection[Point]) -> Rule | None:
    """The rule that covers the most points, all of them good, with the fewest conditions; None where there is none."""
    wanted = sum(1 << place for place, point in enumerate(points) if point in good)
    everything = (1 << len(points)) - 1
    if not wanted:
        return None
    found: tuple[int, tuple[Condition, ...]] = (0, ())
    options = [_options(points, axis) for axis in AXES]
    for count in range(CONDITIONS + 1):
        for chosen in itertools.combinations([of_axis for of_axis in options if of_axis], count):
            for conditions in itertools.product(*chosen):
                covered = everything
                for _, mask in conditions:
                    covered &= mask
                if not covered & ~wanted and covered.bit_count() > found[0].bit_count():
                    found = covered, tuple(condition for condition, _ in conditions)
    covered, conditions = found
    inside = [point for place, point in enumerate(points) if covered >> place & 1]
    return Rule(tuple(_narrowed(condition, inside) for condition in conditions), inside) if inside else None


def _options(points: Sequence[Point], axis: str) -> list[tuple[Condition, int]]:
    """Each single value, and each range from the least or to the greatest, with the points that have it as bits."""
    values = sorted({getattr(point, axis) for point in points} - {None})
    if len(values) < 2:
        return []
    ranges: list[tuple] = [(value,) for value in values]
    if axis not in SINGLE:
        ranges += [tuple(values[:end]) for end in range(2, len(values))]
        ranges += [tuple(values[start:]) for start in range(1, len(values) - 1)]
    return [
        (
            Condition(axis, chosen),
            sum(1 << place for place, point in enumerate(points) if getattr(point, axis) in chosen),
        )
        for chosen in ranges
    ]


def _narrowed(condition: Condition, points: Sequence[Point]) -> Condition:
    """To the values that the points have: a range says nothing of what was not measured together with the rest."""
    own = {getattr(point, condition.axis) for point in points}
    return condition._replace(values=tuple(value for value in condition.values if value in own))
