"""A server that is measured: one that is started for a run and stopped after it, or one that runs elsewhere."""

import os
import shutil
import socket
import subprocess
import time

from .. import ROOT, Failure
from ..base import client, process
from ..observe import out_of_memory, packages, server_stats
from ..plan import matrix, server_list, settings
from . import database_url

HOST = "127.0.0.1"
START_S = 15  # until a server must be ready: 10,000 database connections take a while
STOP_S = 15
IDENTITY = ("model", "pid", "start_time")  # of GET /stats: in a container each server has process id 1
POOL_TIMEOUT_S = 3600  # the queue for the pool is measured, so waiting in it must not be an error
# The variables of the load test that a server does not inherit: N="1 5 20" is not a number.
HIDDEN = set(settings.SETTINGS)
# Variables that a server inherits and that change a result; they are recorded.
TUNED = "WORKERS THREADS STACK_KIB MAX_CONNECTIONS DB_PIPELINE MALLOC_ARENA_MAX UV_THREADPOOL_SIZE LD_PRELOAD".split()
TUNED += "HEADER_TIMEOUT IDLE_TIMEOUT WRITE_TIMEOUT QUERY_TIMEOUT MAX_HEADER_BYTES MAX_BODY_BYTES".split()


class Died(Exception):
    """The server ended while it was measured; the sentence has its last line of output."""


class Server:
    """`start()` to `stop()` is one run. `stats()` is GET /stats, as a dictionary."""

    def __init__(
        self,
        spec: matrix.Server,
        chosen: settings.Settings,
        database_url: str,
        place: process.Place = process.ANYWHERE,
    ):
        self.spec = spec
        self.chosen = chosen
        self.database_url = database_url
        self.place = place
        self.prefix: list[str] = []  # words before the command: the tool under which it runs
        self.patience = 1  # by how many times it may be slower to start
        self.child: subprocess.Popen | None = None
        self.errors: int | None = None  # file descriptor: standard error
        self.kills: int | None = None  # of the OOM killer, when the server started
        self.url = spec.url or f"http://{HOST}:{chosen.port}"
        self.client = client.Client(self.url)
        self.asked = 0  # requests for /stats so far

    def start(self) -> None:
        self.client.close()
        self.client.connects = self.asked = 0
        if not self.spec.url:
            self._launch()
        self._await_ready()

    def stop(self) -> list[str]:
        """SIGTERM, and SIGKILL if that is not enough. The lines for the log: what the server wrote to
        standard error, and an exit status other than 0."""
        self.client.close()
        if not self.child or self.errors is None:
            return []
        status = process.stop(self.child, STOP_S)
        output = self.output()
        os.close(self.errors)
        self.child = self.errors = None
        return output + ([f"it ended with status {status}"] if status else [])

    def stats(self) -> dict:
        """Raises Died, or Failure when this server can never be measured."""
        self.asked += 1
        try:
            return server_stats.check(self.client.get_json("/stats"))
        except client.Unreachable as error:
            raise Died(f"{self.spec.name}{self.how_it_ended() or f' {error}'}{self._last_words()}") from None
        except ValueError as error:
            raise Failure(f"{self.spec.name} cannot be measured: {error}") from None

    def await_reached_through(self, proxy: str) -> None:
        """Waits until what responds at the address of nginx in front of this server is this server. nginx
        resolves a name when it starts: after a restart of servers, their earlier addresses may be one
        another's. Raises Died or Failure."""
        http = client.Client(proxy)
        deadline = time.monotonic() + START_S
        while True:
            try:
                found, own = http.get_json("/stats"), self.stats()
                if all(found.get(name) == own.get(name) for name in IDENTITY):
                    return
                problem = f"another server than {self.url} responds (model {found.get('model')})"
            except (client.Unreachable, AttributeError) as error:
                problem = f"{self.spec.name} does not respond ({error})"
            finally:
                http.close()
            if time.monotonic() > deadline:
                raise Failure(
                    f"through {proxy} {problem}: restart nginx, which may know an earlier address of the server"
                    " (docker compose --profile proxy restart proxy)"
                )
            time.sleep(0.2)

    @property
    def pid(self) -> int | None:
        return self.child.pid if self.child else None

    def _launch(self) -> None:
        if in_use(self.chosen.port):
            raise Failure(
                f"port {self.chosen.port} is in use: stop what listens there, or choose another PORT"
            )
        environment = {name: value for name, value in process.environment().items() if name not in HIDDEN}
        environment |= {
            "HOST": HOST,
            "PORT": str(self.chosen.port),
            "DATABASE_URL": self.database_url,
            "DB_POOL": str(self.chosen.pool),
            "POOL_TIMEOUT": str(POOL_TIMEOUT_S),
            "LOG_LEVEL": "warn",
        }
        environment |= dict(self.spec.variables)
        self.errors = os.memfd_create("server-stderr")
        self.kills = out_of_memory.kills()
        words = self.prefix + command(self.spec, self.chosen)
        self.child = process.start(words, self.place, environment, stderr=self.errors, folder=ROOT)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_S * self.patience
        response = "nothing"
        while time.monotonic() < deadline:
            if self.child and process.reap(self.child, 0):
                raise Failure(f"{self.spec.name} did not start{self._last_words()}")
            try:
                status, _, body = self.client.get("/readyz")
                if status == 200:
                    return
                response = f"{status} {body.decode(errors='replace')}"
            except client.Unreachable as error:
                response = str(error)
            time.sleep(0.005 if self.child else 0.2)
        advice = "" if self.child else ": is it running, and is its address right?"
        raise Failure(
            f"{self.spec.name} was not ready after {START_S * self.patience} s ({response}){advice}{self._last_words()}"
        )

    def how_it_ended(self) -> str | None:
        """None while it runs."""
        if self.child and process.reap(self.child, 0.1):
            said = "\n".join(self.output())
            how = out_of_memory.ending(self.child.returncode, said, self.kills)
            return f", in the middle of the run, {how}"
        return None

    def _last_words(self) -> str:
        output = self.output()
        return f"; it said: {output[-1]}" if output else ""

    def output(self) -> list[str]:
        """The lines that it has written to standard error so far."""
        if self.errors is None:
            return []
        text = os.pread(self.errors, os.fstat(self.errors).st_size, 0).decode(errors="replace")
        return database_url.hide(text, self.database_url).splitlines()


