"""A database that misbehaves: every request gets a response, none hangs, no acknowledged write is lost and
none is done twice, and service is back within two seconds of the database.

WAITBENCH_SLOW=1 kills it 20 times in place of 3.
"""

import os
import random
import signal
import time
from contextlib import closing

import psycopg2
from load import Load
from project import is_pipelined
from service import RECOVERY, connections_up, is_a_sentence, is_back, works
from wire import eventually, request

PIPELINED = "too"
SLOW = bool(os.environ.get("WAITBENCH_SLOW"))
KILLS = 20 if SLOW else 3


def break_and_mend(start, cluster, breaks):
    """Load all the time; each of `breaks` makes the database unusable and returns when it is usable again."""
    server = start(DATABASE_URL=cluster.url, DB_POOL=8, POOL_TIMEOUT=5, QUERY_TIMEOUT=5)
    with Load(server, cluster) as load:
        for break_it in breaks:
            load.goes_well()
            up = break_it()
            assert load.recovery_s(up) < RECOVERY
            is_back(server, up, 8)
    load.check()
    assert load.failures(), "nothing was broken"
    assert server.log.count("\n") < 10 + len(breaks) * 20, server.log


def test_killed_under_load(start, cluster):
    def kill(with_children):
        cluster.kill(with_children)
        time.sleep(random.uniform(0, 0.3))
        return cluster.restart()

    break_and_mend(start, cluster, [lambda number=number: kill(number % 2 == 0) for number in range(KILLS)])


def test_restarted_under_load(start, cluster):
    break_and_mend(start, cluster, [cluster.restart] * 2)


def test_one_session_killed_under_load(start, cluster):
    """PostgreSQL then ends all of them, as memory that they share may be damaged, and recovers by itself."""

    def crash():
        os.kill(cluster.backends()[0], signal.SIGKILL)
        eventually(lambda: not is_up())
        eventually(is_up, within=30)
        return time.monotonic()

    def is_up():
        try:
            return cluster.sql("SELECT true")
        except psycopg2.Error:
            return None

    break_and_mend(start, cluster, [crash])


def test_paused_past_the_time_outs(start, cluster):
    """All of it stands still: a request with a connection gets 504, one that waits for a connection 503."""
    server = start(DATABASE_URL=cluster.url, DB_POOL=2, WORKERS=1, POOL_TIMEOUT=1, QUERY_TIMEOUT=1)
    with Load(server, cluster) as load:
        load.goes_well()
        began = time.monotonic()
        cluster.pause()
        time.sleep(2.5)
        assert server.get("/healthz").status == 200
        cluster.go_on()
        up = time.monotonic()
        assert load.recovery_s(up) < RECOVERY
        is_back(server, up, 2)
    load.check()
    assert any(outcome.status == 504 for outcome in load.failures())
    assert any(outcome.surely_ran_nothing for outcome in load.failures()) or is_pipelined(server.model)
    slowest = max(outcome.ended - outcome.began for outcome in load.outcomes if outcome.began >= began - 1)
    assert slowest < 5  # a wait for a connection, and up to three queries one of which does not return


def test_paused_sessions_are_replaced(start, cluster):
    """Only the sessions stand still: the server gives them up and makes new ones."""
    server = start(DATABASE_URL=cluster.url, DB_POOL=2, WORKERS=1, QUERY_TIMEOUT=1)
    eventually(lambda: connections_up(server) == 2)
    cluster.pause(cluster.backends())
    with server.connect() as one, server.connect() as other:
        for connection in one, other:
            connection.send(request("GET", "/work?n=1"))
        for connection in one, other:
            assert is_a_sentence(connection.read(), 504, "QUERY_TIMEOUT")
        for seed in range(5):
            assert works(server, seed)
        cluster.go_on()
        for connection in one, other:
            assert connection.ask("GET", "/work").status == 200
    assert server.stats()["db_lost"] == 2


