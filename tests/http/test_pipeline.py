"""DB_PIPELINE=1: many requests share a database connection, and none touches another's."""

import contextlib
import functools
import time

import pytest
from conftest import sanitizer
from service import is_a_sentence, works
from wire import eventually, request
from work import work_sum

PIPELINED = "alone"
DEPTH = 256  # requests that share a connection at most


@pytest.fixture
def one(start):
    """one(SETTING=value...): a server with one database connection."""
    return functools.partial(start, DB_POOL=1, WORKERS=1)


@contextlib.contextmanager
def connections(server, count):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(server.connect(timeout=20)) for _ in range(count)]


def test_a_connection_for_each_cpu(start):
    """As many as there are loops: with more of them, fewer queries share a write and a wake-up."""
    stats = start().stats()
    assert stats["pool_size"] == stats["cpus"] and stats["pipeline_depth"] == DEPTH


def test_requests_share_a_connection(one):
    """They take turns in it, in the order in which they came, and none waits for the pool."""
    server = one()
    began = time.monotonic()
    with connections(server, 6) as clients:
        for client in clients:
            client.send(request("GET", "/work?n=1&d=100"))
        ended = []
        for client in clients:
            assert client.read().status == 200
            ended.append(time.monotonic() - began)
    assert all(at >= (turn + 1) * 0.1 for turn, at in enumerate(sorted(ended)))
    stats = server.stats()
    assert (stats["pool_waits"], stats["db_connects"], stats["queries"]) == (0, 1, 6)


def test_each_gets_its_own_result(one):
    server = one()
    with connections(server, 50) as clients:
        for turn in range(5):
            for seed, client in enumerate(clients):
                client.send(
                    request("GET", f"/work?n={seed % 21}&w={seed % 3 and seed % 21}&seed={seed + turn}")
                )
            for seed, client in enumerate(clients):
                assert client.read().json()["sum"] == work_sum(seed + turn, seed % 21)


def test_more_requests_than_a_connection_takes(one, cluster):
    server = one(DATABASE_URL=cluster.url)
    if sanitizer(server.model) == "thread":
        pytest.skip("threads start too slowly to be so many at once")
    with connections(server, DEPTH + 40) as (slow, *clients):
        slow.send(request("GET", "/work?n=1&d=3000&seed=0"))
        # Those that overtake it are answered at once, and may leave too few behind it.
        eventually(lambda: cluster.backends("wait_event = 'PgSleep'"))
        for seed, client in enumerate(clients):
            client.send(request("GET", f"/work?n=1&seed={seed}"))
        eventually(lambda: server.stats()["pool_waits"] > 0)
        assert slow.read().json()["sum"] == work_sum(0, 1)
        for seed, client in enumerate(clients):
            assert client.read().json()["sum"] == work_sum(seed, 1)


def test_an_error_ends_one_request_alone(one, cluster):
    """Each query is a transaction: what was written before an error and after it is there."""
    drop = "ALTER TABLE items DROP CONSTRAINT IF EXISTS no_coffee"
    cluster.sql(drop, "ALTER TABLE items ADD CONSTRAINT no_coffee CHECK (name <> 'coffee')")
    tea = cluster.number("SELECT count(*) FROM items WHERE name = 'tea'")
    server = one(DATABASE_URL=cluster.url)
    with connections(server, 7) as (slow, *clients):
        slow.send(request("GET", "/work?n=1&d=2000"))
        eventually(lambda: cluster.backends("wait_event = 'PgSleep'"))
        for number, client in enumerate(clients):
            client.send(request("POST", "/items", {"name": "coffee" if number % 2 else "tea"}))
        assert slow.read().status == 200
        assert [client.read().status for client in clients] == [201, 500] * 3
    assert cluster.number("SELECT count(*) FROM items WHERE name = 'tea'") == tea + 3
    cluster.sql(drop)
    assert server.stats()["db_lost"] == 0


def test_a_time_out_ends_one_request_alone(one, cluster):
    """The database ends the slow query at QUERY_TIMEOUT; those behind it have come later, and have time left."""
    server = one(DATABASE_URL=cluster.url, QUERY_TIMEOUT=1)
    with connections(server, 4) as (slow, *clients):
        slow.send(request("GET", "/work?n=1&d=5000"))
        eventually(lambda: cluster.backends("wait_event = 'PgSleep'"))
        time.sleep(0.4)
        for seed, client in enumerate(clients):
            client.send(request("GET", f"/work?n=3&seed={seed}"))
        assert slow.read().status == 504
        for seed, client in enumerate(clients):
            assert client.read().json()["sum"] == work_sum(seed, 3)
    assert server.stats()["db_lost"] == 0


def test_a_result_that_nobody_waits_for_any_more(one):
    """A query behind slow ones gets 504; its result, which comes later, goes to nobody."""
    server = one(QUERY_TIMEOUT=1)
    with connections(server, 3) as clients:
        for seed, client in enumerate(clients):
            client.send(request("GET", f"/work?n=1&d=450&seed={seed}"))
        assert sorted(client.read().status for client in clients)[-1] == 504
        for seed in range(3):
            assert works(server, seed)
    assert server.stats()["db_lost"] == 0


def test_a_session_that_is_silent(one, cluster):
    """All that share it get 504; then it is given up, and a new one serves."""
    server = one(DATABASE_URL=cluster.url, QUERY_TIMEOUT=1)
    assert works(server)
    cluster.pause(cluster.backends())
    with connections(server, 5) as clients:
        for client in clients:
            client.send(request("GET", "/work?n=1"))
        for client in clients:
            assert is_a_sentence(client.read(), 504, "QUERY_TIMEOUT")
        assert works(server)
    cluster.go_on()
    assert server.stats()["db_lost"] == 1


def test_clients_that_leave(one):
    """Their queries run; the results of those that stay are theirs."""
    server = one()
    with connections(server, 20) as clients:
        for seed, client in enumerate(clients):
            client.send(request("GET", f"/work?n=3&d=3&seed={seed}"))
        for client in clients[::2]:
            client.socket.close()
        for seed, client in list(enumerate(clients))[1::2]:
            assert client.read().json()["sum"] == work_sum(seed, 3)
    assert works(server)
    eventually(lambda: server.stats()["connections_open"] == 1)
