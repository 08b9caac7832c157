"""python-wsgi: a thread per request. gunicorn's gthread worker, Bottle, and psycopg 3 with its connection pool."""

import json
import threading
import time
import weakref
from typing import Callable

import psycopg
from bottle import Bottle, HTTPError, HTTPResponse, request
from gunicorn.workers.gthread import ThreadWorker
from psycopg.types.numeric import Int4
from psycopg_pool import ConnectionPool

import work
from shared import settings, stats
from stats import CONNECTIONS_ACCEPTED, CONNECTIONS_OPEN, DB_CONNECTS, DB_LOST

if psycopg.pq.__impl__ != "c":
    raise ImportError("psycopg has no C implementation here, and is many times slower without")

READ = "SELECT value FROM world WHERE id = %(id)s"
UPDATE = "UPDATE world SET hits = hits + 1 WHERE id = %(id)s RETURNING value"
SLOW_READ = "SELECT value FROM world, pg_sleep(%(s)s) WHERE id = %(id)s"
SLOW_UPDATE = "UPDATE world SET hits = hits + 1 FROM pg_sleep(%(s)s) WHERE id = %(id)s RETURNING value"
DATABASE_ERRORS = (psycopg.Error,)
CONNECT = {
    "autocommit": True,
    "prepare_threshold": 0,  # a statement is prepared when it is first used
    "application_name": f"waitbench-{settings.model}",
    "connect_timeout": 10,
}


def check_database() -> None:
    """Raises one of DATABASE_ERRORS."""
    psycopg.connect(settings.database_url, **CONNECT).close()


def close() -> None:
    """Ends the pool's threads, when the worker ends."""
    if database:
        database.pool.close()


class Database:
    """This worker's share of the pool, in the thread of the caller."""

    def __init__(self, size: int, row: memoryview):
        self.row = row
        self.connections: weakref.WeakSet = weakref.WeakSet()
        self.open = 0
        self.lock = threading.Lock()
        self.pool = ConnectionPool(
            settings.database_url,
            kwargs=CONNECT,
            configure=self._add,
            min_size=size,
            max_size=size,
            max_lifetime=1e9,  # s: connections are kept
            timeout=settings.pool_timeout,
            # An attempt to connect again fails after this time, and check() begins another: one attempt alone
            # would wait twice as long before each new try.
            reconnect_timeout=1,
            reconnect_failed=lambda pool: pool.check(),
            open=True,
        )
        self.pool.wait(30)  # when many servers start at once on a small machine

    def run(self, asked: work.Work) -> int:
        """The sum of what the queries return. Raises psycopg.Error."""
        if not self.open:
            raise psycopg.OperationalError("no database connection is left")
        read, update, parameters = READ, UPDATE, {}
        if asked.d:
            read, update, parameters = SLOW_READ, SLOW_UPDATE, {"s": asked.d / 1000}
        total = 0
        try:
            with self.pool.connection() as connection, connection.cursor(binary=True) as cursor:
                for id, updates in asked.rows():
                    # Of one type, and so of one prepared statement: a plain int is an int2 or an int4.
                    parameters["id"] = Int4(id)
                    cursor.execute(update if updates else read, parameters)
                    total += cursor.fetchone()[0]
        except psycopg.Error:
            self._note()
            raise
        return total

    def _add(self, connection: psycopg.Connection) -> None:
        with self.lock:
            self.connections.add(connection)
            self.row[DB_CONNECTS] += 1
        self._note()

    def _note(self) -> None:
        with self.lock:
            self.open = sum(not connection.closed for connection in self.connections)
            self.row[DB_LOST] = self.row[DB_CONNECTS] - self.open


class _Listener:
    """Counts what is accepted there."""

    def __init__(self, listener, row: memoryview):
        self.listener, self.row = listener, row

    def accept(self):
        accepted = self.listener.accept()
        self.row[CONNECTIONS_ACCEPTED] += 1
        return accepted


class Worker(ThreadWorker):
    """gunicorn's own, and what it knows of its connections is counted."""

    def init_process(self):
        global database, count
        self.row = stats.rows[self.index]
        count = stats.counter(self.row)
        try:
            database = Database(settings.share_of_pool(self.index), self.row)
        except psycopg.Error as error:
            stats.cannot_serve(error)
        stats.set_ready(self.index)
        super().init_process()

    def accept(self, server, listener):
        super().accept(server, _Listener(listener, self.row))

    def murder_keepalived(self):  # at each turn of the worker's loop
        super().murder_keepalived()
        self.row[CONNECTIONS_OPEN] = self.nr_conns


# Of this worker.
database: Database | None = None
count: Callable[[int, int], None] = lambda status, queries: None

app = Bottle()


def respond(status: int, body: bytes, queries: int = 0) -> HTTPResponse:
    count(status, queries)
    return HTTPResponse(body, status, content_type="application/json")


@app.get("/work")
def get_work():
    try:
        asked = work.parse(request.query_string, settings.defaults)
    except work.BadParameter as error:
        return respond(400, work.problem(400, str(error)))
    if asked.t:
        time.sleep(asked.t / 1000)
    try:
        total = database.run(asked) if asked.n else 0
    except psycopg.Error as error:
        return respond(503, work.problem(503, f"the database: {error}"))
    return respond(200, asked.body(total), asked.n)


@app.get("/healthz")
def healthz():
    return respond(200, b'{"status":"ok"}')


@app.get("/readyz")
def readyz():
    try:
        database.run(work.ONE_QUERY)
    except psycopg.Error as error:
        return respond(503, work.problem(503, f"the database: {error}"))
    return respond(200, b'{"status":"ready"}')


@app.get("/stats")
def get_stats():
    return respond(200, json.dumps(stats.document()).encode())


def on_error(error: HTTPError) -> bytes:
    """Another path, another method, or a mistake of this program."""
    count(error.status_code, 0)
    error.content_type = "application/json"
    return work.problem(error.status_code, error.status_line[4:])


app.default_error_handler = on_error
