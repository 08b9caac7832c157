"""What is sampled while a server is under load, rarely and cheaply; and a pass that counts system calls."""

import math
import time

from ..judge import figures
from ..observe import sampling, system_calls, wrk_output
from ..plan import matrix
from . import servers
from .subject import Subject

CONNECT_LOOK_S = 0.002  # between two looks at the connecting phase at first
CONNECT_MOST_S = 2.0  # for which the connecting phase is looked at
LOOK_S = 0.2
SETTLE_LOOK_S = 0.02
COUNT_MOST_S = 5  # of load for counting system calls


class Watcher:
    """Is called while wrk runs, and returns in how many seconds it wants to be called again."""

    first: figures.Snapshot  # just before the load

    def __init__(self, server: servers.Server, point: matrix.Point, seconds: float, generators: int):
        self.server, self.point, self.seconds = server, point, seconds
        self.opened = point.c + wrk_output.PROBES * generators  # connections of this load
        self.watched = figures.Watched()
        self.due = {"middle": seconds / 2, "late": seconds * 0.9}

    def __call__(self, elapsed: float) -> float:
        if self._connecting(elapsed):
            accepted = self.server.stats().get("connections_accepted", 0)
            if accepted >= self.first.stats.get("connections_accepted", math.inf) + self.opened:
                self.watched.connect_s = elapsed
                self._sample_waiting()
            return CONNECT_LOOK_S + elapsed / 10  # a long phase needs no exact end
        self.watched.memory.append(sampling.memory())
        if elapsed >= self.due.get("middle", math.inf):
            del self.due["middle"]
            self.watched.stats = self.server.stats()
        if elapsed >= self.due.get("late", math.inf):
            del self.due["late"]
            self._sample_waiting()
        return max(0.0, min([LOOK_S] + [when - elapsed for when in self.due.values()]))

    def _connecting(self, elapsed: float) -> bool:
        return (
            self.watched.connect_s is None
            and self.point.proxy == "none"
            and "connections_accepted" in self.first.stats
            and elapsed < min(CONNECT_MOST_S, self.seconds / 2)
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
    served: list[int] = []  # requests from wrk when counting begins, and when it ends
    counted: list[int | None] = []  # system calls

    def requests() -> int:
        return server.stats()["requests"] - server.asked

    idle = requests()

    def look(elapsed: float) -> float | None:
        now, late = requests(), elapsed > COUNT_MOST_S * (0.8 if served else 0.4)
        if not served:
            if now - idle < point.c and not late:
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
    except wrk_output.Broken:
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
