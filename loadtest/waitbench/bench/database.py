"""The database of the experiment: a private one or the one that DATABASE_URL names, brought to the same state
before each run, and queried for what it has counted."""

import os
import re
import secrets
import subprocess
import time
from typing import Any, NamedTuple

import psycopg2
import psycopg2.errors

from .. import Failure, ROOT
from ..base import kernel, process
from ..observe import hosts, sampling

LOCAL = ROOT / "db" / "local"
SEED = ROOT / "db" / "seed.sql"
# Matches the statements of GET /work in this database, and none of those in this module. A driver that puts values into
# the text of an update (hits + 1) has its id as the second parameter.
OF_WORK = (
    "query ~ 'world' AND query ~ 'id = [$][0-9]'"
    " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
FILE_MOST = 65536  # bytes of a file of /proc; pg_read_file wants a size where a file may be missing


class Counts(NamedTuple):
    queries: int | None  # None: the database has no pg_stat_statements
    hits: int


class Database:
    def __init__(self, url: str):
        self.url = url
        self.name: str | None = None  # of the private cluster
        self.connection: Any = None
        try:
            if not url:
                self._start_private()
            self._connect()
        except BaseException:  # Ctrl-C too: a cluster that was half made is removed
            self.close()
            raise
        self.dirty = not self.name  # whether rows may differ from those of db/seed.sql

    def rows(self, sql: str) -> list[tuple]:
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            if self.connection.closed:
                raise Failure(f"the database is gone: {_first_line(error)}") from None
            raise

    def reset(self, writes: bool) -> None:
        """Restores the state that every run starts from. `writes`: whether the run will update rows."""
        if self.dirty:
            self.rows("TRUNCATE world, items RESTART IDENTITY")
            for statement in _statements(SEED.read_text()):
                self._try(statement)
            self.rows("SELECT sum(hits) FROM world")  # into the buffers
        elif writes:
            self._try("CHECKPOINT")
        self.dirty = writes

    def counts(self) -> Counts:
        """The work that the servers have given the database so far."""
        queries = None
        if self.counts_statements:
            found = self.rows(f"SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE {OF_WORK}")
            queries = int(found[0][0])
        return Counts(queries, int(self.rows("SELECT sum(hits) FROM world")[0][0]))

    def view(self) -> dict[str, int]:
        """The totals of pg_stat_database. They are exact once the servers' connections are closed: a backend
        reports its counts when it ends, and until then up to a second late. This connection's backend reports
        now."""
        self.rows("SELECT pg_stat_force_next_flush()")
        columns = "xact_commit", "blks_read", "blks_hit", "deadlocks"
        names = ", ".join(columns)
        found = self.rows(f"SELECT {names} FROM pg_stat_database WHERE datname = current_database()")
        return dict(zip(columns, found[0]))

    def await_alone(self, timeout: float = 2.0) -> bool:
        """Waits until the connections of a stopped server are closed; whether they are."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            others = self.rows(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            if others[0][0] == 0:
                return True
            time.sleep(0.005)
        return False

    def cpu_s(self) -> float | None:
        """Seconds of CPU of all processes of PostgreSQL so far. Where they run on another machine or in a
        container, PostgreSQL reads their figures; None when this user may not, who must be a superuser."""
        try:
            if self.postmaster:
                return sampling.tree_cpu(self.postmaster)
            return self._own_cpu_s() if self.host.boot_id else None
        except ProcessLookupError:
            raise Failure("the database is gone: its first process has ended") from None

    def postmaster_pid(self) -> int:
        """The process id in PostgreSQL's own namespace; 0 when it is not known."""
        try:
            return int(self.rows("SELECT pg_read_file('postmaster.pid')")[0][0].split()[0])
        except psycopg2.Error:  # without the right to, or from a service that has no files
            return self.postmaster or 0

    def place(self, cpus: set[int]) -> bool:
        """Moves PostgreSQL to these CPUs; its new processes follow. False for a cluster that is not private."""
        if not self.name or not self.postmaster:
            return False
        try:
            others = sampling.children(self.postmaster)
        except (OSError, ValueError):
            return False
        for pid in [self.postmaster] + others:
            try:
                os.sched_setaffinity(pid, cpus)
            except ProcessLookupError:
                continue
        return True

    def describe(self) -> dict[str, Any]:
        shown = "server_version", "shared_buffers", "fsync", "synchronous_commit", "max_connections", "jit"
        facts = {name: self.rows(f"SHOW {name}")[0][0] for name in shown}
        facts["private"] = bool(self.name)
        facts["socket"] = "unix" if self.connection.info.host.startswith("/") else "tcp"
        facts["counts_statements"] = self.counts_statements
        facts["libpq_of_the_load_test"] = psycopg2.__libpq_version__
        return facts

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        if self.name:
            process.run([LOCAL, "--name", self.name, "stop"], check=False, start_new_session=True)
            self.name = None

    def _connect(self) -> None:
        try:
            self.connection = psycopg2.connect(self.url, application_name="waitbench-loadtest")
            self.connection.autocommit = True
            self.rows("SELECT 1 FROM world LIMIT 1")
        except psycopg2.Error as error:
            raise Failure(f"the database cannot be used: {_first_line(error)}") from None
        self.counts_statements = self._has_statements()
        self.host = self._find_host()
        self.postmaster = self._find_postmaster()
        if self.postmaster:
            self.host = hosts.own()._replace(name=self.host.name)

    def _start_private(self) -> None:
        self.name = f"loadtest-{os.getpid()}-{secrets.token_hex(3)}"
        words = [str(LOCAL), "--name", self.name]
        started = process.run(
            words + ["--parent", str(os.getpid()), "start"],
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if started.returncode:
            last = (started.stdout.strip().splitlines() or ["db/local failed"])[-1]
            raise Failure(f"no private PostgreSQL: {last}")
        self.url = process.run(words + ["url"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def _has_statements(self) -> bool:
        try:
            self.rows("SELECT count(*) FROM pg_stat_statements")
            return True
        except psycopg2.Error:
            return False

    def _find_host(self) -> hosts.Host:
        """By its kernel's boot id, which PostgreSQL reads for a superuser. Other users learn its address only."""
        name = self.connection.info.host
        try:
            boot_id = hosts.parse_boot_id(self._file(hosts.BOOT_ID))
            stat = self._file("proc/stat")
        except (psycopg2.Error, OSError, ValueError):
            return hosts.Host(name, "", None, "")
        return hosts.Host(name, boot_id, len(re.findall(r"^cpu\d", stat, re.M)) or None, "")

    def _file(self, path: str) -> str:
        """The contents of a file of the database's machine, in PostgreSQL's own container, by its path below the
        root."""
        ((text,),) = self.rows(f"SELECT pg_read_file('/{path}', 0, {FILE_MOST}, true)")
        if text is None:
            raise FileNotFoundError(path)
        return text

    def _own_cpu_s(self) -> float | None:
        try:
            parent, _ = sampling.parse_pid_stat(self._file("proc/self/stat"))  # of this connection's backend
            return sampling.tree_cpu(parent, self._file)
        except (psycopg2.Error, OSError, ValueError, LookupError):
            return None

    def _find_postmaster(self) -> int | None:
        """The parent of this connection's backend, when the backend is a process of this machine and namespace."""
        if self.host.boot_id and not self.host.here:
            return None  # another process here may have the same number
        backend = self.connection.info.backend_pid
        if not (kernel.text(f"proc/{backend}/comm") or "").startswith("postgres"):
            return None
        found = kernel.read(f"proc/{backend}/stat", sampling.parse_pid_stat)
        if not found or found[0] <= 0 or sampling.has_ended(found[0]):
            return None
        return found[0]

    def _try(self, statement: str) -> None:
        """VACUUM and CHECKPOINT may be forbidden to this user: PostgreSQL then logs a warning."""
        try:
            self.rows(statement)
        except psycopg2.errors.InsufficientPrivilege:
            pass


def _statements(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
