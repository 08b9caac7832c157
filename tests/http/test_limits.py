"""Bodies that are asked for (Expect), and the limits of size and time."""

import socket
import time

import pytest
from shapes import chunked, head, length
from wire import eventually

# ---- Expect


def test_expect_continue(connection):
    connection.send(
        head(
            "POST /items HTTP/1.1",
            "Expect: 100-Continue",
            "Content-Type: application/json",
            "Content-Length: 2",
        )
    )
    response = connection.read()
    assert response.status == 100 and response.fields == []
    connection.send("[")
    connection.send("]")
    assert connection.read().status == 422 and connection.lives_on()


def test_expect_continue_chunked(connection):
    connection.send(
        head(
            "POST /items HTTP/1.1",
            "Expect: 100-continue",
            "Content-Type: application/json",
            "Transfer-Encoding: chunked",
        )
    )
    assert connection.read().status == 100
    connection.send("2\r\n[]\r\n0\r\n\r\n")
    assert connection.read().status == 422 and connection.lives_on()


def test_expect_continue_behind_another_request(connection):
    connection.send(
        head("GET /work?n=1&d=50 HTTP/1.1")
        + head(
            "POST /items HTTP/1.1",
            "Expect: 100-continue",
            "Content-Type: application/json",
            "Content-Length: 2",
        )
    )
    assert connection.read().status == 200
    assert connection.read().status == 100
    connection.send("[]")
    assert connection.read().status == 422


def test_expect_with_a_body_too_long_gets_no_100(connection):
    connection.send(head("POST /items HTTP/1.1", "Expect: 100-continue", "Content-Length: 1048577"))
    assert connection.read().status == 413 and connection.is_closed_by_server()


@pytest.mark.parametrize(
    "status, first, media_type",
    [
        (404, "POST /nothing HTTP/1.1", "application/json"),
        (405, "PUT /items HTTP/1.1", "application/json"),
        (405, "POST /items/1 HTTP/1.1", "application/json"),
        (415, "POST /items HTTP/1.1", "text/plain"),
        (415, "PUT /items/1 HTTP/1.1", "application/merge-patch+json"),
        (400, "POST /items%zz HTTP/1.1", "application/json"),
        (200, "GET /healthz HTTP/1.1", "application/json"),
    ],
)
@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("sends", [False, True])
def test_expect_where_the_body_makes_no_difference(connection, status, first, media_type, framing, sends):
    """RFC 9110 10.1.1: the response comes at once. What a client sends all the same must not reset the connection."""
    connection.send(head(first, "Expect: 100-continue", f"Content-Type: {media_type}", framing))
    if sends:
        connection.socket.recv(1, socket.MSG_PEEK)  # what comes with the head is read, and not refused
        connection.send("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n" * 20000)
    response = connection.read()
    assert response.status == status and response.closes and (status != 405 or response["allow"])
    assert connection.is_closed_by_server()


def test_expect_without_a_body_gets_no_100(connection):
    connection.send(head("GET /healthz HTTP/1.1", "Expect: 100-continue"))
    assert connection.read().status == 200 and connection.lives_on()


# ---- Limits and time


def test_longest_body_is_taken_and_one_byte_more_is_not(start):
    server = start(MAX_BODY_BYTES=1024)
    with server.connect() as connection:
        assert connection.ask("POST", "/items", b"[" + b" " * 1022 + b"]").status == 422
        connection.send(chunked("3ff\r\n[" + " " * 1022 + "\r\n1\r\n]\r\n0\r\n\r\n"))
        assert connection.read().status == 422
        connection.send(chunked("3ff\r\n[" + " " * 1022 + "\r\n2\r\n]]\r\n0\r\n\r\n"))
        assert connection.read().status == 413 and connection.is_closed_by_server()
    response = server.ask("POST", "/items", b"[" + b" " * 1023 + b"]")
    assert response.status == 413 and response.closes


def test_limit_of_the_head(start):
    server = start(MAX_HEADER_BYTES=2048)
    empty = len(head("GET /healthz HTTP/1.1", "X-A: "))
    with server.connect() as connection:
        connection.send(head("GET /healthz HTTP/1.1", "X-A: " + "a" * (2048 - empty)))
        assert connection.read().status == 200
        connection.send(head("GET /healthz HTTP/1.1", "X-A: " + "a" * (2049 - empty)))
        assert connection.read().status == 431 and connection.is_closed_by_server()


@pytest.mark.parametrize(
    "data",
    [head("POST /items HTTP/1.1", "Content-Length: 16000000"), chunked("F42400\r\n")],
    ids=["length", "chunked"],
)
def test_refusal_is_readable_though_all_of_a_large_body_is_sent_first(connection, data):
    """The server may not close with unread bytes: the reset would destroy its response (RFC 9112 9.6)."""
    connection.send(data)
    for _ in range(160):
        connection.send(b"x" * 100000)
    assert connection.read().status == 413 and connection.is_closed_by_server()


def test_request_that_is_never_finished(start):
    server = start(HEADER_TIMEOUT=1)
    beginnings = [
        "GET",
        head()[:-2],
        "GET /healthz HTTP/1.1\r\nX: 1",
        length(" 3", "{"),
        chunked("2\r\n{"),
        chunked("2\r\n{}\r\n0\r\nX-A: 1\r\n"),
        head() + "GE",
        "HEAD /healthz HTTP/1.1\r\nHo",
        head("HEAD /healthz HTTP/1.1", "Content-Length: 2") + "x",
    ]
    connections = [server.connect() for _ in beginnings]
    began = time.monotonic()
    for connection, beginning in zip(connections, beginnings):
        connection.send(beginning)
    for connection, beginning in zip(connections, beginnings):
        if beginning.startswith(head()):
            assert connection.read().status == 200
        response = connection.read("HEAD" if beginning.startswith("HEAD") else "GET")
        assert (
            response.status == 408
            and response.closes
            and (response.body == b"" or response.json()["status"] == 408)
        )
        assert (response.body == b"") == beginning.startswith("HEAD")
        assert 0.9 < time.monotonic() - began < 4
        assert connection.is_closed_by_server()
        connection.socket.close()


def test_bytes_that_drip_do_not_postpone_the_deadline(start):
    server = start(HEADER_TIMEOUT=1)
    with server.connect() as connection:
        connection.socket.settimeout(0.1)
        began = time.monotonic()
        connection.send("GET /healthz HTTP/1.1\r\nX-A: ")
        while time.monotonic() - began < 5:
            try:
                connection.send("a")
                assert connection.read().status == 408
                break
            except TimeoutError:
                pass
        assert 0.9 < time.monotonic() - began < 3


def test_the_body_has_a_deadline_of_its_own(start):
    server = start(HEADER_TIMEOUT=3)
    with server.connect() as connection:
        connection.send("POST /items HTTP/1.1\r\n")
        time.sleep(1.8)
        connection.send("Host: test\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[")
        time.sleep(1.8)
        connection.send("]")
        assert connection.read().status == 422 and connection.lives_on()


def test_idle_connections_are_closed_in_silence(start):
    server = start(IDLE_TIMEOUT=1)
    with server.connect() as fresh, server.connect() as used:
        assert used.lives_on()
        began = time.monotonic()
        assert fresh.is_closed_by_server() and used.is_closed_by_server()
        assert 0.7 < time.monotonic() - began < 4
    eventually(lambda: server.stats()["connections_open"] == 1)
