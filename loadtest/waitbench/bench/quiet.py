"""The end of a load: waits until nothing of it is under way, so that none of it counts as the next load's."""

import time

from ..plan import matrix
from . import servers

QUIET_S = 10.0  # for the connections and requests of a load to be gone
APART_S = 0.05  # without a response: longer than any query takes


def await_quiet(server: servers.Server, point: matrix.Point, connections: int | None) -> None:
    """Raises servers.Died when the server stays busy.

    wrk has closed its connections, but requests that wait for the pool may still run. Some servers keep a connection
    open while its request runs, and others count it as closed and go on: then nothing may be completed for a while,
    either. Of the connections there were `connections` before the load. A proxy keeps its own open, and a server need
    not count them (None): then nothing may be completed for longer than a query and the waits of a request take.
    """
    asked_for = server.spec.parameters(point)
    delay = 2 * (asked_for.get("d", 0) + asked_for.get("t", 0)) / 1000
    counted = connections is not None and point.proxy == "none"
    pause = APART_S if counted else APART_S + delay
    deadline = time.monotonic() + QUIET_S + delay
    completed = None
    while time.monotonic() < deadline:
        asked, stats, last = server.asked, server.stats(), completed
        completed = stats["requests"] - asked, stats["queries"]
        has_closed = not counted or stats.get("connections_open", 0) <= (connections or 0)
        if has_closed and completed == last:
            return
        time.sleep(pause)
    raise servers.Died(f"{server.spec.name} was still busy {QUIET_S:g} s after a load had ended")
