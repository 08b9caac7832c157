"""A session with PostgreSQL that Ctrl-C can end, that waits for a lock for seconds only, and whose errors are
sentences."""

import contextlib
import math
import select
import time
from typing import Any, Iterator

import psycopg2
import psycopg2.errors
from psycopg2 import extensions

from .. import Failure
from . import database_url

CONNECT_S = 10  # until PostgreSQL must have let the load test in
LOCK_S = 3  # for which a statement waits for somebody else's lock
NAME = "waitbench-loadtest"
ADVICE: dict[Any, str] = {
    psycopg2.errors.InsufficientPrivilege: "let DATABASE_URL name the owner of the tables world and items",
    psycopg2.errors.UndefinedTable: "load db/schema.sql and then db/seed.sql into the database",
    psycopg2.errors.UndefinedColumn: "load db/schema.sql and then db/seed.sql into a database of its own",
    psycopg2.errors.FeatureNotSupported: "give the load test a database of its own",
    psycopg2.errors.TooManyConnections: "end other sessions, or raise the limit by one",
}
# Any granted lock on a table is in the way of ACCESS EXCLUSIVE, which TRUNCATE takes. A prepared transaction has
# no process.
HOLDERS = """
    SELECT l.pid, nullif(a.application_name, ''), a.usename, a.state
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.granted AND l.relation IN (to_regclass('world'), to_regclass('items'))
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.pid IS DISTINCT FROM pg_backend_pid()
    ORDER BY a.xact_start LIMIT 1
"""


class Session:
    def __init__(self, url: str):
        """Raises Failure."""
        if url and database_url.parameters(url) is None:
            raise Failure(database_url.ADVICE)
        extensions.set_wait_callback(_wait)
        try:
            self.link = psycopg2.connect(url, application_name=NAME)
            self.link.autocommit = True
            self.query(f"SET lock_timeout = '{LOCK_S}s'")
        except psycopg2.Error as error:
            address = database_url.shown(url)
            raise Failure(
                f"the database {address} cannot be used: {first_line(error)}{_advice(error)}"
            ) from None

    def rows(self, sql: str, allowed: tuple = ()) -> list[tuple]:
        """Raises Failure; but what is `allowed` to go wrong (classes of psycopg2.errors) returns no rows."""
        try:
            return self.query(sql)
        except psycopg2.Error as error:
            if isinstance(error, allowed):
                return []
            raise self.failure(error) from None

    def query(self, sql: str) -> list[tuple]:
        """Raises psycopg2.Error, for those who go on without what they asked for."""
        with self.link.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, also when it is interrupted. Raises Failure."""
        self.rows("BEGIN")
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def failure(self, error: psycopg2.Error) -> Failure:
        if self.link.closed:
            return Failure(f"the database is gone: {first_line(error)}")
        self._roll_back()
        if isinstance(error, psycopg2.errors.LockNotAvailable):
            return Failure(self._who_locks())
        detail = f" ({error.diag.message_detail.rstrip('.')})" if error.diag.message_detail else ""
        return Failure(
            f"the database refuses what the load test needs: {first_line(error)}{detail}{_advice(error)}"
        )

    def close(self) -> None:
        self.link.close()

    def _roll_back(self) -> None:
        if self.link.closed or self.link.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE:
            return
        with contextlib.suppress(psycopg2.Error):
            self.query("ROLLBACK")

    def _who_locks(self) -> str:
        waited = f"the tables world and items were locked by somebody else for {LOCK_S} s"
        try:
            found = self.query(HOLDERS)
        except psycopg2.Error:
            found = []
        if not found:
            return f"{waited}: start again"
        pid, program, user, state = found[0]
        if pid is None:
            return (
                f"{waited}, by a prepared transaction: commit it or roll it back (pg_prepared_xacts lists it)"
            )
        who = ", ".join(filter(None, [program, user and f"user {user}", state]))
        who = f"process {pid} of PostgreSQL" + (f" ({who})" if who else "")
        return f"{waited}, {who}: end its transaction, or the process with SELECT pg_terminate_backend({pid})"


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _advice(error: psycopg2.Error) -> str:
    return next((f": {words}" for kind, words in ADVICE.items() if isinstance(error, kind)), "")


def _wait(link: Any) -> None:
    """psycopg2 calls it instead of waiting in libpq, where no signal handler of Python would run. What it raises
    closes the connection; but a statement that waits for a lock would live on, and run when the lock is free.
    """
    connecting = link.status not in (extensions.STATUS_READY, extensions.STATUS_BEGIN)
    deadline = time.monotonic() + CONNECT_S if connecting else math.inf
    try:
        while (state := link.poll()) != extensions.POLL_OK:
            poller = select.poll()
            poller.register(link.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
            left = None if deadline == math.inf else max(0.0, deadline - time.monotonic()) * 1000
            if not poller.poll(left):
                raise psycopg2.OperationalError(f"it did not respond within {CONNECT_S} s")
    except psycopg2.Error:
        raise
    except BaseException:
        with contextlib.suppress(psycopg2.Error):
            link.cancel()
        raise
