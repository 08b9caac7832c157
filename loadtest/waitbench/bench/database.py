"""The database of the experiment: a private one or the one that DATABASE_URL names, brought to the same state
before each run, and queried for what it has counted."""

import functools
import os
import re
import secrets
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
import psycopg2.errors

from .. import Failure, ROOT
from ..base import kernel, process
from ..judge import accounting
from ..observe import cgroups, hosts, sampling
from . import seed, session, statements

LOCAL = ROOT / "db" / "local"
FLUSH_S = 0.6  # PostgreSQL 14 and older report a session's counts after 0.5 s, and to a process of their own
FILE_MOST = 65536  # bytes of a file of /proc; pg_read_file wants a size where a file may be missing


class Counts(NamedTuple):
    queries: int | None  # None: the database does not count them
    hits: int


class Database:
    """Its methods raise Failure where they cannot do what they are for."""

    def __init__(self, url: str, may_delete: bool = False):
        """`may_delete`: also rows that db/seed.sql cannot make again."""
        self.url, self.may_delete = url, may_delete
        self.name: str | None = None  # of the private cluster
        self.session: session.Session | None = None
        try:
            if not url:
                self._start_private()
            self._connect()
        except BaseException:  # Ctrl-C too: a cluster that was half made is removed
            self.close()
            raise
        self.dirty = not self.name  # whether rows may differ from those of db/seed.sql
        self.written = False  # whether a run of ours made them differ
        self.filled = False  # whether a run of ours has put rows into items

    def rows(self, sql: str, allowed: tuple = ()) -> list[tuple]:
        assert self.session
        return self.session.rows(sql, allowed)

    def reset(self, writes: bool) -> None:
        """Restores the state that every run starts from. `writes`: whether the run will update rows."""
        assert self.session
        if self.dirty:
            seed.restore(self.session, self.may_delete or bool(self.name))
        elif writes:
            seed.try_to(self.session, "CHECKPOINT")
        self.dirty = self.written = writes

    def restore(self) -> str | None:
        """At the end, also after an interrupt: another's database gets back the rows that a run updated. A sentence
        when that is not possible."""
        if not (self.written or self.filled) or self.name or not self.session:
            return None
        try:
            if self.session.link.closed:
                self.session = session.Session(self.url)
            self.reset(writes=False)
            if self.filled:
                seed.empty_items(self.session)
            return None
        except Failure as failure:
            left = "the rows of items" if self.filled else "the counts of updates (world.hits)"
            return f"{left} are left as the last run made them: {failure}"

    def fill_items(self) -> None:
        """The rows that every run of WORKLOAD=crud starts from."""
        assert self.session
        self.filled = True
        seed.fill_items(self.session)

    def items(self) -> accounting.Table:
        ((rows, updates),) = self.rows("SELECT count(*), coalesce(sum(version - 1), 0)::bigint FROM items")
        return accounting.Table(rows, updates)

    def item_queries(self) -> int | None:
        """Statements about items that the servers have run so far; None where the database does not count them."""
        return self.rows(statements.ITEM_CALLS)[0][0] if self.counts_statements else None

    def counts(self) -> Counts:
        """The work that the servers have given the database so far."""
        queries = None
        if self.counts_statements:
            ((queries,),) = self.rows(statements.CALLS)
        ((hits,),) = self.rows("SELECT coalesce(sum(hits), 0)::bigint FROM world")
        return Counts(queries, hits)

    def view(self) -> dict[str, int]:
        """The totals of pg_stat_database. They are exact once the servers' connections are closed: a backend
        reports its counts when it ends, and until then up to a second late. This connection's backend reports
        now."""
        if not self.rows("SELECT pg_stat_force_next_flush()", (psycopg2.errors.UndefinedFunction,)):
            time.sleep(FLUSH_S)
            self.rows("SELECT 1")
            time.sleep(FLUSH_S)
        columns = "xact_commit", "blks_read", "blks_hit", "deadlocks"
        names = ", ".join(columns)
        found = self.rows(f"SELECT {names} FROM pg_stat_database WHERE datname = current_database()")
        return dict(zip(columns, found[0]))

    def checkpoints(self) -> int | None:
        """That the checkpointer has reported so far: soon after the start of one that is spread over time, and at the
        end of one at once. None where the database does not say; a load goes on without."""
        assert self.session
        counted = (
            "num_timed + num_requested FROM pg_stat_checkpointer"
            if self.session.link.server_version >= 170000
            else "checkpoints_timed + checkpoints_req FROM pg_stat_bgwriter"
        )
        try:
            return self._query(f"SELECT {counted}")[0][0]
        except psycopg2.Error:
            return None

    def await_alone(self, timeout: float = 2.0) -> bool:
        """Waits until the connections of a stopped server are closed; whether they are."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self.clients():
                return True
            time.sleep(0.005)
        return False

    def clients(self) -> set[int]:
        """The process ids of the sessions of other programs."""
        found = self.rows(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return {pid for pid, in found}

    def cpu_s(self) -> float | None:
        """Seconds of CPU of all processes of PostgreSQL so far. Where they run on another machine or in a
        container, PostgreSQL reads their figures; None when the user is no superuser and so may not ask."""
        try:
            if self.postmaster:
                return sampling.tree_cpu(self.postmaster)
            return self._own_cpu_s() if self.host.boot_id else None
        except ProcessLookupError:
            raise Failure("the database is gone: its first process has ended") from None
        except psycopg2.Error as error:
            assert self.session
            raise self.session.failure(error) from None

    def throttled_s(self) -> float | None:
        """Seconds for which a CPU limit of its control group has stopped PostgreSQL; None where that is not known."""
        return cgroups.throttled_s(self._group, self._text) if self._group else None

    @functools.cached_property
    def _group(self) -> cgroups.Group | None:
        """Found when a run first asks, which is after the database was given its place (cpu_groups.arrange)."""
        if self.postmaster:
            return cgroups.group_of(self.postmaster)
        return cgroups.group_of("self", self._text) if self.host.boot_id else None

    def _text(self, path: str | Path) -> str | None:
        """A file of the machine on which PostgreSQL runs; of `self`, this connection's backend in its own container."""
        if self.postmaster:
            return kernel.text(path)
        try:
            return self._file(str(path).lstrip("/"))
        except (psycopg2.Error, OSError):
            return None

    def postmaster_pid(self) -> int:
        """The process id in PostgreSQL's own namespace; 0 when it is not known."""
        try:
            return int(self._query("SELECT pg_read_file('postmaster.pid')")[0][0].split()[0])
        except psycopg2.Error:  # without the right to, or from a service that has no files
            return self.postmaster or 0

    def processes(self) -> list[int]:
        """The ids of PostgreSQL's processes; empty where they are not processes of this machine and namespace, or
        the kernel does not say."""
        if not self.postmaster:
            return []
        try:
            return [self.postmaster, *sampling.children(self.postmaster)]
        except (OSError, ValueError):
            return []

    def place(self, cpus: set[int]) -> bool:
        """Moves PostgreSQL to these CPUs; its new processes follow. False for a cluster that is not private."""
        processes = self.processes() if self.name else []
        for pid in processes:
            try:
                os.sched_setaffinity(pid, cpus)
            except ProcessLookupError:
                continue
        return bool(processes)

    def describe(self) -> dict[str, Any]:
        shown = "server_version", "shared_buffers", "fsync", "synchronous_commit", "max_connections", "jit"
        facts = {name: self.rows(f"SHOW {name}")[0][0] for name in shown}
        facts["private"] = bool(self.name)
        facts["socket"] = "unix" if self._info.host.startswith("/") else "tcp"
        facts["counts_statements"] = self.counts_statements
        facts["libpq_of_the_load_test"] = psycopg2.__libpq_version__
        return facts

    def close(self) -> None:
        if self.session:
            self.session.close()
        if self.name:
            process.run([LOCAL, "--name", self.name, "stop"], check=False, start_new_session=True)
            self.name = None

    @property
    def counts_statements(self) -> bool:
        return self.uncounted is None

    @property
    def _info(self) -> Any:
        assert self.session
        return self.session.link.info

    def _query(self, sql: str) -> list[tuple]:
        """Raises psycopg2.Error."""
        assert self.session
        return self.session.query(sql)

    def _connect(self) -> None:
        self.session = session.Session(self.url)
        self.rows("SELECT 1 FROM world LIMIT 1")
        self.uncounted = statements.why_uncounted(self.session)
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

    def _find_host(self) -> hosts.Host:
        """By its kernel's boot id, which PostgreSQL reads for a superuser. Other users learn its address only."""
        name = self._info.host
        try:
            boot_id = hosts.parse_boot_id(self._file(hosts.BOOT_ID))
            stat = self._file("proc/stat")
        except (psycopg2.Error, OSError, ValueError):
            return hosts.Host(name, "", None, "")
        return hosts.Host(name, boot_id, len(re.findall(r"^cpu\d", stat, re.M)) or None, "")

    def _file(self, path: str) -> str:
        """The contents of a file of the database's machine, in PostgreSQL's own container, by its path below the
        root. Raises psycopg2.Error or FileNotFoundError."""
        ((text,),) = self._query(f"SELECT pg_read_file('/{path}', 0, {FILE_MOST}, true)")
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
        backend = self._info.backend_pid
        if not (kernel.text(f"proc/{backend}/comm") or "").startswith("postgres"):
            return None
        found = kernel.read(f"proc/{backend}/stat", sampling.parse_pid_stat)
        if not found or found[0] <= 0 or sampling.has_ended(found[0]):
            return None
        return found[0]
