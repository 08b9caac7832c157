"""Clients that misbehave. Whatever they do, others are served, and when they are gone nothing of them is left."""

import random
import threading
import time
from contextlib import ExitStack

import pytest
from clients import LARGE, check_served, many, nothing_left
from wire import eventually, request


@pytest.fixture
def small(start):
    """One database connection and one event loop: what is not given back is missed at once."""
    return start(DB_POOL=1, WORKERS=1, POOL_TIMEOUT=5)


# ---- Leaving

MOMENTS = {
    "at once": b"",
    "in the request line": b"GET /wo",
    "in the head": b"GET /work HTTP/1.1\r\nHost: te",
    "in a body": b"POST /items HTTP/1.1\r\nHost: test\r\nContent-Length: 900000\r\n\r\n" + b"[" * 300000,
    "in a chunk": b"POST /items HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"
    + b"[" * 100000,
    "while 100 is sent": b"POST /items HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    "in a query": request("GET", "/work?n=2&d=30"),
    "in an update": request("GET", "/work?n=2&w=2&d=30"),
    "in a response": request("GET", f"/work?n=1&m={LARGE}"),
    "in a pipeline": request("GET", "/work?n=1&d=20") * 20,
    "after a refusal": b"NONSENSE\r\n\r\n",
}


@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_leaving(small, moment, how):
    with nothing_left(small):
        for wait in (0, 0.01, 0.05):
            clients = [small.connect() for _ in range(3)]
            for client in clients:
                client.send(MOMENTS[moment])
            time.sleep(wait)  # how far the server has come by then is part of what is tried
            for client in clients:
                client.reset() if how == "RST" else client.socket.close()


def is_sleeping(database):
    database.execute("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'")
    return database.fetchone() is not None


def test_leaving_while_waiting_for_a_database_connection(small, database):
    with nothing_left(small):
        with small.connect() as holder, many(small, 10) as waiters:
            holder.send(request("GET", "/work?n=1&d=1500"))
            eventually(lambda: is_sleeping(database))
            for client in waiters:
                client.send(request("GET", "/work?n=1"))
            eventually(lambda: small.stats()["pool_waits"] >= 10)
            for number, client in enumerate(waiters):
                client.reset() if number % 2 else client.socket.close()
            assert holder.read().status == 200


def test_updates_of_one_who_left_are_whole(small, database):
    """What was begun is finished or not begun at all, and the connection to the database is in order after it."""
    for _ in range(5):
        with small.connect() as client:
            client.send(request("GET", "/work?n=2&w=2&d=20"))
            client.reset()
        response = small.get("/work?n=2&seed=7")
        assert response.status == 200 and response.json()["n"] == 2
    assert small.stats()["db_lost"] == 0


def test_half_closed_in_the_middle(small):
    """A client that has only stopped sending still gets its responses; an unfinished request gets none."""
    with nothing_left(small):
        with small.connect() as client:
            client.send(request("GET", "/work?n=2&d=50") + request("GET", "/healthz"))
            client.half_close()
            assert client.read().status == 200 and client.read().json() == {"status": "ok"}
            assert client.is_closed_by_server()
        with small.connect() as client:
            client.send("GET /healthz HTTP/1.1\r\nHost")
            client.half_close()
            assert client.is_closed_by_server()


# ---- Floods


def test_flood_of_connections(start):
    server = start()
    with nothing_left(server):
        for number in range(2000):
            client = server.connect()
            client.reset() if number % 3 == 0 else client.socket.close()
        check_served(server)
    stats = server.stats()
    assert stats["connections_refused"] == 0 and stats["db_lost"] == 0


