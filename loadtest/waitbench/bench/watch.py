"""Samples of a server under load, rare and cheap; and a pass that counts system calls."""

import math
import time
from typing import Callable

from ..judge import figures
from ..observe import load_result, sampling, system_calls, wrk_output
from ..plan import matrix
from . import database, pace, servers
from .subject import Subject

CONNECT_LOOK_S = 0.002  # between two looks at the connecting phase at first
CONNECT_MOST_S = 2.0  # for which the connecting phase is looked at
LOOK_S = 0.2
SETTLE_LOOK_S = 0.02
COUNT_MOST_S = 5  # of load for counting system calls


class Watcher:
    """Is called while the load is on, and returns in how many seconds it wants to be called again.

    The window of wrk begins with its first connection; that of pace after the last one and `warmup` seconds more.
    """

    first: figures.Snapshot  # just before the load

    def __init__(
        self,
        server: servers.Server,
        point: matrix.Point,
        seconds: float,
        generators: int,
        warmup: float | None = None,
        db: database.Database | None = None,
        snapshot: Callable[[], figures.Snapshot] | None = None,
    ):
        """`snapshot` is called once, when all connections of pace are open."""
        self.server, self.point, self.seconds, self.warmup, self.db = server, point, seconds, warmup, db
        self.opened = (
            point.connections + wrk_output.PROBES * generators
        )  # connections that a load begins with
        self.watched = figures.Watched()
        before = warmup or 0
        self.due = {"middle": before + seconds / 2, "late": before + seconds * 0.9}
        self.next_second = 0.0
        # pace goes on when all are open, however long that takes; wrk's time passes meanwhile
        self.connect_most = min(CONNECT_MOST_S, seconds / 2) if warmup is None else pace.CONNECT_S
        self.snapshot = snapshot
        self.connected: figures.Snapshot | None = None

    def __call__(self, elapsed: float) -> float:
        whole = elapsed >= self.next_second
        if whole:
            self.next_second = math.floor(elapsed) + 1.0
            self.count_checkpoints()
        if self._connecting(elapsed):
            accepted = self._stats().get("connections_accepted", 0)
            if accepted >= self.first.stats.get("connections_accepted", math.inf) + self.opened:
                self.watched.connect_s = elapsed
                if self.warmup is not None:
                    self.due = {what: when + elapsed for what, when in self.due.items()}
                    self.connected = self.snapshot() if self.snapshot else None
                self._sample_waiting()
            return CONNECT_LOOK_S + elapsed / 10  # a long phase needs no exact end
        self.watched.memory.append(sampling.memory())
        middle = elapsed >= self.due.get("middle", math.inf)
        asks = middle or whole and self.warmup is None  # pace counts by the second itself
        stats = self._stats() if asks else {}
        if middle:
            del self.due["middle"]
            self.watched.stats = stats
        if elapsed >= self.due.get("late", math.inf):
            del self.due["late"]
            self._sample_waiting()
        return max(0.0, min([LOOK_S] + [when - elapsed for when in (self.next_second, *self.due.values())]))

    def _stats(self) -> dict:
        """GET /stats, of which every response says how many requests there were by then."""
        stats = self.server.stats()
        own = self.server.asked - self.first.asked
        self.watched.requests.append(
            (time.monotonic(), stats["requests"] - self.first.stats["requests"] - own)
        )
        return stats

    def count_checkpoints(self) -> None:
        count = self.db.checkpoints() if self.db else None
        if count is not None:
            self.watched.checkpoints.append((time.monotonic(), count))

    def _connecting(self, elapsed: float) -> bool:
        return (
            self.watched.connect_s is None
            and self.point.proxy == "none"
            and "connections_accepted" in self.first.stats
            and elapsed < self.connect_most
        )

    def _sample_waiting(self) -> None:
        pid = self.server.pid
        waited = sampling.run_queue_wait(pid) if pid else None
        self.watched.waiting.append((time.monotonic(), waited))


def count_system_calls(subject: Subject, tracer: str) -> dict | None:
    """The row of syscalls.csv, from a short load of its own after the timing, since counting slows the server
    down. None when nothing could be counted."""
    server, point = subject.server, subject.point
    assert server.pid is not None
    counter = system_calls.Counter(tracer, server.pid)
    served: list[int] = []  # requests of the load when counting begins, and when it ends
    counted: list[int | None] = []  # system calls

    def requests() -> int:
        return server.stats()["requests"] - server.asked

    idle = requests()

    def look(elapsed: float) -> float | None:
        now, late = requests(), elapsed > COUNT_MOST_S * (0.8 if served else 0.4)
        if not served:
            if now - idle < point.connections and not late:
                return SETTLE_LOOK_S  # some connection has had no response yet
            if not counter.begin():
                return None
            served.append(requests())
        elif now - served[0] >= point.c or late:
            served.append(now)
            counted.append(counter.end())
            return None
        return system_calls.WINDOW_S

    try:
        subject.load(COUNT_MOST_S, look)
    except load_result.Broken:
        return None  # what was timed before stays valid
    finally:
        counter.end()
    total = counted[0] if counted else None
    if not total or served[1] == served[0]:
        return None
    requests_counted = served[1] - served[0]
    return {"server": server.spec.name, **point._asdict(), "method": tracer} | {
        "requests": requests_counted,
        "syscalls": total,
        "syscalls_per_req": total / requests_counted,
    }
