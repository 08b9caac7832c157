"""A PostgreSQL to break: a cluster of a test's own, load that remembers every answer, and a bad network."""

import itertools
import os
import select
import signal
import socket
import subprocess
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from project import ROOT
from wire import eventually
from work import work_sum

HANGS = 20  # s without an answer; every time-out that the tests set, together, is far below


class Cluster:
    """A private cluster of db/local, which the suite's own never notices."""

    def __init__(self, name, folder=None):
        self.name = name
        self.env = os.environ | ({"TMPDIR": str(folder)} if folder else {})
        self._local("--parent", str(os.getpid()), "start")
        self.url = self._local("url")
        self.pid = int(self._local("pid"))
        self.data = self.sql("SHOW data_directory")[0][0]

    def _local(self, *args):
        done = subprocess.run([ROOT / "db/local", "--name", self.name, *args], env=self.env, capture_output=True,
                              text=True, timeout=120)
        assert done.returncode == 0, f"db/local {args}: {done.stderr}"
        return done.stdout.strip()

    def url_with(self, user=None, host=None, port=None):
        """As another role, whose password is its name, or by another way."""
        url = urlsplit(self.url)
        login = f"{user}:{user}" if user else f"{url.username}:{url.password}"
        return urlunsplit(url._replace(netloc=f"{login}@{host or url.hostname}:{port or url.port}"))

    @property
    def port(self):
        return urlsplit(self.url).port

    def sql(self, *statements):
        """In a session of its own, each committed by itself; the rows of the last one."""
        with closing(psycopg2.connect(self.url, application_name="test")) as link:
            link.autocommit = True
            with link.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else None

    def number(self, query):
        return int(self.sql(query)[0][0])

    def backends(self, where="true"):
        """The processes that serve the server under test."""
        return [pid for pid, in self.sql(
            f"SELECT pid FROM pg_stat_activity WHERE application_name ~ '^waitbench' AND {where}")]

    def terminate(self, where="true"):
        """Ends those sessions, and returns when they have ended. How many there were."""
        return self.number("SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
                           f"WHERE application_name ~ '^waitbench' AND {where}")

    def children(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
            return [int(pid) for pid in file.read().split()]

    def kill(self, with_children):
        """SIGKILL. A postmaster alone leaves backends behind that answer until they miss it."""
        for pid in [self.pid, *(self.children() if with_children else [])]:
            send_signal(pid, signal.SIGKILL)

    def pause(self, pids=None):
        """SIGSTOP to everything, or to some of its processes."""
        self.paused = pids or [self.pid, *self.children()]
        for pid in self.paused:
            send_signal(pid, signal.SIGSTOP)

    def go_on(self):
        for pid in self.paused:
            send_signal(pid, signal.SIGCONT)
        self.paused = []

    paused = ()

    def restart(self):
        """An orderly restart (pg_ctl's "fast"), or a start after a kill. When it takes connections again."""
        self._local("restart")
        self.pid = int(self._local("pid"))
        return time.monotonic()

    def is_quiet(self):
        return not self.backends("state <> 'idle'")

    def stop(self):
        self.go_on()
        self._local("stop")


def send_signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it has ended by itself


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


def listen(address):
    return socket.create_server(address, family=socket.AF_INET6 if ":" in address[0] else socket.AF_INET)


class Proxy:
    """The network between a server and its database. Use as a context manager.

    delay_s   waits so long with everything that the database says
    holding   takes nothing from either side until it is False again (and loses nothing, as TCP does not)
    cut_at    ends the connection, or with `stalls` goes silent for ever, after that many more bytes
              that the database says; None for never
    """

    def __init__(self, port, address=("127.0.0.1", 0), listener=None):
        self.target = ("127.0.0.1", port)
        self.listener = listener or listen(address)
        self.port = self.listener.getsockname()[1]
        self.delay_s = 0
        self.holding = False
        self.cut_at = None
        self.stalls = False
        self.lock = threading.Lock()
        self.links = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self.links:
            link.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                database = socket.create_connection(self.target)
            except OSError:
                client.close()  # as if the database itself had refused it
                continue
            self.links += [client, database]
            threading.Thread(target=self._carry, args=(client, database), daemon=True).start()

    def _allowed(self, length):
        """How many of the bytes may pass before the cut; counted for all connections together."""
        with self.lock:
            if self.cut_at is None:
                return length
            allowed = min(length, self.cut_at)
            self.cut_at -= allowed
            if self.cut_at == 0 and allowed < length:
                self.cut_at = None  # one connection is cut, once
            return allowed

    def _carry(self, client, database):
        try:
            while True:
                if self.holding:
                    time.sleep(0.01)
                    continue
                for ready in select.select([client, database], [], [], 0.01)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is client:
                        database.sendall(data)
                        continue
                    time.sleep(self.delay_s)
                    allowed = self._allowed(len(data))
                    client.sendall(data[:allowed])
                    if allowed < len(data):
                        while self.stalls and client.recv(65536):
                            pass
                        return
        except (OSError, ValueError):
            pass  # one of the two has gone
        finally:
            client.close()
            database.close()
