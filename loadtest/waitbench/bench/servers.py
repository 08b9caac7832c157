"""A server: one that is started for a run and stopped after it, or one that runs elsewhere."""

import os
import socket
import time

from .. import Failure, ROOT
from ..base import client, process
from ..plan import settings

START_S = 15  # until it must be ready: 10,000 database connections take a while
STOP_S = 15
POOL_TIMEOUT_S = 3600  # a queue for the pool is what is measured, not an error
# It gets no list of the matrix: N="1 5 20" is not a number.
HIDDEN = set(settings.SETTINGS)
# What else it takes from our environment and what changes a result: recorded with it.
TUNED = "WORKERS STACK_KIB MAX_CONNECTIONS DB_PIPELINE MALLOC_ARENA_MAX UV_THREADPOOL_SIZE LD_PRELOAD".split()
TUNED += "HEADER_TIMEOUT IDLE_TIMEOUT WRITE_TIMEOUT QUERY_TIMEOUT MAX_HEADER_BYTES MAX_BODY_BYTES".split()


class Died(Exception):
    """A server that is gone while it is measured; the sentence says what it said last."""


class Server:
    """`started()` to `stop()` is one run. `stats()` is GET /stats, as a dictionary."""

    def __init__(self, spec, chosen, database_url, cpus=None):
        self.spec = spec
        self.chosen = chosen
        self.database_url = database_url
        self.cpus = cpus
        self.child = None
        self.errors = None
        self.url = spec.url or f"http://127.0.0.1:{chosen.port}"
        self.client = client.Client(self.url)
        self.asked = 0  # requests for /stats so far

    def start(self):
        self.client.close()
        self.client.connects = self.asked = 0
        if not self.spec.url:
            self._launch()
        self._await_ready()

    def stop(self):
        """SIGTERM, and SIGKILL if that is not enough. What is worth a line in the log: what it wrote
        to standard error, and an exit status other than 0."""
        self.client.close()
        if not self.child:
            return []
        status = process.stop(self.child, STOP_S)
        said = self._said()
        os.close(self.errors)
        self.child = self.errors = None
        return said + ([f"it ended with status {status}"] if status else [])

    def stats(self):
        self.asked += 1
        try:
            return self.client.get_json("/stats")
        except client.Unreachable as error:
            raise Died(f"{self.spec.name} {self._how_it_ended() or error}{self._last_words()}") from None

    @property
    def pid(self):
        return self.child.pid if self.child else None

    def _launch(self):
        if in_use(self.chosen.port):
            raise Failure(
                f"port {self.chosen.port} is in use: stop what listens there, or choose another PORT"
            )
        environment = {name: value for name, value in os.environ.items() if name not in HIDDEN}
        environment |= {
            "HOST": "127.0.0.1",
            "PORT": str(self.chosen.port),
            "DATABASE_URL": self.database_url,
            "DB_POOL": str(self.chosen.pool),
            "POOL_TIMEOUT": str(POOL_TIMEOUT_S),
            "LOG_LEVEL": "warn",
        }
        self.errors = os.memfd_create("server-stderr")
        self.child = process.start(
            [str(program(self.spec, self.chosen.build))], self.cpus, environment, stderr=self.errors
        )

    def _await_ready(self):
        deadline = time.monotonic() + START_S
        said = "nothing"
        while time.monotonic() < deadline:
            if self.child and process.reap(self.child, 0):
                raise Failure(f"{self.spec.name} did not start{self._last_words()}")
            try:
                status, _, body = self.client.get("/readyz")
                if status == 200:
                    return
                said = f"{status} {body.decode(errors='replace')}"
            except client.Unreachable as error:
                said = str(error)
            time.sleep(0.005 if self.child else 0.2)
        where = "" if self.child else ": is it running, and is its address right?"
        raise Failure(f"{self.spec.name} was not ready after {START_S} s ({said}){where}{self._last_words()}")

    def _how_it_ended(self):
        if self.child and process.reap(self.child, 0.1):
            return f"ended in the middle of the run (status {self.child.returncode})"
        return None

    def _last_words(self):
        said = self._said()
        return f"; it said: {said[-1]}" if said else ""

    def _said(self):
        if self.errors is None:
            return []
        return os.pread(self.errors, 65536, 0).decode(errors="replace").splitlines()


def await_targets(chosen):
    """name -> GET /stats of every server that runs elsewhere, once it is ready. Raises Failure."""
    found = {}
    for spec in chosen.servers:
        if spec.url:
            target = Server(spec, chosen, "")
            target.start()
            try:
                found[spec.name] = target.stats()
            except Died as error:
                raise Failure(str(error)) from None
            finally:
                target.stop()
    return found


def tuning():
    return {name: os.environ[name] for name in TUNED if name in os.environ}


def program(spec, build):
    path = ROOT / build / f"server-{spec.model}"
    if not os.access(path, os.X_OK):
        raise Failure(f"{path} is not there: build it with make, or say BUILD=DIR where it is")
    return path


def in_use(port):
    """Whether something listens on that port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
