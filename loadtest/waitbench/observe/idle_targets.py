"""The servers that run elsewhere (TARGETS) and are not under test: evidence that they idle meanwhile."""

import time
from typing import Iterable, NamedTuple

from ..base import client
from ..plan import matrix
from . import server_stats

# Two targets may be one process: the same server with nginx in front of it and without.
PROCESS = "model", "pid", "start_time"


class Look(NamedTuple):
    time: float  # s, monotonic
    stats: dict  # name -> GET /stats


class Busiest(NamedTuple):
    name: str
    cpu: float  # seconds per second


def look(servers: Iterable[matrix.Server], measured: matrix.Server) -> Look:
    """GET /stats of every server but the measured one; no connection stays open. Raises client.Unreachable
    when a server does not respond: that server was not seen to idle."""
    found = {}
    for spec in servers:
        if spec.url and spec.name != measured.name:
            http = client.Client(spec.url)
            try:
                found[spec.name] = http.get_json("/stats")
            finally:
                http.close()
    return Look(time.monotonic(), found)


def busiest(first: Look, last: Look, measured: dict) -> Busiest | None:
    """The busiest of them between two looks; None when there is no other server, or none says what CPU it
    used. `measured` is GET /stats of the server under test."""
    seconds = last.time - first.time
    found = []
    for name, stats in last.stats.items():
        before, after = server_stats.cpu_s(first.stats[name]), server_stats.cpu_s(stats)
        another = any(stats.get(key) != measured.get(key) for key in PROCESS)
        if another and before is not None and after is not None:
            found.append(Busiest(name, (after - before) / seconds))
    return max(found, key=lambda one: one.cpu) if found else None
