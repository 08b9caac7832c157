"""The end of a load: waits until nothing of it is under way, so that none of it counts as the next load's."""

import time

from ..plan import matrix
from . import servers

QUIET_S = 10.0  # for the connections and requests of a load to be gone
LOOK_S = 0.005
APART_S = 0.05  # without a response, and twice the delay of a query: longer than any query takes


def await_quiet(server: servers.Server, point: matrix.Point, connections: int | None) -> None:
    """Raises servers.Died when the server stays busy.

    wrk has closed its connections, but requests that wait for the pool may still run. Without a proxy they hold
    connections open, of which there were `connections` before the load. A proxy keeps its own connections open,
    and a server need not count them (None): then the server must not have completed anything for longer than a
    query takes."""
    delay = 2 * server.spec.parameters(point).get("d", 0) / 1000
    counted = connections is not None and point.proxy == "none"
    pause = LOOK_S if counted else APART_S + delay
    deadline = time.monotonic() + QUIET_S + delay
    completed = None
    while time.monotonic() < deadline:
        asked, stats, last = server.asked, server.stats(), completed
        completed = stats["requests"] - asked, stats["queries"]
        if stats.get("connections_open", 0) <= (connections or 0) if counted else completed == last:
            return
        time.sleep(pause)
    raise servers.Died(f"{server.spec.name} was still busy {QUIET_S:g} s after a load had ended")
