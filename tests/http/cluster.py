"""A PostgreSQL to break: a cluster of the tests' own."""

import os
import signal
import subprocess
import time
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from project import ROOT


class Cluster:
    """A private cluster of db/local, which the suite's own never notices."""

    def __init__(self, name, folder=None, **environment):
        self.name = name
        self.env = os.environ | ({"TMPDIR": str(folder)} if folder else {}) | environment
        self._local("--parent", str(os.getpid()), "start")
        self.url = self._local("url")
        self.pid = int(self._local("pid"))
        self.data = self.sql("SHOW data_directory")[0][0]

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
