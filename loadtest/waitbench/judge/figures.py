"""From what was observed of one run to its row in the results: arithmetic only. COLUMNS.md has the units."""

import dataclasses
from typing import Any

import numpy

from ..observe import hosts, idle_targets, sampling, server_stats
from ..plan import matrix
from . import accounting, histogram, load, pacing


@dataclasses.dataclass
class Snapshot:
    """The state just before the load or just after it."""

    time: float  # s, monotonic
    stats: dict  # GET /stats
    machine: sampling.Machine | None
    pressure: float | None
    db_cpu: float | None
    proxy_cpu: float | None
    own_cpu: float  # s of CPU of the load test itself
    throttled: dict[str, float | None]  # s that a limit of its control group stopped each part; None: unknown
    asked: int  # requests for /stats so far
    connects: int  # connections that the load test opened for them
    db_connections: int | None = None  # of the server; None where nobody counts them
    dropped: int | None = None  # new connections, by connection tracking


@dataclasses.dataclass
class Watched:
    """Samples taken while the load was on. None: not observed."""

    connect_s: float | None = None  # until the server had accepted every connection
    stats: dict | None = None  # GET /stats in the middle
    memory: list = dataclasses.field(default_factory=list)  # sampling.Memory, several
    waiting: list = dataclasses.field(default_factory=list)  # (time, s waited in the run queue)
    requests: list = dataclasses.field(default_factory=list)  # (time, requests since the first snapshot)
    checkpoints: list = dataclasses.field(default_factory=list)  # (time, the database's so far)


