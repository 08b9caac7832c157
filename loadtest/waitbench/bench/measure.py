"""One run: a fresh server, proof, warm-up, load, and what was observed meanwhile.

wrk warms up in a process of its own, before the readings of the counters; pace in the process that is measured, on the same
connections, so that the readings bracket warm-up, window and drain.
"""

import dataclasses
import functools
import os
import time
from typing import Callable

from ..base import client, results
from ..judge import accounting, database_figures, figures, histogram, proof, series, soundness, spectra
from ..observe import calibration, hosts, idle_targets, load_result, sampling
from ..plan import matrix
from . import servers, watch
from .subject import Bench, Subject


@dataclasses.dataclass
class Run:
    row: dict
    detail: dict
    reasons: list[str]  # why it is unsound; empty when it is sound
    syscalls: dict | None = None
    series: list[dict] = dataclasses.field(default_factory=list)  # a row for each second
    histogram: list[dict] = dataclasses.field(default_factory=list)  # a row for each bucket of latencies
    output: list[str] = dataclasses.field(default_factory=list)  # of the server, for the log


# Causes of an unsound run that may be gone the next time -> the first word of the reason.
TROUBLES = {
    proof.Wrong: "wrong",
    servers.Died: "died",
    client.Unreachable: "died",
    load_result.Broken: "broken",
    histogram.Damaged: "broken",
}


def run(bench: Bench, spec: matrix.Server, point: matrix.Point, count_syscalls: bool = False) -> Run:
    """Measures one server at one point. A run that went wrong is returned with its reasons; what will go wrong
    again (a program that is missing, a port in use) raises Failure."""
    return of_fresh(bench, spec, point, functools.partial(_timed, count_syscalls))


def of_fresh(
    bench: Bench, spec: matrix.Server, point: matrix.Point, work: Callable[[Subject, Run], None]
) -> Run:
    """What `work` does with a freshly started server, which it is to prove. It fills in the Run."""
    begin = time.monotonic()
    db = bench.db
    if db:
        db.reset(writes=spec.parameters(point).get("w", 0) > 0)
        if point.is_crud:
            db.fill_items()
        view = db.view()
    speed = calibration.measure()
    subject = Subject(bench, spec, point)
    outcome = Run({}, speed._asdict() | {"started_at": results.now().isoformat(timespec="milliseconds")}, [])
    queries = 0
    try:
        subject.start()
        work(subject, outcome)
        queries = subject.server.stats()["queries"]
    except tuple(TROUBLES) as error:
        outcome.reasons = [f"{TROUBLES[type(error)]}: {error}"]
    finally:
        outcome.output = subject.stop()
    if db and queries and not spec.url and db.await_alone():
        outcome.detail |= database_figures.database_view(view, db.view(), queries)
    outcome.detail |= {"load_s": subject.load_s, "wall_s": time.monotonic() - begin}
    return outcome


def _timed(count_syscalls: bool, subject: Subject, outcome: Run) -> None:
    bench = subject.bench
    seen = _observe(subject)
    outcome.reasons, flags = soundness.judge(seen)
    if not seen.load.failed:
        outcome.row = figures.row(seen.of_load, flags) | {"cpu_groups": bench.groups.actual}
        outcome.detail |= figures.detail(seen.of_load) | accounting.columns(seen.load, seen.items)
        outcome.detail |= {
            "connections_accepted": seen.grown("connections_accepted"),
            "server_requests": seen.server_requests,
        }
        outcome.series = series.rows(seen)
        outcome.histogram = spectra.rows(seen.load.latencies)
    if count_syscalls and bench.tracer and subject.server.pid and not outcome.reasons:
        outcome.syscalls = watch.count_system_calls(subject, bench.tracer)


def _observe(subject: Subject) -> figures.Observation:
    """Proof, warm-up and the load that counts."""
    bench, spec, point, chosen = subject.bench, subject.spec, subject.point, subject.bench.chosen
    response_bytes = subject.prove()
    subject.await_pool()
    idle_memory = sampling.memory()
    connections = subject.server.stats().get("connections_open")
    paced = chosen.generator == matrix.PACE
    if chosen.warmup and not paced:
        subject.load(chosen.warmup)
        subject.await_quiet(connections)
    others = idle_targets.look(chosen.servers, spec)
    generators = bench.generators.count(point.c)
    warmup = chosen.warmup if paced else None
    watcher = watch.Watcher(
        subject.server, point, chosen.duration, generators, warmup, bench.db, subject.snapshot
    )
    before = subject.items()
    watcher.first = first = subject.snapshot()
    result = subject.load(chosen.duration, watcher, chosen.warmup if paced else 0)
    last = subject.snapshot()
    watcher.count_checkpoints()
    busiest = idle_targets.busiest(others, idle_targets.look(chosen.servers, spec), last.stats)
    # A server that lives on may still make queries, which would count as the next run's; or writes to be counted.
    if spec.url or point.is_crud:
        subject.await_quiet(connections)
        asked = subject.parameters  # a query outlives a client that has gone, and so does a wait before it
        time.sleep((asked.get("d", 0) + asked.get("t", 0)) / 1000)
    after = subject.items()
    if not result.requests or result.paced and not result.due:
        raise load_result.Broken("no request received a response: a longer DURATION may help")
    return figures.Observation(
        server=spec,
        point=point,
        load=result,
        first=first,
        last=last,
        watched=watcher.watched,
        idle_memory=idle_memory,
        response_bytes=response_bytes,
        steal_max=chosen.steal_max,
        bystander_max=chosen.bystander_max,
        cpus=os.cpu_count() or 1,
        host=hosts.of_server(spec.url, first.stats),
        db_host=bench.db.host if bench.db else None,
        busiest=busiest,
        pool=subject.pool(first.stats),
        items=(before, after) if before and after else None,
        connected=watcher.connected,
    )
