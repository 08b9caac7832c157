"""A PostgreSQL to break: a cluster of the tests' own."""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from project import ROOT


PR_SET_CHILD_SUBREAPER = 36
prctl = ctypes.CDLL(None).prctl


@contextlib.contextmanager
def adopting():
    """What is orphaned meanwhile becomes a child of this process. An init that reaps once a second would leave a killed
    postmaster as a zombie for so long, and pg_ctl takes a zombie for a PostgreSQL that runs."""
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def reap(pid):
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


class Cluster:
    """A private cluster of db/local, which the suite's own never notices."""

    def __init__(self, name, folder=None, **environment):
        self.name = name
        self.env = os.environ | ({"TMPDIR": str(folder)} if folder else {}) | environment
        with adopting():
            self._local("--parent", str(os.getpid()), "start")
        self.url = self._local("url")
        self.data = self.sql("SHOW data_directory")[0][0]
        self.pid = self._pid()
        # Tests end processes and never the machine: what a killed PostgreSQL has written, the kernel has. With fsync it
        # would spend seconds of each recovery on files that no test needs on the disk.
        self.sql("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    def _pid(self):
        return int(pathlib.Path(self.data, "postmaster.pid").read_text().split()[0])

    def _local(self, *args):
        done = subprocess.run(
            [ROOT / "db/local", "--name", self.name, *args],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
        )
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
        return [
            pid
            for pid, in self.sql(
                f"SELECT pid FROM pg_stat_activity WHERE application_name ~ '^waitbench' AND {where}"
            )
        ]

    def terminate(self, where="true"):
        """Ends those sessions, and returns when they have ended. How many there were."""
        return self.number(
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
            f"WHERE application_name ~ '^waitbench' AND {where}"
        )

    def children(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
            return [int(pid) for pid in file.read().split()]

    def kill(self, with_children):
        """SIGKILL. Without its children, a postmaster leaves backends that serve until they notice that it has gone."""
        for pid in [self.pid, *(self.children() if with_children else [])]:
            send_signal(pid, signal.SIGKILL)
        reap(self.pid)

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
        before = self.pid
        with adopting():
            self._local("restart")
        up = time.monotonic()
        reap(before)
        self.pid = self._pid()
        return up

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
