"""GET /work: exactly N queries, W of them updates, exactly M bytes, and a sum that proves it."""

import time

import pytest
from conftest import Server
from project import MODELS, is_pipelined
from wire import eventually, request
from work import work_sum

PIPELINED = "too"


@pytest.mark.parametrize(
    "n, m, w, seed",
    [
        (20, 4096, 0, 7),
        (1, 64, 1, 0),
        (0, 0, 0, 5),
        (1000, 1024, 10, 2**63 - 1),
        (3, 65537, 2, 42),
        (2, 16777216, 0, 1),
    ],
)
def test_the_body_is_what_a_client_can_compute(server, n, m, w, seed):
    response = server.get(f"/work?n={n}&m={m}&w={w}&seed={seed}")
    assert response.status == 200 and response["content-type"] == "application/json"
    document = response.json()
    assert (document["n"], document["sum"]) == (n, work_sum(seed, n))
    assert list(document) == ["n", "sum", "pad"]
    if m == 0:
        assert document["pad"] == ""
    else:
        assert len(response.body) == m


def test_defaults(server):
    response = server.get("/work")
    assert response.json()["n"] == 1 and len(response.body) == 1024


def test_defaults_come_from_the_environment(start):
    server = start(N=3, M=100, W=2, D=1, T=300)
    began = time.monotonic()
    response = server.get("/work")
    assert time.monotonic() - began >= 0.3
    assert response.json()["n"] == 3 and len(response.body) == 100
    assert server.get("/work?n=1").json()["n"] == 1  # W is cut to n
    assert server.get("/work?n=1&w=2").status == 400


def test_unnamed_seeds_differ(server):
    assert len({server.get("/work?n=1").json()["sum"] for _ in range(20)}) > 15


def hits(database):
    database.execute("SELECT coalesce(sum(hits), 0) FROM world")
    return int(database.fetchone()[0])


def test_updates_are_counted_back(server, database):
    before = hits(database)
    assert server.get("/work?n=30&w=12&seed=9").status == 200
    assert hits(database) == before + 12


def test_the_database_sees_exactly_n_queries(server, database):
    def nothing_runs():  # a server that an earlier test ended may have left a query behind
        database.execute(
            "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND application_name ~ '^waitbench'"
        )
        return database.fetchone() is None

    def calls():
        database.execute(
            "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements "
            "WHERE query ~ 'FROM world|UPDATE world' AND query !~ 'sum'"
        )
        return int(database.fetchone()[0])

    eventually(nothing_runs, within=15)
    before = calls()
    for _ in range(5):
        assert server.get("/work?n=20&w=5&d=1").status == 200
    assert calls() == before + 100


def test_own_counters(server):
    before = server.stats()
    server.get("/work?n=7")
    after = server.stats()
    assert after["queries"] - before["queries"] == 7
    assert after["requests"] - before["requests"] == 2  # the first /stats and /work
    assert after["query_s"] > before["query_s"]


@pytest.mark.parametrize(
    "query, member",
    [
        ("n=-1", "n"),
        ("n=abc", "n"),
        ("n=1001", "n"),
        ("n=", "n"),
        ("n=%20", "n"),
        ("n=+1", "n"),
        ("m=5", "m"),
        ("m=63", "m"),
        ("m=16777217", "m"),
        ("n=1&w=2", "w"),
        ("d=1e9", "d"),
        ("d=10001", "d"),
        ("t=60001", "t"),
        ("t=0.5", "t"),
        ("seed=", "seed"),
        ("seed=9223372036854775808", "seed"),
        ("n=1&n=1", "n"),
        ("n=1&%6e=1", "n"),
        ("bogus=1", "bogus"),
        ("n", None),
        ("n=%", None),
        ("n=%4", None),
        ("n=%zz", None),
        ("n=1%00", None),
        ("=1", None),
    ],
)
def test_bad_parameters_are_named_and_the_connection_lives_on(connection, query, member):
    response = connection.ask("GET", f"/work?{query}")
    assert response.status == 400 and response["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == 400 and problem["title"] == "Bad Request" and problem["type"] == "about:blank"
    assert problem.get("member") == member
    assert problem["detail"].endswith(".")
    assert not response.closes and connection.lives_on()


@pytest.mark.parametrize("query", ["n=%31", "%6E=1", "n=1&&", "n=01"])
def test_odd_but_right(server, query):
    assert server.get(f"/work?{query}").json()["n"] == 1


def test_delay_is_added_by_the_database_to_each_query(server):
    before = server.stats()["query_s"]
    assert server.get("/work?n=3&d=100").status == 200
    assert 0.3 <= server.stats()["query_s"] - before < 3


def test_one_connection_a_request_and_none_without_queries(start, database):
    """With DB_PIPELINE=1 requests share a connection: see test_pipeline.py."""

    def is_sleeping():
        database.execute("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'")
        return database.fetchone()

    server = start(DB_POOL=1, WORKERS=1, POOL_TIMEOUT=1)
    if is_pipelined(server.model):
        pytest.skip("requests share a connection")
    with server.connect() as slow, server.connect() as other:
        slow.send(request("GET", "/work?n=3&d=700"))
        eventually(is_sleeping)
        assert other.ask("GET", "/work?n=0").status == 200
        response = other.ask("GET", "/work?n=1")
        assert response.status == 503 and response["retry-after"] is not None and not response.closes
        assert slow.read().status == 200
        assert other.ask("GET", "/work?n=1").status == 200
    assert server.stats()["pool_timeouts"] == 1


def test_all_servers_send_the_same_bytes():
    targets = [
        "/work?n=20&m=4096&seed=7",
        "/work?n=0&m=0",
        "/work?n=-1",
        "/nothing",
        "/items/0",
        "/healthz",
        "/readyz",
    ]
    servers = [Server(model) for model in MODELS]
    try:
        for target in targets:
            responses = {server.model: server.get(target).without_date() for server in servers}
            assert len(set(responses.values())) == 1, responses
    finally:
        for server in servers:
            assert server.stop() == 0
