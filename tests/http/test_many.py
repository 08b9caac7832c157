"""Many connections at once, and what happens when a limit of the system is met."""

import contextlib
import math
import os
import resource
import select
import selectors
import time

import pytest
from conftest import sanitizer
from wire import eventually, request

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


@contextlib.contextmanager
def many_connections(start, model, count, **settings):
    """So many connections to a server of their own; skips where its limits allow fewer."""
    allow_descriptors(count + 200)
    server = start(IDLE_TIMEOUT=300, **settings)
    room = server.stats()["connections_max"]
    if room < count:
        pytest.skip(f"server-{model} says that its limits allow {room} connections")
    connections = []
    try:
        for _ in range(count):
            connections.append(server.connect(timeout=60))
        yield connections
    finally:
        for connection in connections:
            connection.socket.close()


@pytest.mark.parametrize("count", [1000, 10000])
def test_many_kept_connections_are_all_served(start, model, count):
    if model != "libuv" and count > 8000 and sanitizer(model) == "thread":
        pytest.skip("ThreadSanitizer takes 8,128 threads and coroutines at most")
    with many_connections(start, model, count, POOL_TIMEOUT=60) as connections:
        for _ in range(2):
            assert served_now(connections) == count
        stats = connections[0].ask("GET", "/stats").json()
        assert stats["connections_open"] == count
        assert stats["connections_refused"] == 0 and stats["replies_5xx"] == 0
        if model == "threaded":
            assert stats["threads"] >= count
        else:
            assert stats["threads"] < 40  # of the hybrid server, as many as database connections, and a few


def in_flight_together(connections, target):
    """Seconds of each response, all requests being sent before any response is read; and of the sending."""
    sent, took = {}, []
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        began = time.monotonic()
        for connection in connections:
            sent[connection] = time.monotonic()
            connection.send(request("GET", target))
        sending = time.monotonic() - began
        while selector.get_map():
            ready = selector.select(timeout=30)
            assert ready, f"{len(selector.get_map())} responses are missing"
            for key, _ in ready:
                took.append(time.monotonic() - sent[key.data])
                assert key.data.read().status == 200
                selector.unregister(key.fileobj)
    return took, sending


def test_who_needs_no_connection_does_not_wait_behind_those_who_do(start):
    """Of 50 requests one has the only database connection; the hybrid server has 3 threads for them all."""
    server = start(DB_POOL=1, WORKERS=1, POOL_TIMEOUT=3)
    waiting = [server.connect() for _ in range(50)]
    try:
        for connection in waiting:
            connection.send(request("GET", "/work?n=1&m=64&d=500"))
        eventually(lambda: server.stats()["pool_waits"] == len(waiting) - 1)
        with server.connect() as other:
            for _ in range(5):
                assert other.ask("GET", "/work?n=0&m=64").status == 200
        unanswered = [c for c in waiting if not select.select([c.socket], [], [], 0)[0]]
        assert len(unanswered) > len(waiting) / 2
        statuses = [connection.read().status for connection in waiting]
        assert set(statuses) == {200, 503} and 3 <= statuses.count(200) <= 8
    finally:
        for connection in waiting:
            connection.socket.close()


def margin_s():
    """Over T: 10,000 responses are made and read by two CPUs, at the same moment. On a busy machine times say little."""
    return 3 * max(1, os.getloadavg()[0] / os.cpu_count())


def test_10000_requests_wait_at_once(start, model):
    """They wait for something that is no database connection, of which there are 16."""
    count, t_s = 10000, 0.5
    if sanitizer(model):
        pytest.skip("a sanitizer makes everything slower; fewer wait together in test_wait.py")
    with many_connections(start, model, count) as connections:
        for _ in range(5):  # again and longer, if the last was sent after the first had its response
            took, sending = in_flight_together(connections, f"/work?n=0&m=64&t={t_s * 1000:.0f}")
            assert len(took) == count
            assert min(took) >= t_s
            assert max(took) < t_s + margin_s()
            if sending < t_s:
                break
            t_s = math.ceil(2 * sending)
        assert sending < t_s


# Resident, kernel memory not counted. A thread keeps its stack; a callback or a coroutine has ended.
KIB_AT_REST = {"threaded": 24, "libuv": 1.5, "coro": 1.5, "hybrid": 1.5}


@pytest.mark.parametrize("at_once", [False, True], ids=["one after another", "at once"])
def test_an_idle_connection_holds_little_memory(start, model, at_once):
    """After a request each. Those that were under way at once had stacks, which are given back in time."""
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
        most = count * KIB_AT_REST[model] + pool_kib
        eventually(lambda: server.rss_kib() - before < most, within=30)
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
        assert server.said("limit met: RLIMIT_AS, ") and server.said("in use (pthread_create: ")
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
