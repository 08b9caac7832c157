"""Methods, and the fields of the response to each (RFC 9110)."""

import re
import time
from email.utils import parsedate_to_datetime

import pytest
from shapes import head

# ---- Methods

PATHS = {
    "/work": "GET, HEAD, OPTIONS",
    "/healthz": "GET, HEAD, OPTIONS",
    "/readyz": "GET, HEAD, OPTIONS",
    "/stats": "GET, HEAD, OPTIONS",
    "/metrics": "GET, HEAD, OPTIONS",
    "/items": "GET, HEAD, POST, OPTIONS",
    "/items/1": "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
}


@pytest.mark.parametrize("path", PATHS)
def test_options_and_methods_that_a_path_does_not_take(connection, path):
    response = connection.ask("OPTIONS", path)
    assert response.status == 204 and response["allow"] == PATHS[path] and response.body == b""
    for method in "GET HEAD POST PUT PATCH DELETE".split():
        if method not in PATHS[path]:
            response = connection.ask(method, path, {})
            assert response.status == 405 and response["allow"] == PATHS[path] and not response.closes
    assert connection.lives_on()


@pytest.mark.parametrize("target", ["*", "http://test", "http://test:80"])  # RFC 9112 3.2.4
def test_options_of_the_server(connection, target):
    response = connection.ask("OPTIONS", target)
    assert response.status == 204 and response["allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert connection.ask("OPTIONS", "/nothing").status == 404


@pytest.mark.parametrize(
    "target",
    [
        "/work?n=2&m=4096&seed=7",
        "/work?m=16777216&n=0",
        "/work?n=x",
        "/healthz",
        "/readyz",
        "/items?limit=1&after=9223372036854775806",
        "/items?limit=0",
        "/items/999999999999",
        "/nothing",
        "/",
    ],
)
def test_head_is_get_without_the_body(connection, target):
    get = connection.ask("GET", target)
    head = connection.ask("HEAD", target)
    assert head.body == b"" and head.without_date()[0] == get.without_date()[0]
    assert connection.lives_on()


@pytest.mark.parametrize("target", ["/stats", "/metrics"])
def test_head_of_what_changes_by_itself(connection, target):
    head = connection.ask("HEAD", target)
    assert head.status == 200 and int(head["content-length"]) > 500
    assert connection.lives_on()


@pytest.mark.parametrize(
    "status, data",
    [
        (413, head("HEAD /healthz HTTP/1.1", "Content-Length: 9999999")),
        (400, "HEAD /healthz\r\n"),
        (400, head("HEAD /healthz HTTP/1.1", host=False)),
        (505, head("HEAD /healthz HTTP/2.0")),
        (400, head("HEAD /healthz HTTP/1.1", "Transfer-Encoding: chunked") + "x\r\n"),
    ],
)
def test_head_of_a_refusal_has_no_body(connection, status, data):
    connection.send(data)
    response = connection.read("HEAD")
    assert response.status == status and response.closes and int(response["content-length"]) > 0
    assert connection.is_closed_by_server()


# ---- Fields of the response


def test_date(server):
    before = int(time.time())
    date = server.get("/healthz")["date"]
    assert re.fullmatch(
        r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
        r"\d\d:\d\d:\d\d GMT",
        date,
    )
    parsed = parsedate_to_datetime(date)
    assert before - 1 <= parsed.timestamp() <= time.time() + 1
    assert parsed.strftime("%a") == date[:3]


def test_every_response_has_a_date_and_is_not_for_caches(connection):
    for target in ("/healthz", "/nothing", "/work?n=x", "/work", "/stats", "/items"):
        response = connection.ask("GET", target)
        assert response["date"] and response["cache-control"] == "no-cache"
    connection.send("NONSENSE\r\n\r\n")
    response = connection.read()
    assert response["date"] and response["cache-control"] == "no-cache"


def test_no_content(connection):
    item = connection.ask("POST", "/items", {"name": "x"})
    response = connection.ask("GET", item["location"], headers={"If-None-Match": item["etag"]})
    assert response.status == 304 and response["content-length"] is None and response["content-type"] is None
    assert response["etag"] == item["etag"] and response["date"] and response["cache-control"] == "no-cache"
    response = connection.ask("DELETE", item["location"])
    assert (
        response.status == 204
        and response["content-length"] is None
        and response["transfer-encoding"] is None
    )
    assert connection.pending == b"" and connection.lives_on()
