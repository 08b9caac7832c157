"""The subject of a measurement: the bench that all runs share, and one server at one point on it."""

import time
from typing import Callable, Mapping

from .. import Failure
from ..base import client, process
from ..judge import accounting, crud_proof, figures, proof
from ..judge.load import Load
from ..observe import cgroups, conntrack, hosts, sampling, server_stats, system_calls
from ..plan import matrix, requests, settings
from . import cpu_groups, database, generators, pace, proxy, quiet, servers, wrk


POOL_S = 1.0  # in which another database connection must be made, unless there will be no more


class Bench:
    """The parts that all runs share."""

    def __init__(
        self,
        chosen: settings.Settings,
        db: database.Database | None,
        places: Mapping[str, set],
        cpus: int,
        groups: cpu_groups.Groups = cpu_groups.NONE,
    ):
        self.chosen, self.db, self.places, self.cpus, self.groups = chosen, db, places, cpus, groups
        self.url = db.url if db else ""
        self.tracer = system_calls.find() if chosen.syscalls == "auto" else None
        self.connections = sorted({point.c for point in chosen.points})
        # Configuration of a point (Point.configuration) -> the requests per second that are 100% of LOAD.
        self.references: dict[matrix.Point, float] = {}
        self.block = (
            0  # that is measured; its servers are asked at the same moments, those of another block at others
        )
        self.generators: generators.Local | generators.Remote
        if chosen.generators:
            idle = max(point.i for point in chosen.points)
            paced = chosen.generator == matrix.PACE
            self.generators = generators.Remote(chosen.generators, self.connections, idle, paced)
        else:
            self.generators = generators.Local(self.place("wrk"), cpus, chosen.build)

    def place(self, role: str) -> process.Place:
        """nginx shares the server's CPUs, and has a group of its own."""
        return process.Place(self.places.get("server" if role == "proxy" else role), self.groups.of(role))

    def rate(self, point: matrix.Point) -> float | None:
        """Requests per second at that point; None in a closed loop."""
        if point.load is None:
            return None
        if point.configuration not in self.references:
            raise Failure(
                f"there is no reference rate at {point.configuration}, of which to take {point.load}%"
            )
        return max(pace.RATE_LEAST, self.references[point.configuration] * point.load / 100)

    def hosts(self, targets: Mapping[str, dict]) -> dict:
        """The machines, for environment.json. `targets`: GET /stats of the servers that run elsewhere."""
        return {
            "load_test": hosts.own()._asdict(),
            "servers": {
                spec.name: hosts.of_server(spec.url, targets.get(spec.name, {}))._asdict()
                for spec in self.chosen.servers
            },
            "database": self.db.host._asdict() if self.db else None,
            "generators": self.generators.describe(self.connections),
        }


