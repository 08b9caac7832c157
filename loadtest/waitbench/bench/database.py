"""The database of the experiment: a private one or the one that DATABASE_URL names, brought to the
same state before each run, and asked what it has counted."""

import os
import re
import secrets
import subprocess
import time
from typing import NamedTuple

import psycopg2

from .. import Failure, ROOT
from ..observe import hosts, sampling

LOCAL = ROOT / "db" / "local"
SEED = ROOT / "db" / "seed.sql"
# The statements of GET /work, and none of those in here.
OURS = "query LIKE '%world%' AND query LIKE '%id = $1%'"
FILE_MOST = 65536  # bytes of a file of /proc; a size must be named for a file that may be gone


class Counts(NamedTuple):
    queries: int | None  # None: the database has no pg_stat_statements
    hits: int


class Database:
    def __init__(self, url):
        self.url = url
        self.name = None  # of the private cluster
        self.connection = None
        try:
            if not url:
                self._start_private()
            self._connect()
        except BaseException:  # Ctrl-C too: a cluster that is half there is taken down
            self.close()
            raise
        self.dirty = not self.name  # whether somebody may have changed rows

    def rows(self, sql):
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            if self.connection.closed:
                raise Failure(f"the database is gone: {_first_line(error)}") from None
            raise

    def reset(self, writes):
        """The state that every run starts from. `writes`: whether the run will update rows."""
        if self.dirty:
            self.rows("TRUNCATE world, items RESTART IDENTITY")
            for statement in _statements(SEED.read_text()):
                self._try(statement)
            self.rows("SELECT sum(hits) FROM world")  # into the buffers
        elif writes:
            self._try("CHECKPOINT")
        self.dirty = writes

    def counts(self):
        """What the servers have had it do so far."""
        queries = None
        if self.counts_statements:
            found = self.rows(f"SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE {OURS}")
            queries = int(found[0][0])
        return Counts(queries, int(self.rows("SELECT sum(hits) FROM world")[0][0]))

    def view(self):
        """Its own totals (pg_stat_database). Exact once the servers' connections are gone: a backend
        hands in its counts when it ends, and until then up to a second late. Ours does so now."""
        self.rows("SELECT pg_stat_force_next_flush()")
        columns = "xact_commit", "blks_read", "blks_hit", "deadlocks"
        names = ", ".join(columns)
        found = self.rows(f"SELECT {names} FROM pg_stat_database WHERE datname = current_database()")
        return dict(zip(columns, found[0]))

    def await_alone(self, timeout=2.0):
        """Waits until the connections of a stopped server are gone; whether they are."""
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

    def cpu_s(self):
        """Seconds of CPU of the whole of PostgreSQL so far. Where its processes are not seen from here, it
        reads their figures itself; None when it may not, which wants a superuser."""
        try:
            if self.postmaster:
                return sampling.tree_cpu(self.postmaster)
            return self._own_cpu_s() if self.host.boot_id else None
        except OSError:
            raise Failure("the database is gone: its first process has ended") from None

    def postmaster_pid(self):
        """As PostgreSQL itself knows it; 0 when it does not tell us."""
        try:
            return int(self.rows("SELECT pg_read_file('postmaster.pid')")[0][0].split()[0])
        except psycopg2.Error:  # a right that we do not have, or a service that has no files
            return self.postmaster or 0

    def place(self, cpus):
        """Puts PostgreSQL on these CPUs; new processes of it follow. False when it is not ours to move."""
        if not self.name or not self.postmaster:
            return False
        for pid in [self.postmaster] + sampling.children(self.postmaster):
            try:
                os.sched_setaffinity(pid, cpus)
            except ProcessLookupError:
                continue
        return True

    def describe(self):
        shown = "server_version", "shared_buffers", "fsync", "synchronous_commit", "max_connections", "jit"
        facts = {name: self.rows(f"SHOW {name}")[0][0] for name in shown}
        facts["private"] = bool(self.name)
        facts["socket"] = "unix" if self.connection.info.host.startswith("/") else "tcp"
        facts["counts_statements"] = self.counts_statements
        facts["libpq_of_the_load_test"] = psycopg2.__libpq_version__
        return facts

    def close(self):
        if self.connection:
            self.connection.close()
        if self.name:
            subprocess.run([LOCAL, "--name", self.name, "stop"], check=False, start_new_session=True)
            self.name = None

    def _connect(self):
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

    def _start_private(self):
        self.name = f"loadtest-{os.getpid()}-{secrets.token_hex(3)}"
        words = [LOCAL, "--name", self.name]
        started = subprocess.run(
            words + ["--parent", str(os.getpid()), "start"],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if started.returncode:
            last = (started.stdout.strip().splitlines() or ["db/local failed"])[-1]
            raise Failure(f"no private PostgreSQL: {last}")
        self.url = subprocess.run(
            words + ["url"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    def _has_statements(self):
        try:
            self.rows("SELECT count(*) FROM pg_stat_statements")
            return True
        except psycopg2.Error:
            return False

    def _find_host(self):
        """By its kernel's boot id, which PostgreSQL reads for a superuser; else only its address is known."""
        name = self.connection.info.host
        try:
            boot_id, stat = self._files(hosts.BOOT_ID, sampling.PROC / "stat")
        except psycopg2.Error:
            return hosts.Host(name, "", None, "")
        return hosts.Host(name, boot_id.strip(), len(re.findall(r"^cpu\d", stat, re.M)), "")

    def _files(self, *paths):
        """What files of the database's machine hold, as its own container sees them; None for one that is gone."""
        columns = ", ".join(f"pg_read_file('{path}', 0, {FILE_MOST}, true)" for path in paths)
        return self.rows(f"SELECT {columns}")[0]

    def _own_cpu_s(self):
        def read(path):
            (text,) = self._files(path)
            if text is None:
                raise FileNotFoundError(path)
            return text

        stat = read(sampling.PROC / "self" / "stat")  # of our own backend
        return sampling.tree_cpu(sampling.parse_pid_stat(stat)[0], read)

    def _find_postmaster(self):
        """The parent of our own backend, when that is a process that is seen from here."""
        if self.host.boot_id and not self.host.here:
            return None  # a process here may have the same number
        backend = self.connection.info.backend_pid
        try:
            if not (sampling.PROC / str(backend) / "comm").read_text().startswith("postgres"):
                return None
            parent = sampling.parse_pid_stat((sampling.PROC / str(backend) / "stat").read_text())[0]
            sampling.tree_cpu(parent)
            return parent
        except OSError:
            return None

    def _try(self, statement):
        """VACUUM and CHECKPOINT may be forbidden to us in somebody's database: a warning in its log."""
        try:
            self.rows(statement)
        except psycopg2.errors.InsufficientPrivilege:
            pass


def _statements(text):
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


def _first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
