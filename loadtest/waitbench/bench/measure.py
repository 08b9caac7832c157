"""One run: a fresh server, proof, warm-up, load, and what was observed meanwhile."""

import dataclasses
import os
import time

from ..base import client, results
from ..judge import accounting, figures, histogram, proof, soundness
from ..observe import calibration, hosts, idle_targets, sampling, wrk_output
from ..plan import matrix
from . import servers, watch
from .subject import Bench, Subject


@dataclasses.dataclass
class Run:
    row: dict
    detail: dict
    reasons: list[str]  # why it is unsound; empty when it is sound
    syscalls: dict | None = None
    output: list[str] = dataclasses.field(default_factory=list)  # of the server, for the log


# What makes a run unsound and may be gone the next time -> the first word of its reason.
TROUBLES = {
    proof.Wrong: "wrong",
    servers.Died: "died",
    client.Unreachable: "died",
    wrk_output.Broken: "broken",
    histogram.Damaged: "broken",
}


def run(bench: Bench, spec: matrix.Server, point: matrix.Point, count_syscalls: bool = False) -> Run:
    """Measures one server at one point. A run that went wrong is returned with its reasons; what will go wrong
    again (a program that is missing, a port in use) raises Failure."""
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
        seen = _observe(subject)
        outcome.reasons, flags = soundness.judge(seen)
        if not seen.load.failed:
            outcome.row = figures.row(seen, flags) | {"cpu_groups": bench.groups.actual}
            outcome.detail |= figures.detail(seen) | accounting.columns(seen.load, seen.items)
        if count_syscalls and bench.tracer and subject.server.pid and not outcome.reasons:
            outcome.syscalls = watch.count_system_calls(subject, bench.tracer)
        queries = subject.server.stats()["queries"]
    except tuple(TROUBLES) as error:
        outcome.reasons = [f"{TROUBLES[type(error)]}: {error}"]
    finally:
        outcome.output = subject.stop()
    if db and queries and not spec.url and db.await_alone():
        outcome.detail |= figures.database_view(view, db.view(), queries)
    outcome.detail |= {"load_s": subject.load_s, "wall_s": time.monotonic() - begin}
    return outcome


def _observe(subject: Subject) -> figures.Observation:
    """Proof, warm-up and the load that counts."""
    bench, spec, point, chosen = subject.bench, subject.spec, subject.point, subject.bench.chosen
    response_bytes = subject.prove()
    subject.await_pool()
    idle_memory = sampling.memory()
    connections = subject.server.stats().get("connections_open")
    if chosen.warmup:
        subject.load(chosen.warmup)
        subject.await_quiet(connections)
    others = idle_targets.look(chosen.servers, spec)
    watcher = watch.Watcher(subject.server, point, chosen.duration, bench.generators.count(point.c))
    before = subject.items()
    watcher.first = first = subject.snapshot()
    result = subject.load(chosen.duration, watcher)
    last = subject.snapshot()
    busiest = idle_targets.busiest(others, idle_targets.look(chosen.servers, spec), last.stats)
    # A server that lives on may still make queries, which would count as the next run's; or writes to be counted.
    if spec.url or point.is_crud:
        subject.await_quiet(connections)
        time.sleep(subject.parameters.get("d", 0) / 1000)  # a query outlives a client that has gone
    after = subject.items()
    if not result.requests:
        raise wrk_output.Broken("no request received a response: a longer DURATION may help")
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
        cpus=os.cpu_count() or 1,
        host=hosts.of_server(spec.url, first.stats),
        db_host=bench.db.host if bench.db else None,
        busiest=busiest,
        pool=subject.pool(first.stats),
        items=(before, after) if before and after else None,
    )
