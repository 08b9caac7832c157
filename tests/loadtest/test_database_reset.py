"""The rows of another's database: restored whole or not at all, never deleted unasked, and never waited for long."""

import contextlib
import os
import signal
import threading
import time

import psycopg2
import pytest

from waitbench import Failure
from waitbench.bench import database, session

URL = os.environ.get("DATABASE_URL")
WHOLE = [(100_000, 0)]
OLD_FLUSH = "pg_catalog.pg_stat_force_next_flush"

pytestmark = pytest.mark.skipif(not URL, reason="no DATABASE_URL: tests/run has one")


class Stop(Exception):
    """What a signal handler raises."""


@pytest.fixture
def db():
    found = database.Database(URL)
    yield found
    found.rows("TRUNCATE items")
    found.reset(writes=False)
    found.close()


@pytest.fixture
def holder():
    """A session that somebody has left in a transaction, until a test has waited too long."""
    with contextlib.closing(psycopg2.connect(URL, application_name="somebody")) as link:
        release = threading.Timer(15, link.close)
        release.start()
        yield link
        release.cancel()


def rows(db):
    return db.rows("SELECT count(*), sum(hits)::int FROM world")


@pytest.mark.parametrize(
    "statement", ["SELECT 1 FROM world LIMIT 1", "LOCK TABLE world", "SELECT 1 FROM items"]
)
def test_who_locks_the_tables_is_named_within_seconds(db, holder, statement):
    holder.cursor().execute(statement)
    begin = time.monotonic()
    with pytest.raises(Failure) as raised:
        db.reset(writes=False)
    assert time.monotonic() - begin < session.LOCK_S + 3
    pid = holder.info.backend_pid
    assert f"process {pid} of PostgreSQL (somebody, user waitbench, idle in transaction)" in str(raised.value)
    holder.rollback()
    assert rows(db) == WHOLE


def test_a_table_that_is_locked_at_the_start_is_a_sentence(holder):
    holder.cursor().execute("LOCK TABLE world")
    with pytest.raises(Failure, match=f"process {holder.info.backend_pid} of PostgreSQL"):
        database.Database(URL)


def test_a_signal_ends_the_wait_for_a_lock_and_the_rows_are_whole(db, holder):
    def on_signal(number, frame):
        raise Stop

    holder.cursor().execute("SELECT 1 FROM world LIMIT 1")
    before = signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    begin = time.monotonic()
    try:
        with pytest.raises(Stop):
            db.reset(writes=False)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begin < 2
    holder.rollback()
    again = database.Database(URL)
    assert rows(again) == WHOLE
    again.close()
    db.session = session.Session(URL)


def test_an_interrupt_between_two_statements_leaves_no_table_empty(db, monkeypatch):
    real = session.Session.query

    def query(self, sql):
        if sql.startswith("INSERT"):
            raise Stop
        return real(self, sql)

    monkeypatch.setattr(session.Session, "query", query)
    with pytest.raises(Stop):
        db.reset(writes=False)
    monkeypatch.undo()
    assert rows(db) == WHOLE


@pytest.mark.parametrize("connected", [True, False])
def test_after_a_run_that_writes_the_rows_are_restored(db, connected):
    db.reset(writes=True)
    db.rows("UPDATE world SET hits = 1 WHERE id = 1")
    assert rows(db) == [(100_000, 1)]
    if not connected:
        db.session.close()
    assert db.restore() is None
    assert rows(db) == WHOLE


def test_rows_that_cannot_be_restored_are_reported(db, holder):
    db.reset(writes=True)
    holder.cursor().execute("SELECT 1 FROM world LIMIT 1")
    assert "are left as the last run made them" in db.restore()


@pytest.mark.parametrize(
    "change, counts",
    [
        ("INSERT INTO items (name) VALUES ('mine')", "0 rows in world and 1 in items"),
        ("INSERT INTO world VALUES (100001, 1)", "1 rows in world and 0 in items"),
        ("UPDATE world SET value = 7 WHERE id IN (5, 6)", "2 rows in world and 0 in items"),
    ],
)
def test_rows_that_are_not_the_seeds_are_deleted_only_when_told(db, change, counts):
    db.rows(change)
    try:
        with pytest.raises(Failure, match=f"{counts} .* DB_RESET=yes"):
            db.reset(writes=False)
        kept = db.rows("SELECT * FROM world ORDER BY id"), db.rows("SELECT id FROM items")
        assert len(kept[0]) + len(kept[1]) >= 100_000
    finally:
        told = database.Database(URL, may_delete=True)
        told.reset(writes=False)
        told.close()
    assert rows(db) == WHOLE and db.rows("SELECT 1 FROM items") == []