def test_flood_beyond_the_limit(start):
    server = start(MAX_CONNECTIONS=50)
    with nothing_left(server):
        with ExitStack() as stack:
            inside = [stack.enter_context(eventually(server.let_in)) for _ in range(50)]
            for number in range(300):
                late = server.connect()
                if number % 3 == 0:
                    late.reset()
                elif number % 3 == 1:
                    late.socket.close()
                else:
                    assert late.read().status == 503 and late.is_closed_by_server()
                    late.socket.close()
            for client in inside:
                assert client.ask("GET", "/work").status == 200
        eventually(server.let_in).socket.close()
    assert server.stats()["connections_refused"] >= 100


def test_many_at_once_over_a_small_pool(start):
    """200 clients, 2 database connections: first come, first served, nobody is forgotten."""
    server = start(DB_POOL=2, WORKERS=1)
    with nothing_left(server):
        with many(server, 200, timeout=30) as clients:
            for client in clients:
                client.send(request("GET", "/work?n=2&d=1"))
            for client in clients:
                assert client.read().status == 200


# ---- Noise

CLIENT_HELLO = bytes.fromhex("16030100" "c5010000" "c10303") + bytes(range(190))


@pytest.mark.parametrize(
    "name, data",
    [
        ("TLS", CLIENT_HELLO),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        ("NULs", b"\0" * 5000 + b"\r\n\r\n"),
        ("high bytes", b"\xff" * 5000 + b"\r\n\r\n"),
        ("line ends", b"\r\n" * 1000),
        ("line feeds", b"\n" * 1000),
        ("SMTP", b"EHLO test\r\n\r\n"),
        ("long nothing", b"a" * 100000),
        ("PostgreSQL", bytes.fromhex("0000000804d2162f")),
    ],
)
def test_other_protocols(server, name, data):
    with nothing_left(server):
        with server.connect() as client:
            try:
                client.send(data)
                client.half_close()
                response = client.read()
                assert response.status in (400, 414, 501) and response.closes, name
            except (ConnectionError, EOFError):
                pass  # no line was ever ended, and the client has: nothing is owed a response
            assert client.is_closed_by_server()


def test_random_bytes(server):
    random_bytes = random.Random(1).randbytes
    with nothing_left(server):
        for round in range(200):
            with server.connect() as client:
                try:
                    client.send(random_bytes(1 + round * 37 % 4000))
                    if round % 2:
                        client.send(b"\r\n\r\n")
                        assert client.read().status in (400, 501)
                except ConnectionError:
                    pass


def test_good_requests_with_a_byte_changed(server):
    """Every response is well-formed, whatever became of the request."""
    good = request("POST", "/items", {"name": "x", "payload": [1, {"a": None}]})
    generator = random.Random(2)
    with nothing_left(server):
        for _ in range(400):
            data = bytearray(good)
            data[generator.randrange(len(data))] = generator.randrange(256)
            with server.connect() as client:
                client.send(bytes(data))
                client.half_close()
                try:
                    assert 200 <= client.read().status < 506
                except EOFError:
                    pass  # the length has grown: the request was never finished
    assert server.stats()["replies_5xx"] <= 400


# ---- All of it at once


def test_others_are_served_meanwhile(start):
    """Misbehaving clients of all kinds for two seconds, and beside them one that must not notice."""
    server = start(WRITE_TIMEOUT=1, HEADER_TIMEOUT=1)
    stop = threading.Event()
    trouble = []

    def misbehave(number):
        generator = random.Random(number)
        while not stop.is_set():
            client = server.connect(receive_buffer=4096)
            try:
                client.send(generator.choice(list(MOMENTS.values())))
                time.sleep(generator.random() / 50)
            except ConnectionError:
                pass
            client.reset() if generator.random() < 0.5 else client.socket.close()

    with nothing_left(server):
        threads = [threading.Thread(target=misbehave, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        try:
            end = time.monotonic() + 2
            with server.connect() as good:
                while time.monotonic() < end:
                    for target in ("/work?n=2&seed=7&m=64", "/healthz", "/items?limit=1"):
                        if (response := good.ask("GET", target)).status != 200:
                            trouble.append(response)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert not trouble
