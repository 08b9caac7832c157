"""One search for the capacity of a server at an objective: a fresh server, proof and warm-up as in measure.run, then a
load at each rate that the search names (judge/capacity.py)."""

from ..judge import capacity, histogram, proof
from ..judge.load import Load
from ..observe import server_stats
from ..plan import matrix
from . import measure
from .subject import Bench, Subject

STEP_WARMUP_S = 0.5  # of each step, at its rate: a queue needs some time to become as long as it will be


def run(bench: Bench, spec: matrix.Server, point: matrix.Point, search: capacity.Search) -> measure.Run:
    """Makes the search. As of a run, what went wrong is in the reasons; the steps are in `search`, and `detail` has
    the seconds of load alone."""
    return measure.of_fresh(bench, spec, point, lambda subject, outcome: _search(subject, search))


def _search(subject: Subject, search: capacity.Search) -> None:
    subject.prove()
    subject.await_pool()
    first = subject.server.stats()
    if subject.spec.asks_database(subject.point):
        _check_pool(subject, first)
    while (rate := search.rate) is not None:
        search.take(_step(subject, rate, len(search.steps)))
        subject.await_quiet(first.get("connections_open"))
    last = subject.server.stats()
    if not server_stats.is_same_process(first, last):
        raise proof.Wrong("another process responds than before the search")


def _check_pool(subject: Subject, stats: dict) -> None:
    count, wanted = subject.db_connections(stats), subject.pool(stats)
    if count is not None and count < wanted:
        raise proof.Wrong(f"it had {count} database connections before the search, and not {wanted}")


def _step(subject: Subject, rate: float, number: int) -> capacity.Step:
    """The first one warms up as a run does. A second try has arrivals of its own."""
    chosen = subject.bench.chosen
    warmup = min(STEP_WARMUP_S, chosen.warmup) if number else chosen.warmup
    result = subject.pace(rate, capacity.seconds(rate, chosen.duration), warmup=warmup, again=number)
    if result.operations and result.operations.wrong:
        raise proof.Wrong(
            f"{result.operations.wrong} responses are to no request that was waiting, the first:"
            f" {result.operations.first_wrong}"
        )
    return judged(rate, chosen.slo, result)


def judged(rate: float, slo_ms: float, result: Load) -> capacity.Step:
    known = result.latencies[1].sum() > 0
    return capacity.judge(
        rate,
        slo_ms,
        result.due,
        result.requests,
        result.duration_us / 1e6,
        histogram.percentile(*result.latencies, 0.99) if known else None,
        result.unfinished,
        result.errors,
        [sentence for each in result.paced for sentence in each.unsound],
    )
