"""nginx: in front of the server that is measured, with persistent connections on both sides, or as a server of
its own. loadtest/nginx-conf has its configuration."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

from .. import ROOT, Failure
from ..base import client, process
from ..observe import sampling
from . import servers

CONFIGURATION = ROOT / "loadtest" / "nginx-conf"
START_S = 5
INLINE = 65536  # bytes of a body that stands in the configuration
MEMORY = "/dev/shm"


class Nginx:
    """`site`: as for loadtest/nginx-conf, without the address where it listens."""

    def __init__(self, port: int, site: str, connections: int, place: process.Place = process.ANYWHERE):
        self.port, self.site, self.connections, self.place = port, site, connections, place
        self.url = f"http://127.0.0.1:{port}"
        self.child: subprocess.Popen | None = None

    def start(self) -> None:
        program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        if not program:
            raise Failure("nginx is not installed: apt-get install nginx-light, or leave it out of PROXY")
        if servers.in_use(self.port):
            raise Failure(f"port {self.port}, one above PORT, is in use: nginx needs it")
        self.folder = tempfile.TemporaryDirectory(prefix="waitbench-nginx-")
        path = Path(self.folder.name, "nginx.conf")
        path.write_text(self.configuration(self.folder.name))
        self.child = process.start([program, "-e", "stderr", "-c", str(path)], self.place)
        self._await_ready(self.child)

    def configuration(self, folder: str) -> str:
        workers = str(len(self.place.cpus)) if self.place.cpus else "auto"
        words = [folder, workers, str(self.connections), "-", f"127.0.0.1:{self.port}={self.site}"]
        return process.run([CONFIGURATION, *words], check=True, stdout=subprocess.PIPE, text=True).stdout

    def cpu_s(self) -> float | None:
        assert self.child is not None
        try:
            return sampling.tree_cpu(self.child.pid)
        except ProcessLookupError:
            raise Failure("nginx ended in the middle of a run; its output is above") from None

    def stop(self) -> None:
        if self.child:
            process.stop(self.child, 5)
            self.child = None
            self.folder.cleanup()

    def _await_ready(self, child: subprocess.Popen) -> None:
        http = client.Client(self.url)
        deadline = time.monotonic() + START_S
        while not process.reap(child, 0.005):
            try:
                if http.get("/healthz")[0] == 200:
                    http.close()
                    return
            except client.Unreachable:
                pass
            if time.monotonic() > deadline:
                break
        raise Failure("nginx did not start; its output is above")


def descriptors(clients: int) -> int:
    """That a worker needs, and so its connections: one worker may get all clients, each of which takes a connection to
    the server too. nginx allocates 430 bytes for each connection at its start."""
    return 2 * clients + process.OTHER_FILES


class InFront(Nginx):
    """nginx in front of a server of this machine."""

    def __init__(self, port: int, upstream: int, clients: int, place: process.Place = process.ANYWHERE):
        super().__init__(port, f"127.0.0.1:{upstream}", descriptors(clients), place)


class FixedResponse(Nginx):
    """nginx as a server of its own, which responds with a body of so many bytes: a large one from a file in memory."""

    def __init__(self, port: int, size: int, clients: int, place: process.Place = process.ANYWHERE):
        self.file: IO[bytes] | None = None
        site = f"bytes:{size}"
        if size > INLINE:
            self.file = tempfile.NamedTemporaryFile(prefix="waitbench-body-", dir=MEMORY)
            self.file.write(b"x" * size)
            self.file.flush()
            os.chmod(self.file.name, 0o644)  # nginx's workers have another user
            site = f"file:{self.file.name}"
        super().__init__(port, site, clients + process.OTHER_FILES, place)

    def stop(self) -> None:
        super().stop()
        if self.file:
            self.file.close()
