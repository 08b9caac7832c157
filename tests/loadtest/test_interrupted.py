"""SIGINT and SIGTERM, where the database is another's: the load test ends, and the rows are those of db/seed.sql."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg2
import pytest
import test_run

from waitbench.bench import session

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
URL = os.environ.get("DATABASE_URL")
SIGNALS = [signal.SIGINT, signal.SIGTERM]
WAITS = (
    f"SELECT 1 FROM pg_stat_activity WHERE application_name = '{session.NAME}' AND wait_event_type = 'Lock'"
)

pytestmark = [
    test_run.pytestmark,
    pytest.mark.skipif(not URL, reason="no DATABASE_URL: tests/run has one"),
    pytest.mark.skipif(not (BUILD / "server-threaded").exists(), reason="server-threaded is not built"),
]


@pytest.fixture
def link():
    with contextlib.closing(psycopg2.connect(URL)) as found:
        found.autocommit = True
        yield found


@pytest.fixture
def running(tmp_path):
    """loadtest/run in the middle of what takes a minute."""
    settings = {
        "SERVERS": "threaded", "OUT": tmp_path / "r", "N": 1, "W": 1, "C": 4, "DURATION": 60, "WARMUP": 0, "REPEATS": 1,
        "STEAL_MAX": 1, "SYSCALLS": "none", "BUILD": BUILD, "DATABASE_URL": URL, "PORT": test_run.free_port(),
        "PYTHONDONTWRITEBYTECODE": 1,
    }  # fmt: skip
    environment = test_run.clean() | {name: str(value) for name, value in settings.items()}
    child = subprocess.Popen(
        [test_run.PYTHON, test_run.RUN],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    yield child
    child.kill()
    child.wait()


def one(link, sql):
    with link.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def until(holds):
    deadline = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_that_writes_is_undone(link, running, number):
    until(lambda: (one(link, "SELECT sum(hits) FROM world")[0] or 0) > 50)
    running.send_signal(number)
    said = running.communicate(timeout=30)[1]
    assert running.returncode == 130 and "Traceback" not in said
    assert one(link, "SELECT count(*), sum(hits)::int FROM world") == (100_000, 0)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_wait_for_a_lock_ends_at_once(link, running, number):
    with contextlib.closing(psycopg2.connect(URL)) as holder:
        holder.cursor().execute("SELECT 1 FROM world LIMIT 1")
        until(lambda: one(link, WAITS))
        running.send_signal(number)
        said = running.communicate(timeout=10)[1]
    assert running.returncode == 130 and said.splitlines()[-1].startswith("loadtest/run: interrupted")
    until(lambda: not one(link, WAITS.partition("AND wait")[0]))
    assert one(link, "SELECT count(*) FROM world") == (100_000,)
