"""What the load test reads from PostgreSQL, also where its processes run elsewhere."""

import os
import re

import psycopg2
import pytest

from waitbench.observe import sampling
from waitbench.bench import database

URL = os.environ.get("DATABASE_URL")

pytestmark = pytest.mark.skipif(not URL, reason="no DATABASE_URL: tests/run has one")


@pytest.fixture
def db():
    found = database.Database(URL)
    yield found
    found.close()


@pytest.fixture
def stranger(db):
    """The URL of a user with no right but to read."""
    db.rows("CREATE ROLE stranger LOGIN PASSWORD 'stranger'; GRANT SELECT ON world TO stranger")
    yield re.sub(r"//[^@]*@", "//stranger:stranger@", URL)
    db.rows("DROP OWNED BY stranger; DROP ROLE stranger")


def test_its_machine_is_this_one(db):
    assert db.host.here and db.host.cpus == os.cpu_count()


def test_it_reports_the_cpu_time_that_is_seen_from_here(db):
    """With one more process that works meanwhile, and one that has ended."""
    first = database.Database(URL)
    first.rows("SELECT sum(sqrt(i)) FROM generate_series(1, 1000000) i")
    first.close()
    before, reported, after = (
        sampling.tree_cpu(db.postmaster),
        db._own_cpu_s(),
        sampling.tree_cpu(db.postmaster),
    )
    assert before > 0.05
    assert before - 2 * sampling.TICK_S <= reported <= after + 2 * sampling.TICK_S


def test_where_its_processes_are_not_seen_it_reports_their_cpu_time(db):
    db.postmaster = None
    assert db.cpu_s() == pytest.approx(db._own_cpu_s(), abs=0.05)


def test_a_user_without_the_right_learns_nothing_of_another_machine(stranger):
    db = database.Database(stranger)
    try:
        assert db.host.here and db.cpu_s() > 0  # its processes are seen from here
        db.postmaster = None
        db.host = db._find_host()
        assert (db.host.boot_id, db.host.cpus, db.cpu_s()) == ("", None, None)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            db._file("proc/stat")
    finally:
        db.close()


def test_work_in_another_database_of_the_cluster_is_not_counted(db):
    if not db.counts_statements:
        pytest.skip("no pg_stat_statements")
    read = "SELECT value FROM world WHERE id = 7"
    db.rows("CREATE DATABASE elsewhere TEMPLATE template0")
    try:
        link = psycopg2.connect(re.sub(r"/[^/]*$", "/elsewhere", URL))
        link.autocommit = True
        with link.cursor() as cursor:
            cursor.execute("CREATE TABLE world (id int, value int)")
            before = db.counts().queries
            cursor.execute(read)
            assert db.counts().queries == before
            db.rows(read)
            assert db.counts().queries == before + 1
        link.close()
    finally:
        db.rows("DROP DATABASE elsewhere WITH (FORCE)")


def test_a_checkpoint_is_counted(db):
    before = db.checkpoints()
    db.rows("CHECKPOINT")
    assert db.checkpoints() == before + 1
    db.session.link.close()
    assert db.checkpoints() is None
