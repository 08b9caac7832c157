"""Many connections at once, and what happens when a limit of the system is met."""

import resource
import select
import time

import pytest
from conftest import sanitizer
from wire import request

WORK = request("GET", "/work?n=1&m=64")


def allow_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        pytest.skip(f"RLIMIT_NOFILE is {hard}, {count} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


def served_now(connections):
    """Sends a request on each before it reads any response; how many responses are 200."""
    for connection in connections:
        connection.send(WORK)
    return sum(connection.read().status == 200 for connection in connections)


@pytest.mark.parametrize("count", [1000, 10000])
def test_many_kept_connections_are_all_served(start, model, count):
    allow_descriptors(count + 200)
    if model != "libuv" and count > 8000 and sanitizer(model) == "thread":
        pytest.skip("ThreadSanitizer takes 8,128 threads and coroutines at most")
    server = start(IDLE_TIMEOUT=300, POOL_TIMEOUT=60)
    room = server.stats()["connections_max"]
    if room < count:
        pytest.skip(f"server-{model} says that its limits allow {room} connections")
    connections = []
    try:
        for _ in range(count):
            connections.append(server.connect(timeout=60))
        for _ in range(2):
            assert served_now(connections) == count
        stats = connections[0].ask("GET", "/stats").json()
        assert stats["connections_open"] == count
        assert stats["connections_refused"] == 0 and stats["replies_5xx"] == 0
        if model == "threaded":
            assert stats["threads"] >= count
        else:
            assert stats["threads"] < 20
    finally:
        for connection in connections:
            connection.socket.close()


# Resident, kernel memory not counted. A thread keeps its stack; a callback or a coroutine has ended.
KIB_AT_REST = {"threaded": 24, "libuv": 1.5, "coro": 1.5}


@pytest.mark.parametrize("at_once", [False, True], ids=["one after another", "at once"])
def test_an_idle_connection_holds_little_memory(start, model, at_once):
    """After a request each. Those that were under way at once leave a pool behind whose size is bounded."""
    count, pool_kib = 4000, 12 * 1024 if at_once else 512
    if model not in KIB_AT_REST or sanitizer(model):
        pytest.skip("a sanitizer's memory is its own")
    allow_descriptors(count + 200)
    server = start(IDLE_TIMEOUT=300, POOL_TIMEOUT=60)
    assert server.get("/work?n=1").status == 200  # what is made once
    before = server.rss_kib()
    connections = []
    try:
        for _ in range(count):
            connections.append(server.connect(timeout=60))
            if not at_once:
                assert served_now(connections[-1:]) == 1
        if at_once:
            assert served_now(connections) == count
        assert server.rss_kib() - before < count * KIB_AT_REST[model] + pool_kib
        assert served_now(connections[::100]) == count / 100
    finally:
        for connection in connections:
            connection.socket.close()


def turned_away(connection):
    readable, _, _ = select.select([connection.socket], [], [], 0.2)
    return bool(readable) and connection.read().status == 503


@pytest.mark.parametrize("model", ["threaded"], indirect=True)
def test_no_more_threads(start, model):
    """64 MiB of stack each and 3 GiB of address space: some 40 threads."""
    if sanitizer(model):
        pytest.skip("a sanitizer reserves terabytes of address space")
    server = start(prefix=["prlimit", f"--as={3 << 30}"], STACK_KIB=65536)
    inside, outside = [], []
    try:
        for _ in range(80):
            connection = server.connect()
            (outside if turned_away(connection) else inside).append(connection)
        assert len(inside) >= 10 and len(outside) >= 10
        assert server.said("connection limit met (pthread_create")
        assert served_now(inside) == len(inside)
        lines = len(server.lines)
        time.sleep(0.5)
        assert len(server.lines) == lines
    finally:
        for connection in inside + outside:
            connection.socket.close()
    assert server.get("/work").status == 200


@pytest.mark.parametrize("model", ["coro"], indirect=True)
def test_no_more_stacks(start, model):
    """64 MiB each and 3 GiB of address space: some 40 requests at once, and any number of idle connections."""
    if sanitizer(model):
        pytest.skip("a sanitizer reserves terabytes of address space")
    server = start(prefix=["prlimit", f"--as={3 << 30}"], STACK_KIB=65536)
    connections = []
    try:
        for _ in range(80):
            connections.append(server.connect())
            assert served_now(connections[-1:]) == 1
        for connection in connections:
            connection.send(request("GET", "/work?n=1&d=500"))
        statuses = [connection.read().status for connection in connections]
        assert set(statuses) == {200, 503}
        assert statuses.count(200) >= 10 and statuses.count(503) >= 10
        inside = [connection for connection, status in zip(connections, statuses) if status == 200]
        assert all(served_now([connection]) == 1 for connection in inside)
        assert inside[0].ask("GET", "/stats").json()["connections_open"] == len(inside)
    finally:
        for connection in connections:
            connection.socket.close()
