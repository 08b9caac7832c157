"""One run: a fresh server, proof, warm-up, load, and what was seen of it."""

import dataclasses
import math
import os
import time

from ..base import client, results
from ..observe import hosts, idle_targets, sampling, system_calls, wrk_output
from ..judge import figures, histogram, proof, soundness
from . import generators, proxy, servers, wrk

CONNECT_LOOK_S = 0.002  # how often the connecting phase is looked at, and for how long at most
CONNECT_MOST_S = 2.0
LOOK_S = 0.2
SETTLE_LOOK_S = 0.02
COUNT_MOST_S = 5  # of load for counting system calls
QUIET_S = 10.0  # for the warm-up's connections and requests to be gone
QUIET_LOOK_S = 0.005
QUIET_APART_S = 0.05  # without an answer, and twice the delay of a query: longer than any query takes


@dataclasses.dataclass
class Run:
    row: dict
    detail: dict
    reasons: list  # why it is unsound; empty when it is not
    syscalls: dict | None = None
    said: list = ()  # by the server, for the log


class Bench:
    """What all runs share."""

    def __init__(self, chosen, db, places, cpus):
        self.chosen, self.db, self.places, self.cpus = chosen, db, places, cpus
        self.url = db.url if db else ""
        self.tracer = system_calls.find() if chosen.syscalls == "auto" else None
        connections = sorted({point.c for point in chosen.points})
        if chosen.generators:
            self.generators = generators.Remote(chosen.generators, connections)
        else:
            self.generators = generators.Local(places.get("wrk"), cpus)

    def hosts(self, targets):
        """Which machines there are, for environment.json. `targets`: GET /stats of the servers elsewhere."""
        connections = sorted({point.c for point in self.chosen.points})
        return {
            "load_test": hosts.own()._asdict(),
            "servers": {
                spec.name: hosts.of_server(spec.url, targets.get(spec.name, {}))._asdict()
                for spec in self.chosen.servers
            },
            "database": self.db.host._asdict() if self.db else None,
            "generators": self.generators.describe(connections),
        }


def run(bench, spec, point, count_syscalls=False):
    """Measures one server at one point. A run that went wrong comes back with its reasons; what will
    go wrong again (a program that is not there, a port in use) raises Failure."""
    begin = time.monotonic()
    chosen, db = bench.chosen, bench.db
    if db:
        db.reset(writes=spec.parameters(point)["w"] > 0)
        view = db.view()
    measured = servers.Server(spec, chosen, bench.url, bench.places.get("server"))
    front = (
        proxy.Nginx(chosen.port + 1, chosen.port, bench.places.get("server"))
        if point.proxy == "nginx" and not spec.url
        else None
    )
    loaded = []
    outcome = Run({}, {"started_at": results.now().isoformat(timespec="milliseconds")}, [])
    try:
        measured.start()
        if front:
            front.start()
        seen = _observe(bench, measured, front, point, loaded)
        outcome.reasons, flags = soundness.judge(seen)
        if not seen.load.failed:
            outcome.row = figures.row(seen, flags)
            outcome.detail |= figures.detail(seen)
        if count_syscalls and bench.tracer and measured.pid and not outcome.reasons:
            outcome.syscalls = _count_syscalls(bench, measured, front, point, loaded)
        queries = measured.stats()["queries"]
    except (proof.Wrong, wrk_output.Broken, histogram.Damaged, servers.Died, client.Unreachable) as error:
        kinds = {proof.Wrong: "wrong", servers.Died: "died", client.Unreachable: "died"}
        outcome.reasons = [f"{kinds.get(type(error), 'broken')}: {error}"]
        queries = 0
    finally:
        if front:
            front.stop()
        outcome.said = measured.stop()
    if db and queries and not spec.url and db.await_alone():
        outcome.detail |= figures.database_view(view, db.view(), queries)
    outcome.detail |= {"load_s": sum(loaded), "wall_s": time.monotonic() - begin}
    return outcome


def _observe(bench, measured, front, point, loaded):
    spec, chosen = measured.spec, bench.chosen
    url = _entrance(measured, front, point)
    asker = client.Client(url)
    try:
        reply_bytes = proof.prove(asker, spec.parameters(point), bench.db)
    except client.Unreachable as error:
        raise proof.Wrong(str(error)) from None
    finally:
        asker.close()
    idle_memory = sampling.memory()

    def load(seconds, watch=None):
        result = bench.generators.run(wrk.job(url, spec, point, seconds), watch)
        loaded.append(result.duration_us / 1e6)
        return result

    before = measured.stats()["connections_open"]
    if chosen.warmup:
        load(chosen.warmup)
        _await_quiet(measured, point, before)
    watched = figures.Watched()
    others = idle_targets.look(chosen.servers, spec)
    first = _snapshot(bench, measured, front)
    result = load(chosen.duration, _watcher(bench, measured, point, first, watched))
    last = _snapshot(bench, measured, front)
    busiest = idle_targets.busiest(others, idle_targets.look(chosen.servers, spec), last.stats)
    if spec.url:  # it lives on, and what it still asks the database would count as the next run's
        _await_quiet(measured, point, before)
        time.sleep(spec.parameters(point)["d"] / 1000)  # a query outlives a client that has gone
    if not result.requests:
        raise wrk_output.Broken("not one request was answered: a longer DURATION may help")
    return figures.Observation(
        spec,
        point,
        result,
        first,
        last,
        watched,
        idle_memory,
        reply_bytes,
        chosen.steal_max,
        os.cpu_count(),
        hosts.of_server(spec.url, first.stats),
        bench.db.host if bench.db else None,
        busiest,
    )


