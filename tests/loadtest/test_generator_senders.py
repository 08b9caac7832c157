"""Who may ask loadtest/generator for anything: a load test, and no page in a browser."""

import http.client
import json
import socket

import pytest
import test_generators
import test_run

from waitbench import Failure
from waitbench.bench import generators

pytestmark = test_run.pytestmark
generator = test_generators.generator
JOB = test_generators.JOB


def statuses(url, *fields, version="HTTP/1.1"):
    """Of GET / and of POST /run (a job that is refused for its URL, once it is looked at) with these fields."""
    port = int(url.rpartition(":")[2])
    body = json.dumps(JOB | {"url": "file:///"})
    found = []
    for line, more in (
        ("GET /", []),
        ("POST /run", ["Content-Type: application/json", f"Content-Length: {len(body)}"]),
    ):
        head = "\r\n".join([f"{line} {version}", *fields, *more])
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(f"{head}\r\n\r\n{body if more else ''}".encode("latin-1"))
            response = b"".join(iter(lambda: connection.recv(65536), b""))
        found.append(int(response.split()[1]))
        assert found[-1] == 200 or json.loads(response.partition(b"\r\n\r\n")[2])["error"]
    return found


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{}", "127.0.0.1", "localhost:{}", "LocalHost", "a.example:{}", "b."]
)
def test_its_own_names_are_served(generator, host):
    url, _ = generator(host="0.0.0.0", names="A.example b")
    assert statuses(url, "Host: " + host.format(url.rpartition(":")[2])) == [200, 400]


@pytest.mark.parametrize(
    "fields, status",
    [
        (["Host: attacker.example"], 421),
        (["Host: attacker.example:18090"], 421),
        (["Host: localhost.attacker.example"], 421),
        (["Host: 10.1.2.3"], 421),
        (["Host: [2001:db8::1]:80"], 421),
        (["Host: localhost", "Origin: http://attacker.example"], 403),
        (["Host: localhost", "Origin: null"], 403),
        ([], 400),
        (["Host:"], 400),
        (["Host: localhost", "Host: attacker.example"], 400),
        (["Host: x@localhost"], 400),
        (["Host: [::1"], 400),
        (["Host: \xe4"], 400),
    ],
)
def test_what_a_page_in_a_browser_could_send_is_refused(generator, fields, status):
    url, child = generator()
    assert statuses(url, *fields) == [status, status]
    assert statuses(url, *fields, version="HTTP/1.0") == [status, status]
    assert child.poll() is None


def test_a_name_that_is_refused_is_said_with_what_helps(generator, monkeypatch):
    url, _ = generator()
    monkeypatch.setattr(
        http.client.HTTPConnection, "_get_hostport", lambda self, host, port: ("far.example", port)
    )
    port = int(url.rpartition(":")[2])
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: connect(port))
    with pytest.raises(Failure, match="refuses to serve: far.example is no name .* --names far.example"):
        generators.Generator(url)


def connect(port):
    found = socket.socket()
    found.connect(("127.0.0.1", port))
    return found
