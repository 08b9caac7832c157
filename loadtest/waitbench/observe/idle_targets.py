"""The servers that run elsewhere (TARGETS) and are not under test: proof that they idle meanwhile."""

import time
from typing import NamedTuple

from ..base import client

IDLE_MOST = 0.01  # CPU seconds a second; an idle server has used less than 0.001, health checks included
PROCESS = "model", "pid", "start_time"  # two targets may be one process: with nginx in front, and without


class Look(NamedTuple):
    time: float  # s, monotonic
    stats: dict  # name -> GET /stats


class Busiest(NamedTuple):
    name: str
    cpu: float  # seconds a second


def look(servers, measured):
    """Asks every server that is not the measured one, and leaves no connection behind. Raises
    client.Unreachable when one does not answer: then it has not been proved idle."""
    found = {}
    for spec in servers:
        if spec.url and spec.name != measured.name:
            asker = client.Client(spec.url)
            try:
                found[spec.name] = asker.get_json("/stats")
            finally:
                asker.close()
    return Look(time.monotonic(), found)


def busiest(first, last, measured):
    """Between two looks; None when there is no other server. `measured` is the tested one's GET /stats."""
    seconds = last.time - first.time
    found = [
        Busiest(name, (_cpu_s(stats) - _cpu_s(first.stats[name])) / seconds)
        for name, stats in last.stats.items()
        if any(stats[key] != measured[key] for key in PROCESS)
    ]
    return max(found, key=lambda one: one.cpu, default=None)


def _cpu_s(stats):
    return stats["cpu_user_s"] + stats["cpu_system_s"]