class Subject:
    """One server at one point, with nginx in front of it where the point says so."""

    def __init__(self, bench: Bench, spec: matrix.Server, point: matrix.Point):
        self.bench, self.spec, self.point = bench, spec, point
        chosen = bench.chosen
        self.parameters = spec.parameters(point)
        self.server = servers.Server(spec, chosen, bench.url, bench.place("server"))
        self.proxy: proxy.Nginx | None = None
        if point.proxy == "nginx" and not spec.url:
            self.proxy = proxy.InFront(chosen.port + 1, chosen.port, point.c, bench.place("proxy"))
        self.load_s = 0.0  # seconds of load so far
        self.others: set[
            int
        ] | None = None  # sessions of the database that are not this server's; None: not known

    @property
    def url(self) -> str:
        """Where the load goes."""
        if self.proxy:
            return self.proxy.url
        return self.spec.url_of_proxy or "" if self.point.proxy == "nginx" else self.server.url

    def _check_variant(self) -> None:
        """A server that does not know a variable of its variant ignores it, and would be measured under a wrong name."""
        if "DB_PIPELINE" in dict(self.spec.variables) and self.server.stats().get("pipeline_depth", 1) <= 1:
            raise Failure(
                f"{self.spec.name}: {self.spec.model} has no DB_PIPELINE (pipeline_depth of its GET /stats is not above"
                " 1): leave it out of SERVERS"
            )

    def start(self) -> None:
        if self.bench.db and not self.spec.url:  # a server that runs elsewhere has its sessions already
            self.others = self.bench.db.clients()
        self.server.start()
        self._check_variant()
        if self.proxy:
            self.proxy.start()
        elif self.point.proxy == "nginx" and self.spec.url_of_proxy:
            self.server.await_reached_through(self.spec.url_of_proxy)

    def stop(self) -> list[str]:
        """The server's lines for the log."""
        if self.proxy:
            self.proxy.stop()
        return self.server.stop()

    def prove(self) -> tuple[int, int] | None:
        """The bytes of a response, where all have as many. Raises proof.Wrong."""
        http = client.Client(self.url)
        try:
            if self.point.is_crud:
                crud_proof.prove(http, self.bench.db)
                return None
            return proof.prove(http, self.parameters, self.bench.db)
        except client.Unreachable as error:
            raise proof.Wrong(str(error)) from None
        finally:
            http.close()

    def load(self, seconds: float, look: Callable | None = None, warmup: float = 0) -> Load:
        """The load of this point. `warmup`: seconds of it before, on the same connections, which pace alone can do."""
        if self.bench.chosen.generator == matrix.PACE:
            return self.pace(self.bench.rate(self.point), seconds, look, warmup)
        job = wrk.job(self.url, self.spec, self.point, seconds, self._crud())
        return self._run(job, look)

    def pace(
        self,
        rate: float | None,
        seconds: float,
        look: Callable | None = None,
        warmup: float = 0,
        again: int = 0,
    ) -> Load:
        """One load by pace, of so many requests per second; None: in a closed loop. `again`: how many there were before in
        this block, each of which has other moments of arrival. Raises load_result.Broken."""
        chosen, point = self.bench.chosen, self.point
        seed = (chosen.seed + 1_000_003 * self.bench.block + 7919 * again) % 2**63
        arrivals = None if rate is None else chosen.arrivals
        drain = pace.drain(self.parameters)
        pacing = pace.Pacing(rate, arrivals, point.k, point.i, warmup, drain, seed)
        return self._run(pace.job(self.url, self.spec, point, seconds, pacing, self._crud()), look)

    def _crud(self) -> requests.Crud | None:
        chosen = self.bench.chosen
        return requests.Crud(chosen.mix, chosen.seed % 2**31) if self.point.is_crud else None

    def _run(self, job: wrk.Job, look: Callable | None) -> Load:
        result = self.bench.generators.run(job, look)
        self.load_s += result.duration_us / 1e6 + (job.pacing.warmup if job.pacing else 0)
        return result

    def items(self) -> accounting.Table | None:
        """The rows of the table items, with WORKLOAD=crud."""
        return self.bench.db.items() if self.bench.db and self.point.is_crud else None

    def pool(self, stats: dict) -> int:
        """How many database connections the server is to have. That another server's pool_size is not POOL is a
        warning (bench/environment.py)."""
        own = self.spec.url or "DB_POOL" in dict(self.spec.variables)
        return stats.get("pool_size", self.bench.chosen.pool) if own else self.bench.chosen.pool

    def db_connections(self, stats: dict) -> int | None:
        """How many it has, by its own count or else by PostgreSQL's; None where neither is known."""
        own = server_stats.database_connections(stats)
        if own is not None or self.others is None or not self.bench.db:
            return own
        return len(self.bench.db.clients() - self.others)

    def await_pool(self) -> None:
        """A server is ready with its first database connection; the others follow."""
        most, since = -1, time.monotonic()
        while time.monotonic() - since < POOL_S * self.server.patience:
            stats = self.server.stats()
            count = self.db_connections(stats)
            if count is None or count >= self.pool(stats):
                return
            if count > most:
                most, since = count, time.monotonic()
            time.sleep(0.02)

    def snapshot(self) -> figures.Snapshot:
        now, stats = time.monotonic(), self.server.stats()
        return figures.Snapshot(
            time=now,
            stats=stats,
            machine=sampling.machine(),
            pressure=sampling.pressure(),
            db_cpu=self.bench.db.cpu_s() if self.bench.db else None,
            proxy_cpu=self.proxy.cpu_s() if self.proxy else None,
            own_cpu=time.process_time(),
            throttled=self._throttled(stats),
            dropped=conntrack.dropped(),
            asked=self.server.asked,
            connects=self.server.client.connects,
            db_connections=self.db_connections(stats),
        )

    def _throttled(self, stats: dict) -> dict[str, float | None]:
        own = cgroups.group_of()
        return {
            "the server": stats.get("cpu_throttled_s"),
            "the database": self.bench.db.throttled_s() if self.bench.db else None,
            "the load test": cgroups.throttled_s(own) if own else None,
        }

    def await_quiet(self, connections: int | None) -> None:
        quiet.await_quiet(self.server, self.point, connections)