def test_locked_row(start, cluster):
    """What waits for somebody's lock gets 504. Its session does not go on waiting, or a lock that is held for a
    minute would use up all the connections that the database grants; and it does not write behind our back.
    """
    server = start(DATABASE_URL=cluster.url, DB_POOL=2, WORKERS=1, QUERY_TIMEOUT=1)
    location = server.ask("POST", "/items", {"name": "tea"})["location"]
    with closing(psycopg2.connect(cluster.url)) as other:
        other.cursor().execute("SELECT * FROM items FOR UPDATE")
        for _ in range(2):
            late = server.ask("PUT", location, {"name": "late"})
            # In a pipeline the database ends the query as well, and may be the first to say so.
            is_by_database = is_pipelined(server.model) and "too long" in late.json()["detail"]
            assert is_a_sentence(late, 504, "too long" if is_by_database else "QUERY_TIMEOUT")
            assert works(server)
        eventually(lambda: not cluster.backends("wait_event_type = 'Lock'"), within=3)
        other.rollback()
    assert server.get(location).json()["name"] == "tea"
    assert server.ask("PUT", location, {"name": "in time"}).status == 200


def test_out_of_connections(start, cluster):
    """The database grants fewer than DB_POOL: the server starts and serves with those, and takes more when
    there are more."""
    cluster.sql("ALTER ROLE app CONNECTION LIMIT 3")
    server = start(DATABASE_URL=cluster.url_with("app"), DB_POOL=6, WORKERS=1)
    eventually(lambda: connections_up(server) == 3)
    with Load(server, cluster) as load:
        load.goes_well()
        cluster.sql("ALTER ROLE app CONNECTION LIMIT 20")
        is_back(server, time.monotonic(), 6)
    load.check()
    assert not load.failures()


def test_no_connection_left(start, cluster):
    server = start(DATABASE_URL=cluster.url_with("app"), DB_POOL=4)
    eventually(lambda: connections_up(server) == 4)
    cluster.sql("ALTER ROLE app CONNECTION LIMIT 0")
    cluster.terminate()
    eventually(lambda: connections_up(server) == 0 or server.get("/readyz").status == 503)
    eventually(lambda: server.get("/work").status == 503)
    assert is_a_sentence(server.get("/work"), 503, "database")
    assert is_a_sentence(server.get("/readyz"), 503)
    assert server.get("/work?n=0").status == 200 and server.get("/healthz").status == 200
    eventually(lambda: server.said("too many connections"))
    cluster.sql("ALTER ROLE app CONNECTION LIMIT -1")
    is_back(server, time.monotonic(), 4)


def test_idle_session_ended(start, cluster):
    """Nobody had asked for anything, so nobody sees an error."""
    server = start(DATABASE_URL=cluster.url, DB_POOL=4)
    eventually(lambda: connections_up(server) == 4)
    time.sleep(1.1)  # the threaded server, which does not watch its idle connections, looks after a second
    assert cluster.terminate() == 4
    for seed in range(8):
        assert works(server, seed)
    is_back(server, time.monotonic(), 4)
    assert server.said("terminating connection due to administrator command")


def test_busy_session_ended(start, cluster):
    """The request whose query it was gets a 503, and no other does."""
    server = start(DATABASE_URL=cluster.url, DB_POOL=4)
    with Load(server, cluster, clients=2) as load, server.connect() as busy:
        load.goes_well()
        busy.send(request("GET", "/work?n=1&d=9000"))
        # The load's queries sleep for a millisecond; on a busy machine one may seem to sleep for a few tenths of a second.
        sleeping = "wait_event = 'PgSleep' AND query ~ 'SELECT value'"
        eventually(
            lambda: cluster.backends(f"{sleeping} AND state_change < clock_timestamp() - interval '2 s'")
        )
        oldest = f"SELECT pid FROM pg_stat_activity WHERE {sleeping} ORDER BY state_change LIMIT 1"
        assert cluster.terminate(f"pid = ({oldest})") == 1
        assert is_a_sentence(busy.read(), 503, "may or may not")
        assert busy.ask("GET", "/work").status == 200
        load.goes_well()
    load.check()
    # In a pipeline, the queries behind it are lost with the session.
    assert not load.failures() or is_pipelined(server.model)
    assert all("may or may not" in outcome.detail for outcome in load.failures())
    is_back(server, time.monotonic(), 4)
    assert server.stats()["db_lost"] == 1


def test_statement_timeout(start, cluster):
    """The database itself cancels what takes too long: 504, and the session goes on."""
    cluster.sql("ALTER ROLE app SET statement_timeout = '150ms'")
    server = start(DATABASE_URL=cluster.url_with("app"), DB_POOL=2)
    hits = cluster.number("SELECT sum(hits) FROM world")
    with server.connect() as connection:
        for _ in range(3):
            assert is_a_sentence(connection.ask("GET", "/work?n=2&d=2000&w=2"), 504, "too long")
        assert connection.ask("GET", "/work?n=2&d=1&w=2").status == 200
    assert server.stats()["db_lost"] == 0
    assert cluster.number("SELECT sum(hits) FROM world") == hits + 2


