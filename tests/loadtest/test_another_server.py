"""A server is one line in a list: one that is no part of the project is measured beside the first of the project's,
and nothing of the project changes."""

import contextlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import psycopg2
import pytest
import test_run
from test_soundness import OPEN_ALONE
from waitbench.observe import server_stats
from waitbench.plan import server_list

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
URL = os.environ.get("DATABASE_URL")
FOREIGN = Path(__file__).with_name("foreign_server.py")
# Columns that stay empty, since the server has only the members of /stats that it must have.
EMPTY = "cpu_user_us_per_req cpu_sys_us_per_req ctx_voluntary_per_req ctx_involuntary_per_req rss_kib rss_peak_kib"
EMPTY = set((EMPTY + " threads server_cpu_share").split())

pytestmark = [
    test_run.pytestmark,
    pytest.mark.skipif(not URL, reason="no DATABASE_URL: tests/run has one"),
    pytest.mark.skipif(not (BUILD / "server-threaded").exists(), reason="server-threaded is not built"),
]


def changes():
    words = ["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=all"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def listed(tmp_path):
    """A copy of the list with one more line."""
    program = tmp_path / "elsewhere" / "server in another language"
    program.parent.mkdir()
    shutil.copy(FOREIGN, program)
    program.chmod(0o755)
    path = tmp_path / "servers.csv"
    line = f"foreign-1,another language,,'{program}' --no-option-of-ours,8084,#5b4bb5\n"
    path.write_text(server_list.DEFAULT.read_text().rstrip("\n") + "\n" + line)
    return path


def load(folder, path, **more):
    settings = {
        "SERVER_LIST": path, "SERVERS": "threaded foreign-1", "OUT": folder, "N": "1", "C": "4", "DURATION": "1",
        "WARMUP": "0.2", "REPEATS": "1", "STEAL_MAX": "1", "SYSCALLS": "none", "RETRIES": "8", "BUILD": BUILD,
        "DATABASE_URL": URL, "PORT": test_run.free_port(), "PYTHONDONTWRITEBYTECODE": "1",
    } | more  # fmt: skip
    environment = test_run.clean() | {name: str(value) for name, value in settings.items()}
    return subprocess.run([test_run.RUN], capture_output=True, text=True, timeout=200, env=environment)


def test_a_pool_that_the_database_does_not_allow_is_unsound(tmp_path, listed):
    """6 of 16 connections: the server says so itself, or PostgreSQL does."""
    few = re.sub(r"//[^@]*@", "//few:few@", URL)
    with contextlib.closing(psycopg2.connect(URL)) as link:
        link.autocommit = True
        admin = link.cursor()
        admin.execute("CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 7")
        admin.execute("ALTER TABLE world OWNER TO few; ALTER TABLE items OWNER TO few")
        try:
            done = load(tmp_path / "r", listed, DATABASE_URL=few, RETRIES=0, SERVERS="threaded")
        finally:
            admin.execute("ALTER TABLE world OWNER TO waitbench; ALTER TABLE items OWNER TO waitbench")
            admin.execute("DROP OWNED BY few; DROP ROLE few")
    assert done.returncode == 3, done.stderr
    assert "pool: before the load the server had 6 database connections and not 16" in done.stderr
    assert test_run.rows(tmp_path / "r") == []


def test_the_pool_of_a_server_that_does_not_count_it_is_counted_by_postgresql(tmp_path, listed):
    program = tmp_path / "elsewhere" / "server in another language"
    program.write_text(program.read_text().replace('int(os.environ["DB_POOL"])', "3"))
    done = load(tmp_path / "r", listed, RETRIES=0, SERVERS="foreign-1")
    assert done.returncode == 3, done.stderr
    assert "pool: before the load the server had 3 database connections and not 16" in done.stderr


def test_a_server_of_another_language_is_measured(tmp_path, listed):
    before, folder = changes(), tmp_path / "r"
    done = load(folder, listed)
    assert done.returncode == 0, done.stderr
    rows = {row["server"]: row for row in test_run.rows(folder)}
    assert set(rows) == {"threaded", "foreign-1"}
    assert all(float(row["rps"]) > 10 and row["errors"] == "0" for row in rows.values())
    assert {name for name, value in rows["foreign-1"].items() if not value} == EMPTY | OPEN_ALONE | {
        "flags"
    } - ({"flags"} if rows["foreign-1"]["flags"] else set())
    detail = {row["server"]: row for row in test_run.rows(folder, "detail.csv")}["foreign-1"]
    assert float(detail["queries_per_req"]) == pytest.approx(1, abs=0.1) and detail["connect_ms"] == ""
    assert "foreign-1" in done.stdout and "#5b4bb5" in (folder / "report.html").read_text()
    facts = json.loads((folder / "environment.json").read_text())
    assert [entry["name"] for entry in facts["server_list"]][-1] == "foreign-1"
    assert changes() == before


@pytest.mark.parametrize(
    "change, words",
    [
        ('{"pid": os.getpid(), "requests": 0}', "GET /stats has no 'queries', which a server must have"),
        ('{"pid": "x", "requests": 0, "queries": 0}', "GET /stats has pid='x', which is no number"),
        ("[]", "GET /stats is to be a JSON object"),
    ],
)
def test_a_server_without_what_it_must_have_is_a_sentence(tmp_path, listed, change, words):
    program = next((tmp_path / "elsewhere").iterdir())
    text = program.read_text().replace('{"pid": os.getpid(), "requests": 0, "queries": 0}', change)
    text = text.replace('STATS["requests"] += 1', "pass").replace('STATS["queries"] += n', "pass")
    program.write_text(text)
    done = load(tmp_path / "r", listed, SERVERS="foreign-1")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert words in done.stderr.splitlines()[-1]


def test_a_program_that_is_not_there_is_a_sentence(tmp_path, listed):
    shutil.rmtree(tmp_path / "elsewhere")
    done = load(tmp_path / "r", listed)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "server in another language is not there: build it with make" in done.stderr


def test_what_a_server_must_have_is_written_down():
    text = (ROOT / "loadtest" / "COLUMNS.md").read_text()
    section = text.partition("## What a server must say")[2].partition("\n## ")[0]
    assert all(f"`{name}`" in section for name in (*server_stats.REQUIRED, *server_stats.NUMBERS))
