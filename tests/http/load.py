"""Load that remembers every response, and knows afterwards what must be in the tables."""

import itertools
import threading
import time
from dataclasses import dataclass

from wire import eventually
from work import work_sum

HANGS = 20  # s without a response; every time-out that the tests set, together, is far below


@dataclass
class Outcome:
    kind: str  # "work" or "item"
    name: str  # of the item
    began: float  # on time.monotonic()
    ended: float
    status: int  # 0: none, `detail` says why
    detail: str
    retry_after: str

    @property
    def succeeded(self):
        return self.status in (200, 201)

    @property
    def surely_ran_nothing(self):
        """It was turned away before it had a database connection."""
        return self.status == 503 and ("cannot be reached" in self.detail or "became free" in self.detail)


class Load:
    """Clients that ask without pause, remember each outcome, and know what must be in the tables.

    One request in two makes an item with a name of its own, the other runs three queries, two of them
    updates. Use as a context manager; leaving it waits for the last outcomes.
    """

    UPDATES = 2
    seeds = itertools.count(1)

    def __init__(self, server, cluster, clients=6):
        self.server = server
        self.cluster = cluster
        self.outcomes = []
        self.stopping = False
        self.prefix = f"load-{next(self.seeds)}-"
        self.hits_before = self._hits()
        self.threads = [threading.Thread(target=self._client, args=(number,)) for number in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        for thread in self.threads:
            thread.join(2 * HANGS)

    def _hits(self):
        return self.cluster.number("SELECT sum(hits) FROM world")

    def _client(self, number):
        connection = None
        for count in itertools.count():
            if self.stopping:
                break
            name = f"{self.prefix}{number}-{count}"
            kind = ("work", "item")[count % 2]
            began = time.monotonic()
            try:
                connection = connection or self.server.connect(timeout=HANGS)
                status, detail, retry_after = self._ask(connection, kind, name)
            except (OSError, EOFError, AssertionError) as error:
                status, detail, retry_after = 0, repr(error), None
                connection = None
            outcome = Outcome(kind, name, began, time.monotonic(), status, detail, retry_after)
            self.outcomes.append(outcome)
            if not outcome.succeeded:
                time.sleep(
                    0.01
                )  # a client that is told to wait and spins would take the machine from the database
        if connection:
            connection.socket.close()

    def _ask(self, connection, kind, name):
        if kind == "item":
            response = connection.ask("POST", "/items", {"name": name})
            if response.status == 201:
                assert response.json()["name"] == name
        else:
            seed = next(self.seeds)
            response = connection.ask("GET", f"/work?n=3&w={self.UPDATES}&d=1&m=64&seed={seed}")
            if response.status == 200:
                assert response.json()["sum"] == work_sum(seed, 3), f"a wrong response: {response.body}"
        detail = "" if response.status in (200, 201) else response.json()["detail"]
        return response.status, detail, response["retry-after"]

    def successes_since(self, moment, of="work item"):
        return [
            outcome
            for outcome in list(self.outcomes)
            if outcome.succeeded and outcome.began >= moment and outcome.kind in of.split()
        ]

    def _succeeds(self, since, count):
        """Waits for so many successes of both kinds."""

        def check():
            assert self.server.process.poll() is None, f"the server died:\n{self.server.log[-10000:]}"
            return all(len(self.successes_since(since, kind)) >= count for kind in ("work", "item"))

        eventually(check, within=HANGS)

    def goes_well(self, count=20):
        self._succeeds(time.monotonic(), count)

    def recovery_s(self, up):
        """How long after the moment `up` both kinds of request have succeeded for the first time."""
        self._succeeds(up, 1)
        return (
            max(min(outcome.ended for outcome in self.successes_since(up, kind)) for kind in ("work", "item"))
            - up
        )

    def failures(self):
        return [outcome for outcome in self.outcomes if not outcome.succeeded]

    def check(self):
        """After the end: each request has its outcome, each acknowledged write is there, and none twice."""
        assert not any(thread.is_alive() for thread in self.threads), "a request hangs"
        odd = [
            outcome
            for outcome in self.failures()
            if outcome.status not in (503, 504) or (outcome.status == 503 and outcome.retry_after is None)
        ]
        assert not odd, f"{len(odd)} of {len(self.outcomes)}: {odd[:3]}\n{self.server.log[-2000:]}"
        eventually(self.cluster.is_quiet, within=HANGS)  # a query that was given up may still be running
        uncertain = [outcome for outcome in self.failures() if not outcome.surely_ran_nothing]

        acknowledged = self.UPDATES * sum(outcome.status == 200 for outcome in self.outcomes)
        possible = acknowledged + self.UPDATES * sum(outcome.kind == "work" for outcome in uncertain)
        grown = self._hits() - self.hits_before
        assert (
            acknowledged <= grown <= possible
        ), f"{acknowledged} updates acknowledged, {grown} done, {possible} asked"

        rows = self.cluster.sql(
            f"SELECT name, count(*) FROM items WHERE name LIKE '{self.prefix}%' GROUP BY name"
        )
        assert [row for row in rows if row[1] != 1] == [], "an item was made twice"
        there = {name for name, _ in rows}
        made = {outcome.name for outcome in self.outcomes if outcome.status == 201}
        assert made - there == set(), "acknowledged items are lost"
        assert there - made <= {outcome.name for outcome in uncertain if outcome.kind == "item"}