def test_standby(start, cluster):
    """A hot standby reads and does not write; promoted, it does, without a new connection."""
    with open(f"{cluster.data}/standby.signal", "w"):
        pass  # started with this file, a cluster is in recovery until it is promoted
    cluster.restart()
    assert cluster.sql("SELECT pg_is_in_recovery()") == [(True,)]
    server = start(DATABASE_URL=cluster.url, DB_POOL=2)
    with server.connect() as connection:
        assert connection.ask("GET", "/work?n=3").status == 200
        assert connection.ask("GET", "/items").status == 200
        assert is_a_sentence(connection.ask("POST", "/items", {"name": "tea"}), 503, "read-only")
        assert is_a_sentence(connection.ask("GET", "/work?n=3&w=1"), 503, "read-only")
        assert is_a_sentence(connection.ask("DELETE", "/items/1"), 503, "read-only")
        assert connection.ask("GET", "/readyz").status == 200
        cluster.sql("SELECT pg_promote()")
        eventually(lambda: connection.ask("POST", "/items", {"name": "tea"}).status == 201, within=RECOVERY)
        assert connection.ask("GET", "/work?n=3&w=1").status == 200
    assert server.stats()["db_lost"] == 0


def test_table_dropped(start, cluster):
    server = start(DATABASE_URL=cluster.url, DB_POOL=2)
    with server.connect() as connection:
        assert connection.ask("POST", "/items", {"name": "tea"}).status == 201
        cluster.sql("CREATE TABLE items_again (LIKE items INCLUDING ALL)", "DROP TABLE items")
        try:
            for method, target in ("GET", "/items"), ("GET", "/items/1"), ("DELETE", "/items/1"):
                assert is_a_sentence(connection.ask(method, target), 503, "table", "db/schema.sql")
            assert connection.ask("GET", "/work?n=2&w=1").status == 200
        finally:
            cluster.sql("ALTER TABLE items_again RENAME TO items", "GRANT ALL ON items TO app")
        for _ in range(4):
            assert connection.ask("POST", "/items", {"name": "tea"}).status == 201
            assert connection.ask("GET", "/items").status == 200


def test_column_changed(start, cluster):
    """A statement that was prepared for another type of column is refused by the database for ever: the
    session has to be made anew, and is."""
    server = start(DATABASE_URL=cluster.url, DB_POOL=3)
    eventually(lambda: connections_up(server) == 3)
    location = server.ask("POST", "/items", {"name": "tea"})["location"]
    with server.connect() as connection:
        for _ in range(10):
            assert connection.ask("GET", location).status == 200
    cluster.sql("ALTER TABLE items ALTER name TYPE varchar(300)")
    try:
        statuses = [server.get(location).status for _ in range(20)]
        assert set(statuses) <= {200, 503} and statuses.count(503) <= 3, statuses
        assert statuses[-10:] == [200] * 10, statuses
    finally:
        cluster.sql("ALTER TABLE items ALTER name TYPE text")
    is_back(server, time.monotonic(), 3)


def test_no_tables_when_it_comes_back(start, cluster):
    """A database restored without its tables: said once, tried again at leisure, and well in the end."""
    server = start(DATABASE_URL=cluster.url, DB_POOL=8)
    eventually(lambda: connections_up(server) == 8)
    cluster.sql("ALTER TABLE world RENAME TO elsewhere")
    try:
        cluster.terminate()
        eventually(lambda: server.get("/work").status == 503 and connections_up(server) == 0)
        began = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
        lines, sessions = len(server.lines), cluster.number(began)
        time.sleep(1.5)
        assert is_a_sentence(server.get("/work"), 503)
        # About once a second for each slot, and PostgreSQL counts some of those before late; at full speed they were hundreds.
        assert 2 <= cluster.number(began) - sessions <= 8 * 10
        assert len(server.lines) - lines <= 2, server.log
        assert server.said('relation "world" does not exist')
    finally:
        cluster.sql("ALTER TABLE elsewhere RENAME TO world")
    is_back(server, time.monotonic(), 8)
