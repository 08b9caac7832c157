"""GET /work?t=: a request that waits for something else than the database, and holds no connection to it."""

import itertools
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import sanitizer
from wire import eventually, request


def seconds(ask):
    began = time.monotonic()
    response = ask()
    return time.monotonic() - began, response


def together(server, count, target):
    """Statuses of so many requests that are under way at the same time, and the seconds until the last response."""
    connections = [server.connect() for _ in range(count)]
    try:
        began = time.monotonic()
        for connection in connections:
            connection.send(request("GET", target))
        statuses = [connection.read().status for connection in connections]
        return statuses, time.monotonic() - began
    finally:
        for connection in connections:
            connection.socket.close()


def is_served_beside_one_that_waits(server, n):
    with server.connect() as waiting:
        waiting.send(request("GET", f"/work?n={n}&m=64&t=1000"))
        took, response = seconds(lambda: server.get(f"/work?n={n}&m=64"))
        assert response.status == 200 and took < 0.9
        assert waiting.read().status == 200


@pytest.mark.parametrize("t", [1, 20, 300])
@pytest.mark.parametrize("n", [0, 2])
def test_it_takes_at_least_t(server, t, n):
    def ask_twice(_):
        with server.connect() as connection:
            return [
                seconds(lambda: connection.ask("GET", f"/work?n={n}&m=64&t={t}&seed=1")) for _ in range(2)
            ]

    with ThreadPoolExecutor(3) as clients:
        for took, response in itertools.chain.from_iterable(clients.map(ask_twice, range(3))):
            assert response.status == 200 and response.json()["n"] == n
            assert t / 1000 <= took < t / 1000 + 2


def test_no_database_connection_is_held_meanwhile(start):
    server = start(DB_POOL=1, WORKERS=1)
    statuses, took = together(server, 20, "/work?n=1&m=64&t=500")
    assert statuses == [200] * 20
    assert 0.5 <= took < 3  # and not 10 s
    is_served_beside_one_that_waits(server, n=1)


def test_different_waits_end_in_the_order_of_their_ends(server):
    order = [700, 100, 400, 250, 550]
    connections = {t: server.connect() for t in order}
    try:
        for t in order:
            connections[t].send(request("GET", f"/work?n=0&m=64&t={t}"))
        began = time.monotonic()
        for t in sorted(order):
            assert connections[t].read().status == 200
            assert t / 1000 - 0.05 <= time.monotonic() - began < t / 1000 + 3
    finally:
        for connection in connections.values():
            connection.socket.close()


def test_many_wait_together(start, model):
    """With the two database connections in their hands 1,000 would take 250 s. ThreadSanitizer takes 10 ms to make a
    thread or a coroutine."""
    count = 200 if sanitizer(model) == "thread" else 1000
    statuses, took = together(start(DB_POOL=2, WORKERS=2), count, "/work?n=1&m=64&t=500")
    assert statuses == [200] * count
    assert 0.5 <= took < count / 20


def test_others_are_served_meanwhile(server):
    is_served_beside_one_that_waits(server, n=0)


def test_requests_pipelined_behind_it_are_answered_in_order(server):
    with server.connect() as connection:
        connection.send(request("GET", "/work?n=0&m=64&t=200") + request("GET", "/work?n=3&m=64"))
        assert [connection.read().json()["n"] for _ in range(2)] == [0, 3]


def test_a_client_that_leaves_meanwhile_costs_nothing(server):
    for leave in (lambda connection: connection.socket.close(), lambda connection: connection.reset()):
        connection = server.connect()
        connection.send(request("GET", "/work?n=1&m=64&t=300"))
        leave(connection)
    eventually(lambda: server.stats()["connections_open"] == 1, within=5)
    assert server.get("/work?n=1&m=64").status == 200


def test_a_drain_lets_it_end(start):
    server = start()
    with server.connect() as waiting:
        waiting.send(request("GET", "/work?n=1&m=64&t=800"))
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        response = waiting.read()
        assert response.status == 200 and response.closes
    assert server.process.wait(10) == 0


def test_a_drain_that_is_over_waits_no_longer(start):
    server = start(DRAIN_TIMEOUT=1)
    with server.connect() as waiting:
        waiting.send(request("GET", "/work?n=0&m=64&t=30000"))
        time.sleep(0.2)
        took, _ = seconds(lambda: (server.process.send_signal(signal.SIGTERM), server.process.wait(10)))
        assert took < 5