def await_targets(chosen: settings.Settings) -> dict[str, dict]:
    """name -> GET /stats of every server that runs elsewhere, once it is ready. Raises Failure."""
    found = {}
    for spec in chosen.servers:
        if spec.url:
            target = Server(spec, chosen, "")
            target.start()
            try:
                found[spec.name] = target.stats()
                _check_model(spec, found[spec.name].get("model"), chosen.server_list.names)
                if spec.url_of_proxy and any(point.proxy == "nginx" for point in chosen.points):
                    target.await_reached_through(spec.url_of_proxy)
            except Died as error:
                raise Failure(str(error)) from None
            finally:
                target.stop()
    return found


def _check_model(spec: matrix.Server, model: object, listed: list[str]) -> None:
    """Raises Failure when a target has the name of one server of the list and is another one of it."""
    if spec.name in listed and model in listed and model != spec.name:
        raise Failure(
            f"TARGETS: at {spec.url} is {model}, and not {spec.name}: give it its own name or address"
        )


def tuning() -> dict[str, str]:
    return {name: os.environ[name] for name in TUNED if name in os.environ}


def command(spec: matrix.Server, chosen: settings.Settings) -> list[str]:
    """The words that start the server. Raises Failure when the program or what it needs is not there."""
    entry = chosen.server_list.get(spec.model)
    if missing := packages.missing(entry.needs):
        raise Failure(
            f"{entry.name} needs Debian packages that are not installed: {', '.join(missing)}; "
            f"make peers PEERS={entry.name} installs them and builds it"
        )
    words = entry.command(chosen.build)
    if not shutil.which(words[0]):
        unlisted = (
            ""
            if spec.model in chosen.server_list.names
            else f", and {chosen.server_list.path} has no such server"
        )
        goal = f"make peers PEERS={entry.name}" if entry.role == server_list.PEER else "make"
        raise Failure(
            f"{words[0]} is not there{unlisted}: build it with {goal}, or say BUILD=DIR where it is"
        )
    return words


def with_variants(chosen: settings.Settings) -> list[str]:
    """The servers of the list, each followed by its variants: its --help says which variables it has."""
    names = []
    for own in chosen.server_list.core:
        names.append(own)
        words = command(matrix.Server(own, own), chosen)
        said = process.run([*words, "--help"], capture_output=True, text=True).stdout
        names += [f"{own}+{name}" for name, (variable, *_) in matrix.VARIANTS.items() if variable[0] in said]
    return names


def in_use(port: int) -> bool:
    """Whether something listens on that port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
