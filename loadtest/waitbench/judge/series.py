"""A run second by second: the rows of series.csv, and whether the run was steady. COLUMNS.md has the units.

wrk says of no request when it was; what is known is how many requests the server had counted whenever it was asked.
"""

import math
import statistics
from pathlib import Path
from typing import Iterable, NamedTuple, Sequence

import numpy

from ..base import reading, results
from ..plan import matrix
from . import figures, summary

STALL = 0.5  # of the run's median throughput: a second below it is one
DRIFT = 0.8  # of the first half's throughput: a second half below it is one
STALL_SECONDS, DRIFT_SECONDS = 3, 4  # that it takes to tell, without the first and the last one
# Requests a second from which on chance alone makes no difference as large: independent ones vary by the root of their
# number, so that of 100 fewer than 50 come once in ten million seconds, and the medians of two seconds each differ by
# a fifth where there are 500 about as rarely.
STALL_LEAST, DRIFT_LEAST = 100, 500
# Connections that wait for the same time respond all at once, so many times a second: with fewer a second may lack one.
PER_CONNECTION = 4


class Second(NamedTuple):
    """A row of series.csv without its key; None: not known."""

    second: int
    requests: float | None
    p50_us: float | None = None
    p99_us: float | None = None
    max_us: float | None = None
    due: float | None = None
    checkpoints: float | None = None


Runs = dict[tuple[int, str], list[Second]]  # (block, server) -> its seconds in order


class Unsteady(NamedTuple):
    """A run that was not steady."""

    point: matrix.Point
    block: int
    server: str
    words: str  # what happened


def rows(seen: figures.Observation) -> list[dict]:
    """The whole seconds of a run, without their key. A part of a second at the end is left out."""
    watched, parts = seen.watched, seen.load.parts
    began = min(part.started for part in parts)
    seconds = math.floor(seen.load.duration_us / 1e6)
    if paced := [part.result.paced.series for part in parts if part.result.paced]:
        found = together(paced, seconds)
    else:
        inside = [sample for sample in watched.requests if sample[0] > began]
        samples = [(began, 0), *inside, (seen.last.time, seen.server_requests)]
        found = [Second(*pair) for pair in enumerate(per_second(samples, began, seconds))]
    checkpoints = steps(watched.checkpoints, began, seconds)
    return [second._replace(checkpoints=checkpoints[second.second])._asdict() for second in found]


def together(generators: Sequence[list[dict]], seconds: int) -> list[Second]:
    """The figures of several paces for the same seconds. Counts are added. A percentile of all requests is not known
    then, but it is not above the largest of the generators' ones, which is taken."""
    found = []
    for second in range(min([seconds, *map(len, generators)])):
        each = [generator[second] for generator in generators]
        sums = {name: sum(one[name] for one in each) for name in ("requests", "due")}
        most = {
            name: max((one[name] for one in each if one[name] is not None), default=None)
            for name in ("p50_us", "p99_us", "max_us")
        }
        found.append(Second(second, **sums, **most))
    return found


def per_second(samples: Sequence[tuple[float, int]], began: float, seconds: int) -> list[int]:
    """By how much a count grew in each second from `began` on. Between two samples, each (time, count), it is taken
    to grow evenly. The time after the last sample is left out."""
    times, counts = zip(*samples)
    ends = [began + second for second in range(seconds + 1)]
    known = [end for end in ends if end <= times[-1]]
    return [int(grown) for grown in numpy.diff(numpy.rint(numpy.interp(known, times, counts)))]


def steps(samples: Sequence[tuple[float, int]], began: float, seconds: int) -> list[int | None]:
    """The same for a count of few events, which is not divided: what came between two samples counts for the
    second in which the earlier one was taken. None for a second that no sample followed."""
    places = [math.floor(when - began) for when, _ in samples]
    found: list[int | None] = [0 if second < max(places, default=0) else None for second in range(seconds)]
    for place, end, (_, before), (_, after) in zip(places, places[1:], samples, samples[1:]):
        place = max(place, 0)
        if place < min(end + 1, seconds):
            found[place] = (found[place] or 0) + after - before
    return found


def load(folder: str | Path) -> Runs:
    """The rows of series.csv of a results folder; none of results that have no such file. Raises Failure."""
    path = Path(folder) / "series.csv"
    found: Runs = {}
    for row in reading.table(path, results.SERIES) if path.exists() else []:
        known = {name: reading.field(name, row[name]) for name in results.SERIES}
        key = known["block"], known["server"]
        found.setdefault(key, []).append(Second(*(known[name] for name in Second._fields)))
    return {key: sorted(seconds) for key, seconds in found.items()}


def unsteady(found: summary.Summary, runs: Runs) -> list[Unsteady]:
    """The runs that were not, in the order of the points."""
    every = [
        Unsteady(
            point, run["block"], server, trouble(runs.get((run["block"], server), ()), waiting(point)) or ""
        )
        for point in found.points
        for server in found.servers
        if (point, server) in found.entries
        for run in found.entries[point, server].runs
    ]
    return [one for one in every if one.words]


def waiting(point: matrix.Point) -> int:
    """Connections whose next request waits for a response. In an open loop arrivals do not."""
    return point.c if point.load is None else 0


def trouble(seconds: Iterable[Second], connections: int) -> str | None:
    """Signs of an unsteady run, of each run one at most. The first second has the connecting phase, and at the end of
    the last one some connections may have ended: both are left out."""
    inner = [second for second in list(seconds)[1:-1] if second.requests is not None]
    rates = [second.requests or 0.0 for second in inner]
    if len(rates) < STALL_SECONDS:
        return None
    middle = statistics.median(rates)
    if middle < max(STALL_LEAST, PER_CONNECTION * connections):
        return None
    return _stall(inner, middle) or (_drift(rates) if middle >= DRIFT_LEAST else None)


def _stall(inner: list[Second], middle: float) -> str | None:
    low = [second for second in inner if (second.requests or 0.0) < STALL * middle]
    if not low:
        return None
    least = min(low, key=lambda second: second.requests or 0.0)
    words = f"second {least.second} had {(least.requests or 0.0) / middle:.0%} of the run's median throughput"
    if least.checkpoints:
        words += " and a checkpoint of the database"
    others = len(low) - 1
    return words + (f", and {others} more below half" if others else "")


def _drift(rates: list[float]) -> str | None:
    """Medians, so that a single second is no drift; of an odd number the middle one belongs to neither half."""
    if len(rates) < DRIFT_SECONDS:
        return None
    half = len(rates) // 2
    first, second = statistics.median(rates[:half]), statistics.median(rates[-half:])
    if first <= 0 or second >= DRIFT * first:
        return None
    return f"its second half was {1 - second / first:.0%} slower than its first"