@dataclasses.dataclass
class Observation:
    server: matrix.Server
    point: matrix.Point
    load: load.Load
    first: Snapshot
    last: Snapshot
    watched: Watched
    idle_memory: sampling.Memory  # before the server took connections
    response_bytes: tuple[int, int] | None  # least and most of a response on the wire; None: no bound
    steal_max: float
    bystander_max: float
    cpus: int  # of this machine, of which a container may have fewer
    host: hosts.Host  # of the server
    db_host: hosts.Host | None = None
    busiest: idle_targets.Busiest | None = None  # of the other servers that were up
    pool: int = 0  # database connections that the server is to have
    items: accounting.Tables | None = None  # with WORKLOAD=crud
    connected: Snapshot | None = None  # of pace: when all connections were open, where that was seen

    @property
    def of_load(self) -> "Observation":
        """Without the connecting phase, as far as that is known: opening 10,000 idle connections is no part of what a
        request costs."""
        return dataclasses.replace(self, first=self.connected) if self.connected else self

    @property
    def before(self) -> dict:
        return self.first.stats

    @property
    def after(self) -> dict:
        return self.last.stats

    @property
    def wall_s(self) -> float:
        return self.last.time - self.first.time

    def grown(self, name: str) -> Any:
        """By how much a counter of GET /stats grew; None where the server has no such counter."""
        return difference(self.after.get(name), self.before.get(name))

    @property
    def server_requests(self) -> int:
        """Requests from wrk. A request for /stats is counted from the next one on."""
        return self.grown("requests") - (self.last.asked - self.first.asked)

    def per_request(self, value: float | None, factor: float = 1) -> float | None:
        """None where the value is unknown, or the server counted no request."""
        served = self.server_requests
        return None if value is None or served <= 0 else value * factor / served

    @property
    def throttled_s(self) -> dict[str, float]:
        """Seconds for which a CPU limit stopped each part, as far as that is known. The load test's own figure holds
        for what it started, too."""
        first, last = self.first.throttled, self.last.throttled
        grown = {part: difference(last.get(part), first.get(part)) for part in last}
        return {part: seconds for part, seconds in grown.items() if seconds is not None}

    @property
    def accepted(self) -> int | None:
        """Connections that the server took from the generators. None where it does not count them, and behind a
        proxy, which has connections of its own."""
        grown = self.grown("connections_accepted")
        if self.point.proxy != "none" or grown is None:
            return None
        own = self.last.connects - self.first.connects
        return grown - own

    def machine_share(self, *kinds: str) -> float | None:
        """None where the kernel does not say; in some containers its counters stand still."""
        first, last = self.first.machine, self.last.machine
        if not first or not last or last.total <= first.total:
            return None
        return sum(getattr(last, kind) - getattr(first, kind) for kind in kinds) / (last.total - first.total)

    @property
    def steal_share(self) -> float | None:
        """The largest of the machines that were observed and that had a part in the run."""
        found = [part.steal_share for part in self.load.parts]
        if self.host.here or self.db_here or any(part.host.here for part in self.load.parts):
            found.append(self.machine_share("steal"))
        return max((share for share in found if share is not None), default=None)

    def share(self, cpu_s: float | None, cpus: int | None) -> float | None:
        """Of the time of that many CPUs; None where either is not known."""
        return None if cpu_s is None or not cpus else cpu_s / (self.wall_s * cpus)

    def here(self, value: Any) -> Any:
        """A figure of this machine's kernel, where the server runs on this machine; None elsewhere."""
        return value if self.host.here else None

    @property
    def db_here(self) -> bool:
        return self.db_host is not None and self.db_host.here

    @property
    def db_cpu_share(self) -> float | None:
        """Of the database's own machine."""
        cpus = self.cpus if self.db_here else self.db_host.cpus if self.db_host else None
        return self.share(self.cpu["db"], cpus)

    @property
    def server_cpu_share(self) -> float | None:
        """Of the server's own machine; None when the server does not say how many CPUs that has."""
        cpus = self.cpus if self.host.here else self.host.cpus
        return self.share(self.cpu["server"], cpus)

    @property
    def wrk_cpu_share(self) -> float | None:
        """Of the machines that a wrk ran on, together."""
        each = [self.cpus if host.here else host.cpus for host in self.load.machines]
        known = [cpus for cpus in each if cpus]
        return self.share(self.load.cpu_s, sum(known) if len(known) == len(each) else None)

    @property
    def cpu(self) -> dict[str, float | None]:
        """Seconds of CPU of each part; None where it could not be observed."""
        first, last = self.first, self.last
        return {
            "server": difference(server_stats.cpu_s(self.after), server_stats.cpu_s(self.before)),
            "db": of_processes(last.db_cpu, first.db_cpu),
            "proxy": of_processes(last.proxy_cpu, first.proxy_cpu),
            "wrk": self.load.cpu_s,
            "harness": last.own_cpu - first.own_cpu,
        }

    @property
    def other_share(self) -> float | None:
        """CPU time of other programs and of interrupts. None unless the server runs on this machine and the
        CPU time of every part on this machine is known."""
        cpu = self.cpu
        hidden = cpu["db"] is None and self.server.asks_database(self.point)
        hidden = hidden or cpu["proxy"] is None and self.point.proxy != "none"
        idle = self.machine_share("idle", "iowait", "steal")
        if not self.host.here or hidden or cpu["server"] is None or idle is None:
            return None
        known = sum(part.result.cpu_s for part in self.load.parts if part.host.here)
        known += sum(cpu[part] or 0.0 for part in ("server", "proxy", "harness"))
        known += (cpu["db"] or 0.0) if self.db_here else 0.0
        return 1 - idle - (self.share(known, self.cpus) or 0.0)


def difference(last: Any, first: Any) -> Any:
    return None if last is None or first is None else last - first


def of_processes(last: float | None, first: float | None) -> float | None:
    """Of the CPU time of a process and its children (sampling.tree_cpu). The time of ended children is known in whole
    ticks of 10 ms, rounded down: an idle database whose autovacuum has ended since seems to have given time back.
    """
    grown = difference(last, first)
    return None if grown is None else max(0.0, grown)


