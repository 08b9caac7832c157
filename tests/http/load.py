"""Load that remembers every response, and knows afterwards what must be in the tables."""

import itertools
import threading
import time
from dataclasses import dataclass

from wire import eventually
from work import work_sum

HANGS = 20  # s without a response; every time-out that the tests set, together, is far below


@dataclass
class Answer:
    kind: str     # "work" or "item"
    name: str     # of the item
    began: float  # on time.monotonic()
    ended: float
    status: int   # 0: none, `detail` says why
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
    """Clients that ask without pause, remember each answer, and know what must be in the tables.

    One request in two makes an item with a name of its own, the other runs three queries, two of them
    updates. Use as a context manager; leaving it waits for the last answers.
    """

    UPDATES = 2
    seeds = itertools.count(1)

    def __init__(self, server, cluster, clients=6):
        self.server = server
        self.cluster = cluster
        self.answers = []
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
            answer = Answer(kind, name, began, time.monotonic(), status, detail, retry_after)
            self.answers.append(answer)
            if not answer.succeeded:
                time.sleep(0.01)  # a client that is told to wait and spins would take the machine from the database
        if connection:
            connection.socket.close()

    def _ask(self, connection, kind, name):
        if kind == "item":
            reply = connection.ask("POST", "/items", {"name": name})
            if reply.status == 201:
                assert reply.json()["name"] == name
        else:
            seed = next(self.seeds)
            reply = connection.ask("GET", f"/work?n=3&w={self.UPDATES}&d=1&m=64&seed={seed}")
            if reply.status == 200:
                assert reply.json()["sum"] == work_sum(seed, 3), f"a wrong answer: {reply.body}"
        detail = "" if reply.status in (200, 201) else reply.json()["detail"]
        return reply.status, detail, reply["retry-after"]

    def successes_since(self, moment, of="work item"):
        return [answer for answer in list(self.answers)
                if answer.succeeded and answer.began >= moment and answer.kind in of.split()]

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
        return max(min(answer.ended for answer in self.successes_since(up, kind)) for kind in ("work", "item")) - up

    def failures(self):
        return [answer for answer in self.answers if not answer.succeeded]

    def check(self):
        """After the end: each request has its answer, each acknowledged write is there, and none twice."""
        assert not any(thread.is_alive() for thread in self.threads), "a request hangs"
        odd = [answer for answer in self.failures() if answer.status not in (503, 504)
               or (answer.status == 503 and answer.retry_after is None)]
        assert not odd, f"{len(odd)} of {len(self.answers)}: {odd[:3]}\n{self.server.log[-2000:]}"
        eventually(self.cluster.is_quiet, within=HANGS)  # a query that was given up may still be running
        uncertain = [answer for answer in self.failures() if not answer.surely_ran_nothing]

        acknowledged = self.UPDATES * sum(answer.status == 200 for answer in self.answers)
        possible = acknowledged + self.UPDATES * sum(answer.kind == "work" for answer in uncertain)
        grown = self._hits() - self.hits_before
        assert acknowledged <= grown <= possible, f"{acknowledged} updates acknowledged, {grown} done, {possible} asked"

        rows = self.cluster.sql(f"SELECT name, count(*) FROM items WHERE name LIKE '{self.prefix}%' GROUP BY name")
        assert [row for row in rows if row[1] != 1] == [], "an item was made twice"
        there = {name for name, _ in rows}
        made = {answer.name for answer in self.answers if answer.status == 201}
        assert made - there == set(), "acknowledged items are lost"
        assert there - made <= {answer.name for answer in uncertain if answer.kind == "item"}