@pytest.mark.parametrize(
    "change", ["UPDATE world SET hits = 3 WHERE id < 9", "DELETE FROM world WHERE id < 9", "TRUNCATE world"]
)
def test_what_the_seed_makes_again_is_restored_unasked(db, change):
    db.rows(change)
    db.reset(writes=False)
    assert rows(db) == WHOLE


@pytest.mark.parametrize(
    "fault, repair, says",
    [
        (
            "CREATE TABLE mine (id int8 REFERENCES items)",
            "DROP TABLE mine",
            'Table "mine" references "items"',
        ),
        ("ALTER TABLE items RENAME TO goods", "ALTER TABLE goods RENAME TO items", "load db/schema.sql"),
        ("ALTER TABLE world RENAME value TO v", "ALTER TABLE world RENAME v TO value", "load db/schema.sql"),
        (
            "ALTER TABLE world ADD CHECK (id < 9) NOT VALID",
            "ALTER TABLE world DROP CONSTRAINT world_id_check",
            "world_id_check",
        ),
    ],
)
def test_a_database_that_will_not_do_is_a_sentence(db, fault, repair, says):
    db.rows(fault)
    try:
        with pytest.raises(Failure, match=says) as raised:
            db.reset(writes=False)
        assert "\n" not in str(raised.value)
        db.rows("SELECT 1")  # the session goes on
    finally:
        db.rows(repair)


def test_a_user_who_may_not_empty_the_tables_is_a_sentence(db):
    db.rows("CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT SELECT ON world, items TO reader")
    try:
        theirs = database.Database(URL.replace(URL.split("@")[0], "postgresql://reader:reader"))
        with pytest.raises(
            Failure, match="permission denied for table world: let DATABASE_URL name the owner"
        ):
            theirs.reset(writes=False)
        theirs.close()
    finally:
        db.rows("DROP OWNED BY reader; DROP ROLE reader")


def test_any_error_of_postgresql_is_a_failure(db):
    for wrong in ("SELECT 1/0", "SELEC", "SELECT * FROM nowhere", "SELECT 'a'::int", "COMMIT AND CHAIN"):
        with pytest.raises(Failure):
            db.rows(wrong)
    db.rows("SELECT 1")
    with pytest.raises(Failure, match="the database is gone"):
        db.rows("SELECT pg_terminate_backend(pg_backend_pid())")
    db.session = session.Session(URL)


def test_postgresql_14_has_no_function_that_reports_at_once(db):
    db.rows(f"ALTER FUNCTION {OLD_FLUSH}() RENAME TO hidden")
    try:
        before = db.view()
        with contextlib.closing(psycopg2.connect(URL)) as link:
            link.autocommit = True
            for _ in range(50):
                link.cursor().execute("SELECT 1")
        assert db.await_alone()
        assert 50 <= db.view()["xact_commit"] - before["xact_commit"] < 70
    finally:
        db.rows("ALTER FUNCTION pg_catalog.hidden() RENAME TO pg_stat_force_next_flush")


@pytest.mark.parametrize(
    "setting, value", [("pg_stat_statements.track", "none"), ("compute_query_id", "off")]
)
def test_a_setting_for_which_nothing_is_counted_is_named(db, setting, value):
    if not db.counts_statements:
        pytest.skip("no pg_stat_statements")
    db.rows(f"ALTER DATABASE waitbench SET {setting} = '{value}'")
    try:
        found = database.Database(URL)
        assert found.counts().queries is None and f"{setting} is {value}" in found.uncounted
        found.close()
    finally:
        db.rows(f"ALTER DATABASE waitbench RESET {setting}")


def test_a_database_without_the_extension_says_so(db):
    db.rows("DROP EXTENSION IF EXISTS pg_stat_statements")
    try:
        found = database.Database(URL)
        assert "no pg_stat_statements" in found.uncounted and not found.counts_statements
        found.close()
    finally:
        db.rows("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