def row(seen: Observation, flags: list[str]) -> dict:
    """The columns of runs.csv but for block and order, which are the plan's."""
    point, result = seen.point, seen.load
    values, counts = result.latencies
    seconds = result.duration_us / 1e6
    middle = seen.watched.stats or {}
    return (
        point._asdict()
        | {
            "server": seen.server.name,
            "duration_s": seconds,
            "requests": result.requests,
            "rps": result.requests / seconds,
            "mean_us": histogram.mean(values, counts),
            "p50_us": histogram.percentile(values, counts, 0.5),
            "p90_us": histogram.percentile(values, counts, 0.9),
            "p99_us": histogram.percentile(values, counts, 0.99),
            "p999_us": histogram.percentile(values, counts, 0.999),
            "max_us": int(values[-1]),
            "bytes": result.bytes,
            "errors": sum(result.errors.values()),
            "cpu_user_us_per_req": seen.per_request(seen.grown("cpu_user_s"), 1e6),
            "cpu_sys_us_per_req": seen.per_request(seen.grown("cpu_system_s"), 1e6),
            "ctx_voluntary_per_req": seen.per_request(seen.grown("ctx_voluntary")),
            "ctx_involuntary_per_req": seen.per_request(seen.grown("ctx_involuntary")),
            "rss_kib": middle.get("rss_kib"),
            "rss_peak_kib": seen.after.get("rss_peak_kib"),
            "kernel_kib": kernel_growth(seen, "kernel"),
            "threads": middle.get("threads"),
            "db_cpu_share": seen.db_cpu_share,
            "server_cpu_share": seen.server_cpu_share,
            "wrk_cpu_share": seen.wrk_cpu_share,
            "idle_share": seen.here(seen.machine_share("idle", "iowait")),
            "steal_share": seen.steal_share,
            "flags": " ".join(flags),
        }
        | pacing.row(result)
    )


def detail(seen: Observation) -> dict:
    """The columns of detail.csv that are known while the server still runs."""
    result, watched, cpu = seen.load, seen.watched, seen.cpu
    seconds = result.duration_us / 1e6
    connect_s = pacing.connect_s(result, watched.connect_s)
    return {
        "server": seen.server.name,
        "goodput_rps": (result.requests - result.errors["status"]) / seconds,
        "connect_ms": None if connect_s is None else connect_s * 1000,
        "connections_open": (watched.stats or {}).get("connections_open"),
        "connections_accepted": seen.grown("connections_accepted"),
        "server_requests": seen.server_requests,
        "queries_per_req": seen.per_request(seen.grown("queries")),
        "query_us_per_req": seen.per_request(seen.grown("query_s"), 1e6),
        "pool_waits_per_req": seen.per_request(seen.grown("pool_waits")),
        "pool_wait_us_per_req": seen.per_request(seen.grown("pool_wait_s"), 1e6),
        "runqueue_wait_us_per_req": run_queue(watched.waiting, result.requests / seconds),
        "server_cpu_us_per_req": seen.per_request(cpu["server"], 1e6),
        "db_cpu_us_per_req": seen.per_request(cpu["db"], 1e6),
        "wrk_cpu_us_per_req": seen.per_request(cpu["wrk"], 1e6),
        "proxy_cpu_us_per_req": seen.per_request(cpu["proxy"], 1e6),
        "proxy_cpu_share": seen.share(cpu["proxy"], seen.cpus),
        "other_share": seen.other_share,
        "bystander_cpu": seen.busiest.cpu if seen.busiest else None,
        "cpu_pressure_share": seen.here(pressure_share(seen)),
        "kernel_stack_kib": kernel_growth(seen, "kernel_stack"),
        "page_tables_kib": kernel_growth(seen, "page_tables"),
        "slab_kib": kernel_growth(seen, "slab"),
        "tcp_kib": kernel_growth(seen, "tcp"),
        "harness_cpu_share": seen.share(cpu["harness"], seen.cpus),
        "throttled_s": max(seen.throttled_s.values(), default=None),
        "generators_apart_ms": result.apart_s * 1000 if len(result.parts) > 1 else None,
    } | pacing.detail(result)


def kernel_growth(seen: Observation, name: str) -> int | None:
    """KiB: the median of the samples under load, less the value before the load. A single sample would hold
    the page cache's and other programs' slabs of its moment."""
    samples = [getattr(memory, name) for memory in seen.watched.memory]
    known = [kib for kib in samples if kib is not None]
    idle = getattr(seen.idle_memory, name)
    return int(numpy.median(known)) - idle if known and idle is not None and seen.host.here else None


def run_queue(waiting: list, rps: float) -> float | None:
    """Microseconds per request that the server's threads were ready to run and had no CPU."""
    known = [(when, waited) for when, waited in waiting if waited is not None]
    if len(known) < 2 or known[-1][0] <= known[0][0]:
        return None
    (begin, first), (end, last) = known[0], known[-1]
    return (last - first) / (end - begin) / rps * 1e6


def pressure_share(seen: Observation) -> float | None:
    stalled = difference(seen.last.pressure, seen.first.pressure)
    return None if stalled is None else stalled / seen.wall_s
