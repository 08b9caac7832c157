"""What is measured: the bench that all runs share, and one server at one point on it."""

import time
from typing import Callable, Mapping

from ..base import client, process
from ..judge import figures, load, proof
from ..observe import cgroups, hosts, sampling, system_calls
from ..plan import matrix, settings
from . import cpu_groups, database, generators, proxy, quiet, servers, wrk


class Bench:
    """What all runs share."""

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
        self.generators: generators.Local | generators.Remote
        if chosen.generators:
            self.generators = generators.Remote(chosen.generators, self.connections)
        else:
            self.generators = generators.Local(self.place("wrk"), cpus)

    def place(self, role: str) -> process.Place:
        """nginx shares the server's CPUs, and has a group of its own."""
        return process.Place(self.places.get("server" if role == "proxy" else role), self.groups.of(role))

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

    @property
    def url(self) -> str:
        """Where the load goes."""
        if self.proxy:
            return self.proxy.url
        return self.spec.url_of_proxy or "" if self.point.proxy == "nginx" else self.server.url

    def start(self) -> None:
        self.server.start()
        if self.proxy:
            self.proxy.start()

    def stop(self) -> list[str]:
        """The server's lines for the log."""
        if self.proxy:
            self.proxy.stop()
        return self.server.stop()

    def prove(self) -> tuple[int, int]:
        """The bytes of a response. Raises proof.Wrong."""
        http = client.Client(self.url)
        try:
            return proof.prove(http, self.parameters, self.bench.db)
        except client.Unreachable as error:
            raise proof.Wrong(str(error)) from None
        finally:
            http.close()

    def load(self, seconds: float, look: Callable | None = None) -> load.Load:
        result = self.bench.generators.run(wrk.job(self.url, self.spec, self.point, seconds), look)
        self.load_s += result.duration_us / 1e6
        return result

    def snapshot(self) -> figures.Snapshot:
        stats = self.server.stats()
        return figures.Snapshot(
            time=time.monotonic(),
            stats=stats,
            machine=sampling.machine(),
            pressure=sampling.pressure(),
            db_cpu=self.bench.db.cpu_s() if self.bench.db else None,
            proxy_cpu=self.proxy.cpu_s() if self.proxy else None,
            own_cpu=time.process_time(),
            throttled=self._throttled(stats),
            asked=self.server.asked,
            connects=self.server.client.connects,
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