def _entrance(measured, front, point):
    """Where the load goes in."""
    if front:
        return front.url
    return measured.spec.behind_nginx if point.proxy == "nginx" else measured.url


def _snapshot(bench, measured, front):
    return figures.Snapshot(
        time=time.monotonic(),
        stats=measured.stats(),
        machine=sampling.machine(),
        pressure=sampling.pressure(),
        db_cpu=bench.db.cpu_s() if bench.db else None,
        proxy_cpu=front.cpu_s() if front else None,
        own_cpu=time.process_time(),
        asked=measured.asked,
        connects=measured.client.connects,
    )


def _await_quiet(measured, point, before):
    """Until nothing of a load is under way. wrk has closed its connections, but requests that queue
    for the pool may still run, and count as the next load's. Without a proxy they hold connections open; a
    proxy keeps its own, so there nothing may have been answered for longer than a query takes."""
    delay = 2 * measured.spec.parameters(point)["d"] / 1000
    pause = QUIET_LOOK_S if point.proxy == "none" else QUIET_APART_S + delay
    deadline = time.monotonic() + QUIET_S + delay
    answered = None
    while time.monotonic() < deadline:
        asked, stats, last = measured.asked, measured.stats(), answered
        answered = stats["requests"] - asked, stats["queries"]
        if stats["connections_open"] <= before if point.proxy == "none" else answered == last:
            return
        time.sleep(pause)
    raise servers.Died(f"{measured.spec.name} was still busy {QUIET_S:g} s after a load had ended")


def _watcher(bench, measured, point, first, watched):
    """What looks at the server while it is under load, rarely and cheaply."""
    seconds = bench.chosen.duration
    goal = first.stats["connections_accepted"] + point.c + wrk_output.PROBES * bench.generators.count(point.c)
    due = {"middle": seconds / 2, "late": seconds * 0.9}

    def watch(elapsed):
        if watched.connect_s is None and point.proxy == "none" and elapsed < min(CONNECT_MOST_S, seconds / 2):
            if measured.stats()["connections_accepted"] >= goal:
                watched.connect_s = elapsed
                watched.waiting.append((time.monotonic(), wait_of(measured)))
            return CONNECT_LOOK_S + elapsed / 10  # the longer it takes, the less it needs to be exact
        watched.memory.append(sampling.memory())
        if elapsed >= due.get("middle", math.inf):
            del due["middle"]
            watched.stats = measured.stats()
        if elapsed >= due.get("late", math.inf):
            del due["late"]
            watched.waiting.append((time.monotonic(), wait_of(measured)))
        return max(0.0, min([LOOK_S] + [when - elapsed for when in due.values()]))

    return watch


def wait_of(measured):
    return sampling.run_queue_wait(measured.pid) if measured.pid else None


def _count_syscalls(bench, measured, front, point, loaded):
    """A short pass of its own, after the timing: counting slows the server down."""
    url = _entrance(measured, front, point)
    job = wrk.job(url, measured.spec, point, COUNT_MOST_S)
    counter = system_calls.Counter(bench.tracer, measured.pid)
    answered, counted = [], []  # requests of wrk when counting begins and ends; system calls

    def requests():
        return measured.stats()["requests"] - measured.asked

    idle = requests()

    def watch(elapsed):
        now, late = requests(), elapsed > COUNT_MOST_S * (0.8 if answered else 0.4)
        if not answered:
            if now - idle < point.c and not late:
                return SETTLE_LOOK_S  # not every connection has had an answer
            if not counter.begin():
                return None
            answered.append(requests())
        elif now - answered[0] >= point.c or late:
            answered.append(now)
            counted.append(counter.end())
            return None
        return system_calls.WINDOW_S

    try:
        loaded.append(bench.generators.run(job, watch).duration_us / 1e6)
    except wrk_output.Broken:
        return None  # what was timed before stands
    finally:
        counter.end()
    if not counted or not counted[0] or answered[1] == answered[0]:
        return None
    served = answered[1] - answered[0]
    return {"server": measured.spec.name, **point._asdict(), "method": bench.tracer} | {
        "requests": served,
        "syscalls": counted[0],
        "syscalls_per_req": counted[0] / served,
    }
