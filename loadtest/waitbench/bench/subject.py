"""What is measured: the bench that all runs share, and one server at one point on it."""

import time
from typing import Callable, Mapping

from ..base import client
from ..judge import figures, load, proof
from ..observe import hosts, sampling, system_calls
from ..plan import matrix, settings
from . import database, generators, proxy, quiet, servers, wrk


class Bench:
    """What all runs share."""

    def __init__(
        self, chosen: settings.Settings, db: database.Database | None, places: Mapping[str, set], cpus: int
    ):
        self.chosen, self.db, self.places, self.cpus = chosen, db, places, cpus
        self.url = db.url if db else ""
        self.tracer = system_calls.find() if chosen.syscalls == "auto" else None
        self.connections = sorted({point.c for point in chosen.points})
        self.generators: generators.Local | generators.Remote
        if chosen.generators:
            self.generators = generators.Remote(chosen.generators, self.connections)
        else:
            self.generators = generators.Local(places.get("wrk"), cpus)

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
        chosen, cpus = bench.chosen, bench.places.get("server")
        self.parameters = spec.parameters(point)
        self.server = servers.Server(spec, chosen, bench.url, cpus)
        self.proxy: proxy.Nginx | None = None
        if point.proxy == "nginx" and not spec.url:
            self.proxy = proxy.InFront(chosen.port + 1, chosen.port, cpus)
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
        elif self.point.proxy == "nginx" and self.spec.url_of_proxy:
            self.server.await_reached_through(self.spec.url_of_proxy)

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
        return figures.Snapshot(
            time=time.monotonic(),
            stats=self.server.stats(),
            machine=sampling.machine(),
            pressure=sampling.pressure(),
            db_cpu=self.bench.db.cpu_s() if self.bench.db else None,
            proxy_cpu=self.proxy.cpu_s() if self.proxy else None,
            own_cpu=time.process_time(),
            asked=self.server.asked,
            connects=self.server.client.connects,
        )

    def await_quiet(self, connections: int | None) -> None:
        quiet.await_quiet(self.server, self.point, connections)
