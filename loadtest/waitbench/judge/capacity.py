"""The capacity at an objective: the highest rate of an open loop at which the 99th percentile of the latency is not
above SLO.

A search makes no request. It names the rate to try next and takes what came of it; the caller, which has a running
server, makes the steps (bench/capacity.py). Its rates are a grid, start * CELL^k: it widens from the start until it
has a rate that met the objective and one that did not, and halves what is between them until they are neighbours. The
grid of each search is shifted by chance by a part of a cell. Two servers whose capacities are closer than a cell would
otherwise be found apart by what their grids are apart, and by the same in every block, as if it were a difference
without noise.
"""

import math
import random
from typing import Mapping, NamedTuple, Sequence

CELL = 1.05  # one rate of the grid to the next
START, LEAST, MOST = 0.6, 0.01, 1.5  # of the closed-loop rate of the server: where it begins, and its limits
WIDEN = 4  # cells from one rate to the next, upwards; downwards twice as many each time
TRIES = 2  # of a rate that is not met: a stall of the machine in one of them is not the server's
ARRIVALS = 1000  # at least, for a 99th percentile
SECONDS = 3.0  # of a step, unless so many arrivals take longer
ANSWERED = 0.98  # of the arrivals that were due
GENERATOR, NONE, CEILING = BOUNDS = ("generator", "none", "ceiling")
LATE = ("late:", "cpu:")  # with which the generator's reasons begin when it could not keep the rate
OF_THE_GENERATOR = ("descriptors", "ports")  # errors that no server makes


class Step(NamedTuple):
    """A rate that was tried."""

    rate: float  # requests/s, over all connections
    achieved: float | None  # responses/s; None where there is no result
    p99_us: float | None  # from the moment at which a request was due
    why: str = ""  # the objective was not met; empty: it was
    generator: bool = (
        False  # it was the generator that could not keep the rate: this says nothing of the server
    )
    note: str = ""

    @property
    def met(self) -> bool:
        return not self.why


class Found(NamedTuple):
    """The finding of a search. `rps`: the highest rate that met the objective, which the rate one cell higher did not;
    None: none did."""

    rps: float | None
    steps: int
    bound: str = (
        ""  # one of BOUNDS: the capacity is `rps` or more (generator, ceiling), or below every rate (none)
    )


class Search:
    """`closed_rps`: of this server in a closed loop, where it begins to look. `shift`: of the grid, in cells."""

    def __init__(self, closed_rps: float, shift: float = 0.0):
        self.start = closed_rps * START * CELL**shift
        self.least = math.ceil(_cells(closed_rps * LEAST / self.start))
        self.most = math.floor(_cells(closed_rps * MOST / self.start))
        self.steps: list[Step] = []
        self._tries: list[Step] = []  # of the rate that is tried
        self._at: int | None = 0  # place in the grid; None: the search has ended
        self._low: int | None = None  # the highest that met
        self._high: int | None = None  # the lowest that did not
        self._high_is_generators = False
        self._down = WIDEN

    @property
    def rate(self) -> float | None:
        """To try next; None at the end."""
        return None if self._at is None else self.start * CELL**self._at

    def take(self, step: Step) -> None:
        """The outcome at `rate`."""
        assert self._at is not None
        self.steps.append(step)
        self._tries.append(step)
        if step.met:
            self._low = self._at
        elif len(self._tries) < TRIES:
            return
        else:
            self._high, self._high_is_generators = self._at, all(each.generator for each in self._tries)
        self._tries = []
        self._at = self._next(self._at)

    def _next(self, at: int) -> int | None:
        if self._low is None:
            lower, self._down = max(self.least, at - self._down), 2 * self._down
            return lower if at > self.least else None
        if self._high is None:
            return min(self.most, at + WIDEN) if at < self.most else None
        return (self._low + self._high) // 2 if self._high - self._low > 1 else None

    @property
    def found(self) -> Found:
        """At the end."""
        assert self._at is None
        rps = None if self._low is None else self.start * CELL**self._low
        bound = NONE if rps is None else CEILING if self._high is None else ""
        return Found(rps, len(self.steps), GENERATOR if self._high_is_generators else bound)


def _cells(ratio: float) -> float:
    return math.log(ratio) / math.log(CELL)


def shift(seed: int, block: int, server: str) -> float:
    """By which a grid is moved, -0.5 to 0.5 cells; the same when an experiment is continued."""
    return random.Random(f"{seed} {block} {server}").random() - 0.5


def seconds(rate: float, duration: float) -> float:
    """For how long a step loads: SECONDS, or longer where ARRIVALS take longer; at most `duration`."""
    return min(duration, max(SECONDS, ARRIVALS / rate))


def judge(
    rate: float,
    slo_ms: float,
    due: int,
    answered: int,
    window_s: float,
    p99_us: float | None,
    unfinished: int,
    errors: Mapping[str, int],
    unsound: Sequence[str],
) -> Step:
    """A step from what the generator counted; `unsound`: its own reasons, as sentences that begin with a word.

    A generator that was late makes latencies longer, never shorter: what met the objective nevertheless met it.
    """
    achieved = answered / window_s
    notes = [f"{due} arrivals, fewer than {ARRIVALS}"] if due < ARRIVALS / 2 else []
    own = [reason for reason in unsound if reason.startswith(LATE)]
    own += [f"errors: {errors[kind]} {kind}" for kind in OF_THE_GENERATOR if errors.get(kind)]
    counted = ", ".join(f"{count} {kind}" for kind, count in errors.items() if count)
    reasons = [f"errors: {counted}"] if counted else []
    if unfinished:
        reasons.append(f"{unfinished} of {due} arrivals had no response")
    if answered < ANSWERED * due:
        reasons.append(f"{answered} responses to {due} arrivals")
    if p99_us is None:
        reasons.append("no arrival")
    elif p99_us > slo_ms * 1000:
        reasons.append(f"p99 {p99_us / 1000:.4g} ms")
    notes += [f"generator: {reason.partition(': a lower')[0]}" for reason in own]
    return Step(rate, achieved, p99_us, "; ".join(reasons), bool(reasons and own), "; ".join(notes))
