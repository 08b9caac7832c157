"""What is counted: a scenario sends requests to a server whose only clients are the scenario's.

One worker and one database connection: with several, which requests meet is chance. A client that asks and waits for
the response leaves the server nothing to do but that request.
"""

from contextlib import ExitStack
from typing import Callable, NamedTuple

from lockstep import stopped
from wire import request

SETTINGS = {"WORKERS": 1, "DB_POOL": 1}
# Under callgrind all takes fifty times as long; nothing may end in that time.
SETTINGS |= dict.fromkeys(
    ["HEADER_TIMEOUT", "IDLE_TIMEOUT", "WRITE_TIMEOUT", "POOL_TIMEOUT", "QUERY_TIMEOUT"], 600
)
IN_ONE_WRITE = 16  # requests of `http pipelined`
ABREAST = 8  # connections of `abreast`


def one_by_one(n):
    def round(server, clients):
        assert clients[0].ask("GET", f"/work?n={n}&m=1024&seed=7").status == 200

    return round


def crud(server, clients):
    """An item is made, read, replaced, patched and deleted."""
    ask = clients[0].ask
    made = ask("POST", "/items", {"name": "tea", "value": 3})
    item = made["location"]
    statuses = [
        made.status,
        ask("GET", item).status,
        ask("PUT", item, {"name": "coffee"}).status,
        ask("PATCH", item, {"value": 4}).status,
        ask("DELETE", item).status,
    ]
    assert statuses == [201, 200, 200, 200, 204], statuses


def http_pipelined(server, clients):
    """The next requests are there before the first has its response."""
    clients[0].send(request("GET", "/work?n=0&m=1024") * IN_ONE_WRITE)
    assert all(clients[0].read().status == 200 for _ in range(IN_ONE_WRITE))


def abreast(server, clients):
    """Each turn of the loop takes a result for every client, and sends a query for every client."""
    with stopped(server.pid):
        for client in clients:
            client.send(request("GET", "/work?n=20&m=1024&seed=7"))
    assert all(client.read().status == 200 for client in clients)


class Scenario(NamedTuple):
    round: Callable
    rounds: int
    clients: int = 1
    per_round: int = 1  # of what a figure is for: requests, but one whole round of CRUD
    variants: tuple[bool, ...] = (False, True)  # of the server: without, with DB_PIPELINE=1

    def connected(self, server):
        """Its clients, as a context manager."""
        stack = ExitStack()
        clients = [stack.enter_context(server.connect(timeout=600)) for _ in range(self.clients)]
        return stack, clients


SCENARIOS = {
    "n=0": Scenario(one_by_one(0), 300, variants=(False,)),
    "n=1": Scenario(one_by_one(1), 200),
    "n=20": Scenario(one_by_one(20), 30),
    "crud": Scenario(crud, 40),
    "http pipelined": Scenario(http_pipelined, 20, per_round=IN_ONE_WRITE, variants=(False,)),
    "abreast": Scenario(abreast, 20, ABREAST, per_round=ABREAST, variants=(True,)),
}
# With DB_PIPELINE=1 threads may hand a query to another thread. Whether one has to sleep for the other, and is woken
# through an eventfd, is chance: up to 12% of all calls of threaded+pipeline. A wake-up costs instructions, too, and
# those are counted.
BETWEEN_THREADS = ("futex", "poll", "read", "write")


def by_chance(model):
    """System calls that are not counted."""
    return BETWEEN_THREADS if "+pipeline" in model else ()


def of(model):
    """The names of the scenarios that a server, or a variant of it, is counted in: DB_PIPELINE changes nothing of a
    request without a query, and without it none shares a database connection."""
    return [name for name, scenario in SCENARIOS.items() if ("+pipeline" in model) in scenario.variants]
