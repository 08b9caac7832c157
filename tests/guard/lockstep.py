"""What makes the requests of a pipelined scenario advance together, so that each of a loop's turns does the same work.

Left alone, a loop is woken by the first result of eight and finds one to eight: the count of a request's system calls
would vary by half. Here it finds all eight requests at once, and then all eight results at once.
"""

import contextlib
import os
import signal
import socket
import struct
import threading
import time
from urllib.parse import urlsplit, urlunsplit

from network import Listener, listen

CALM_S = 0.004  # threads that sleep that long have nothing to do
READY_FOR_QUERY = ord("Z")  # PostgreSQL's last message for a query


class Gate(Listener):
    """Stands between a server and its database; the results of `together` queries pass in one piece."""

    def __init__(self, url):
        super().__init__(listen(("127.0.0.1", 0)))
        parts = urlsplit(url)
        self.target = (parts.hostname, parts.port)
        user = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{self.port}"))
        self.together = 0  # 0: everything passes as it comes; set it while nothing is under way

    def _serve(self, server):
        database = socket.create_connection(self.target)
        self.sockets.append(database)
        for each in (server, database):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=carry, args=(server, database, bytes), daemon=True).start()
        carry(database, server, Results(self).take)


class Results:
    """What one connection has from the database."""

    def __init__(self, gate):
        self.gate = gate
        self._clear()

    def _clear(self):
        self.held = bytearray()
        self.read = 0  # bytes of `held` that are whole messages
        self.results = 0

    def take(self, data):
        """What may pass now."""
        self.held += data
        while self.gate.together and self.read + 5 <= len(self.held):
            kind, length = struct.unpack_from("!BI", self.held, self.read)
            if self.read + 1 + length > len(self.held):
                break
            self.read += 1 + length
            self.results += kind == READY_FOR_QUERY
        if self.results < self.gate.together:
            return b""
        passing = bytes(self.held)
        self._clear()
        return passing


def carry(source, target, passing):
    with contextlib.suppress(OSError):  # one of the two has gone
        while data := source.recv(65536):
            target.sendall(passing(data))
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def states(pid):
    """The state of each thread: "S" sleeps, "t" and "T" are stopped (proc(5))."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/stat") as file:
            found.append(file.read().rpartition(")")[2].split()[0])
    return found


def await_states(pid, wanted, within=60):
    end = time.monotonic() + within
    since = None
    while since is None or time.monotonic() < since + CALM_S:
        assert time.monotonic() < end, f"the threads of {pid} are {states(pid)}, not {wanted}"
        since = (since or time.monotonic()) if set(states(pid)) <= set(wanted) else None
        time.sleep(CALM_S / 4)


def await_calm(pid):
    """Until every thread waits for something."""
    await_states(pid, "S")


@contextlib.contextmanager
def stopped(pid):
    """The process takes notice of nothing, and afterwards of all that has happened at once."""
    await_calm(pid)
    os.kill(pid, signal.SIGSTOP)
    try:
        await_states(pid, "Tt")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
