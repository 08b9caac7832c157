"""How many requests must be under way for a server to have work all the time, and what many waiting requests cost: the
rows of saturation.csv, and what follows from them.

N = 1 + T_io / T_cpu (Goetz, "Java Concurrency in Practice", 2006, 8.2): with one CPU, so many tasks keep it busy, each of
which computes for T_cpu and waits for T_io. The knee is what was measured: the least number of connections with 95% of
the best throughput.
"""

import math
from pathlib import Path
from typing import Callable, Iterable, NamedTuple, Sequence

from .. import Failure
from ..base import reading
from . import stats

FILE = "saturation.csv"
KNEE, WAITING = PARTS = "knee", "waiting"
SHARE = 0.95  # of the best throughput, at the knee


class Figure(NamedTuple):
    """One run; a row of saturation.csv."""

    block: int
    part: str  # knee: the server has one CPU for itself; waiting: CPU groups as in loadtest/run
    server: str
    t: int  # ms that a request waits
    c: int  # connections, each with a request under way
    per_s: float  # requests per second
    cpu_us: float  # of the server's CPU for each, user and kernel
    mean_us: float  # latency
    p99_us: float
    rss_kib: float
    kernel_kib: float  # of the whole machine, more than without connections
    threads: float
    flags: str


class Knee(NamedTuple):
    """A server at one t. T_cpu and T_io are those of the run with the fewest connections, T_cpu also that of the best
    throughput, where a server finds several events at a time. All estimates are geometric means over the blocks, with a
    t-interval."""

    server: str
    t: int
    cpu_us: stats.Estimate
    wait_us: stats.Estimate
    predicted: stats.Estimate
    busy_cpu_us: stats.Estimate
    busy_predicted: stats.Estimate
    measured: stats.Estimate
    ratio: stats.Estimate  # of what was measured to busy_predicted
    best_per_s: stats.Estimate


class Waiting(NamedTuple):
    """A server with so many waiting requests: medians, and ratios to the baseline, paired in the blocks."""

    server: str
    t: int
    c: int
    per_s: float
    rate: stats.Estimate | None
    cpu_us: float
    cpu: stats.Estimate | None
    mean_us: float
    p99_us: float
    p99: stats.Estimate | None
    rss_kib: float
    kernel_kib: float
    threads: float


def predicted(cpu_us: float, wait_us: float) -> float:
    return 1 + wait_us / cpu_us


def knee(runs: Sequence[Figure]) -> float:
    """The least c with SHARE of the best throughput of these runs. Between two c that were measured there are two bounds, as
    throughput grows less than c does, and less and less: in proportion to c from the lower one, and the line between both.
    The geometric mean of the two."""
    ordered = sorted(runs, key=lambda run: run.c)
    goal = SHARE * max(run.per_s for run in ordered)
    index = next(i for i, run in enumerate(ordered) if run.per_s >= goal)
    if index == 0:
        return float(ordered[0].c)
    below, above = ordered[index - 1], ordered[index]
    line = below.c + (above.c - below.c) * (goal - below.per_s) / (above.per_s - below.per_s)
    in_proportion = min(below.c * goal / below.per_s, line)
    return math.sqrt(line * in_proportion)


def knees(figures: Iterable[Figure]) -> list[Knee]:
    groups = _grouped([f for f in figures if f.part == KNEE], lambda f: (f.server, f.t))
    return [_knee(server, t, runs) for (server, t), runs in groups.items()]


def _knee(server: str, t: int, runs: list[Figure]) -> Knee:
    blocks = list(_grouped(runs, lambda run: run.block).values())
    light = [min(block, key=lambda run: run.c) for block in blocks]
    best = [max(block, key=lambda run: run.per_s) for block in blocks]
    waits = [run.mean_us - run.cpu_us for run in light]
    busy = [predicted(run.cpu_us, wait) for run, wait in zip(best, waits)]
    found = [knee(block) for block in blocks]
    return Knee(
        server,
        t,
        stats.geometric_mean([run.cpu_us for run in light]),
        stats.geometric_mean(waits),
        stats.geometric_mean([predicted(run.cpu_us, wait) for run, wait in zip(light, waits)]),
        stats.geometric_mean([run.cpu_us for run in best]),
        stats.geometric_mean(busy),
        stats.geometric_mean(found),
        stats.geometric_mean([measured / formula for measured, formula in zip(found, busy)]),
        stats.geometric_mean([run.per_s for run in best]),
    )


def waiting(figures: Iterable[Figure], baseline: str) -> list[Waiting]:
    """Each interval of a ratio is for itself: of few blocks, intervals that hold jointly say nothing."""
    groups = _grouped([f for f in figures if f.part == WAITING], lambda f: (f.t, f.c, f.server))
    lines = []
    for (t, c, server), runs in groups.items():
        base = groups.get((t, c, baseline), []) if server != baseline else []
        ratios = [_paired(runs, base, name) for name in ("per_s", "cpu_us", "p99_us")]
        lines.append(_waiting(server, t, c, runs, ratios))
    return lines


def _paired(runs: list[Figure], base: list[Figure], name: str) -> stats.Estimate | None:
    both = {run.block: run for run in runs}.keys() & {run.block: run for run in base}.keys()
    of, against = ({run.block: getattr(run, name) for run in group} for group in (runs, base))
    return stats.paired([of[b] for b in sorted(both)], [against[b] for b in sorted(both)]) if both else None


def _waiting(server: str, t: int, c: int, runs: list[Figure], ratios: list[stats.Estimate | None]) -> Waiting:
    def median(name: str) -> float:
        return stats.median_interval([getattr(run, name) for run in runs])[0]

    rate, cpu, p99 = ratios
    return Waiting(
        server, t, c,
        median("per_s"), rate,
        median("cpu_us"), cpu,
        median("mean_us"),
        median("p99_us"), p99,
        median("rss_kib"), median("kernel_kib"), median("threads"),
    )  # fmt: skip


def _grouped(figures: Iterable[Figure], key: Callable) -> dict:
    found: dict = {}
    for figure in figures:
        found.setdefault(key(figure), []).append(figure)
    return found


def read(path: Path) -> list[Figure]:
    """In the order of the file, which is that of the blocks. Raises Failure, with file and line."""
    figures = []
    types = Figure.__annotations__
    for number, row in enumerate(reading.table(path, Figure._fields), 2):
        try:
            figures.append(Figure(**{name: types[name](row[name]) for name in Figure._fields}))
        except ValueError as error:
            raise Failure(f"{path}, line {number}: {error}") from None
        if figures[-1].part not in PARTS:
            raise Failure(f"{path}, line {number}: part is {' or '.join(PARTS)}")
    return figures
