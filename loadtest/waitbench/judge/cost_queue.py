"""Requests per second of a closed loop, from what a request costs the CPUs and how long it waits for other things.

Mean value analysis (Reiser and Lavenberg 1980) of one station, the CPUs of the machine together, and a delay. A request on
several CPUs uses one at a time: that part of its time is a delay, too (Seidmann 1987).
"""

import math
from typing import NamedTuple, Sequence

from scipy import optimize

from .cost_fit import Row
from .cost_terms import Configuration

CPUS, POOL, CONNECTIONS = "cpus", "pool", "connections"  # what bounds throughput


class Waits(NamedTuple):
    """ms for which a request holds a database connection and no CPU."""

    late: float = 0.0  # of each delayed query, more than its delay
    busy: float = 0.0  # the same, over the delay in ms: the shorter the delay, the more requests want a CPU
    update: float = 0.0  # of each update: until it is on disk

    def inside(self, asked: Configuration) -> float:
        """us of a request, without the wait for a database connection."""
        delayed = asked.n * (asked.d + self.late + self.busy / asked.d) if asked.d else 0.0
        return 1000 * (delayed + asked.w * self.update)


def closed(connections: int, wait: float, service: float) -> float:
    """Requests per second, of which so many are under way; times in us."""
    queue = rate = 0.0
    for under_way in range(1, connections + 1):
        time = service * (1 + queue)
        rate = under_way / (wait + time)
        queue = rate * time
    return rate * 1e6


def throughput(asked: Configuration, busy: float, waits: Waits, cpus: float) -> float:
    """busy: us of CPU that a request costs the whole machine."""
    service, inside = busy / cpus, waits.inside(asked) + busy - busy / cpus
    held = closed(min(asked.c, asked.pool), inside, service) if asked.n else math.inf
    if asked.n and not asked.t:
        return held  # more connections than database connections add nothing
    return min(held, closed(asked.c, inside + 1000 * asked.t, service))


def bound(asked: Configuration, busy: float, waits: Waits, cpus: float) -> str:
    """The bound that throughput would meet first if the others were without limit."""
    alone = busy + waits.inside(asked)
    limits = {CPUS: cpus / busy, CONNECTIONS: asked.c / (alone + 1000 * asked.t)}
    if asked.n and asked.c > asked.pool:
        limits[POOL] = asked.pool / alone
    return min(limits, key=lambda name: limits[name])


def waits(rows: Sequence[Row], busy: Sequence[float], cpus: float) -> Waits:
    """That fit best; rows have requests per second. Those without delays and updates say nothing."""
    telling = [(row, cost) for row, cost in zip(rows, busy) if (row.asked.d and row.asked.n) or row.asked.w]
    delays = {row.asked.d for row, _ in telling if row.asked.d}
    wanted = [bool(delays), len(delays) > 1, any(row.asked.w for row, _ in telling)]
    if not any(wanted):
        return Waits()

    def all_three(some: Sequence[float]) -> Waits:
        each = iter(some)
        return Waits(*(next(each) if want else 0.0 for want in wanted))

    def errors(some: Sequence[float]) -> list[float]:
        found = all_three(some)
        return [math.log(throughput(row.asked, cost, found, cpus) / row.value) for row, cost in telling]

    start = [guess for guess, want in zip((0.5, 0.5, 2.0), wanted) if want]
    return all_three(optimize.least_squares(errors, start, bounds=(0, math.inf)).x)
