"""How long a connection lives, and many requests on one (RFC 9112 9)."""

import threading

import pytest
from shapes import chunked, head
from wire import request

# ---- Connections


@pytest.mark.parametrize(
    "value",
    [
        "close",
        "Close",
        "CLOSE",
        "close\t",
        "\tclose",
        "keep-alive, close",
        "close, x",
        "x,close",
        "x,, ,close",
        "x ,\tclose\t, y",
        "TE, close",
    ],
)
def test_connection_close(connection, value):
    connection.send(head("GET /healthz HTTP/1.1", f"Connection: {value}") + head())
    response = connection.read()
    assert response.status == 200 and response.closes
    assert connection.is_closed_by_server()


def test_close_in_the_second_of_two_fields(connection):
    connection.send(head("GET /healthz HTTP/1.1", "Connection: x", "Connection: close"))
    assert connection.read().closes and connection.is_closed_by_server()


@pytest.mark.parametrize(
    "line",
    [None, "Connection: close", "Connection: close, keep-alive", "Connection: x", "Keep-Alive: timeout=5"],
)
def test_http_1_0_closes_unless_asked(connection, line):
    connection.send(head("GET /healthz HTTP/1.0", *([line] if line else []), host=False))
    response = connection.read()
    assert response.status == 200 and response.closes and connection.is_closed_by_server()


def test_http_1_0_is_told_that_it_is_kept(connection):
    for _ in range(3):
        connection.send(head("GET /healthz HTTP/1.0", "Connection: keep-alive", host=False))
        assert connection.read()["connection"] == "keep-alive"
    assert connection.ask("GET", "/healthz")["connection"] is None


def test_the_response_to_a_refused_version_is_http_1_1(connection):
    connection.send("GET / HTTP/7.3\r\n\r\n")
    assert connection.read().raw_head.startswith(b"HTTP/1.1 505 ")


def test_a_half_closed_connection_still_gets_its_response(server):
    for target in ("/healthz", "/work?n=2&d=50&m=1000000"):
        with server.connect() as connection:
            connection.send(request("GET", target))
            connection.half_close()
            assert connection.read().status == 200
            assert connection.is_closed_by_server()


# ---- Pipelining


def test_a_hundred_requests_in_one_write_get_their_responses_in_order(connection, server):
    data = b""
    expected = []
    for i in range(25):
        data += request("GET", f"/work?n=1&m={64 + i}&seed={i}")
        expected.append(("GET", 200, 64 + i))
        data += request("HEAD", f"/work?n=0&m={1000 + i}")
        expected.append(("HEAD", 200, 1000 + i))
        data += request("POST", "/items", b"[" + b" " * i + b"]")
        expected.append(("POST", 422, None))
        data += chunked("1\r\n[\r\n1\r\n]\r\n0\r\nX: 1\r\n\r\n", first="PUT /nothing HTTP/1.1").encode()
        expected.append(("PUT", 404, None))
    connection.send(data)
    for method, status, size in expected:
        response = connection.read(method)
        assert response.status == status
        assert size is None or int(response["content-length"]) == size
    assert connection.pending == b"" and connection.lives_on()


def test_pipelined_slow_before_fast(connection):
    connection.send(request("GET", "/work?n=1&d=100&m=64") + request("GET", "/healthz"))
    assert len(connection.read().body) == 64 and connection.read().json() == {"status": "ok"}


def test_requests_after_close_get_no_response(connection):
    connection.send(head() + head("GET /healthz HTTP/1.1", "Connection: close") + head() * 10)
    assert not connection.read().closes
    assert connection.read().closes and connection.is_closed_by_server()


def test_pipelined_responses_come_before_the_refusal(connection):
    connection.send(head("GET /work?n=1&d=50 HTTP/1.1") + head() + "NONSENSE\r\n\r\n" + head())
    assert connection.read().status == 200 and connection.read().status == 200
    assert connection.read().status == 400 and connection.is_closed_by_server()


def test_more_is_pipelined_than_any_buffer_holds(connection):
    """2 MB of requests, whose responses come while they are sent: nothing is lost where a buffer ends."""
    one = head("GET /healthz HTTP/1.1", "X-A: " + "a" * 950).encode()
    sender = threading.Thread(target=connection.send, args=(one * 2000,))
    sender.start()
    for _ in range(2000):
        assert connection.read().status == 200
    sender.join()
    assert connection.lives_on()
