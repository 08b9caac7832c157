"""A server as a process: how it starts, what it refuses, what limits it meets, how it ends."""

import os
import re
import signal
import socket
import subprocess
import threading
import time
from urllib.parse import urlsplit, urlunsplit

import pytest
from conftest import Server, free_port
from project import ROOT, start_command
from wire import eventually, request


def database_url(**changes):
    url = urlsplit(os.environ["DATABASE_URL"])
    password = changes.get("password", url.password)
    netloc = f"{url.username}:{password}@{changes.get('host', url.hostname)}:{changes.get('port', url.port)}"
    return urlunsplit(url._replace(netloc=netloc, path=changes.get("path", url.path)))


def refuses_to_start(model, args=(), **settings):
    """Its one line and its exit status; it must end by itself, at once."""
    began = time.monotonic()
    server = Server(model, args=args, wait=False, **settings)
    status = server.wait(timeout=10)
    assert time.monotonic() - began < 3
    assert len(server.lines) == 1, server.log
    return server.lines[0], status


@pytest.mark.parametrize(
    "args, words",
    [
        (["--prot", "1"], "--prot"),
        (["--port", "99999"], "--port"),
        (["--port", "abc"], "--port"),
        (["--port"], "--port"),
        (["--n=1001"], "--n"),
        (["--m", "5"], "M=5"),
        (["--w", "2"], "W=2"),
        (["extra"], "extra"),
        (["--log-level", "loud"], "--log-level"),
        (["--workers", "99", "--db-pool", "9"], "WORKERS=99"),
        (["--db-pool", "10001"], "--db-pool"),
        (["--idle-timeout=-1"], "--idle-timeout"),
    ],
)
def test_bad_flag_is_named(model, args, words):
    line, status = refuses_to_start(model, args)
    assert status == 2 and words in line


@pytest.mark.parametrize(
    "name, value",
    [
        ("PORT", "http"),
        ("N", "-1"),
        ("M", "5"),
        ("DB_POOL", ""),
        ("LOG_LEVEL", "x"),
        ("DATABASE_URL", "postgresql://[::1/f"),
        ("STACK_KIB", "1"),
    ],
)
def test_bad_variable_is_named(model, name, value):
    line, status = refuses_to_start(model, **{name: value})
    assert status == 2 and name in line


def test_flags_win_over_variables(model):
    port = free_port()
    server = Server(model, args=["--port", str(port)], PORT=free_port())
    server.port = port
    assert server.get("/healthz").status == 200
    assert server.stop() == 0


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version(model, flag):
    done = subprocess.run([*start_command(model), flag], cwd=ROOT, capture_output=True, text=True, timeout=10)
    assert done.returncode == 0 and done.stderr == ""
    if flag == "--help":
        for name in "HOST PORT DATABASE_URL DB_POOL WORKERS MAX_CONNECTIONS STACK_KIB DRAIN_TIMEOUT".split():
            assert re.search(rf"^ +{name} +--{name.lower().replace('_', '-')} ", done.stdout, re.M)


def test_no_database(model):
    line, status = refuses_to_start(model, DATABASE_URL=database_url(port=free_port()))
    assert status == 1 and "db/local start" in line


def test_wrong_password(model):
    line, status = refuses_to_start(model, DATABASE_URL=database_url(password="wrong"))
    assert status == 1 and "password" in line and "wrong" not in line.replace("wrong password", "")


def test_no_such_database(model):
    line, status = refuses_to_start(model, DATABASE_URL=database_url(path="/nothing"))
    assert status == 1 and "nothing" in line


def test_missing_table(model, database):
    database.execute("DROP DATABASE IF EXISTS empty_one")
    database.execute("CREATE DATABASE empty_one")
    try:
        line, status = refuses_to_start(model, DATABASE_URL=database_url(path="/empty_one"))
    finally:
        database.execute("DROP DATABASE empty_one WITH (FORCE)")
    assert status == 1 and "db/schema.sql" in line


def test_unknown_host(model):
    line, status = refuses_to_start(model, DATABASE_URL=database_url(host="no-such-host.invalid"))
    assert status == 1 and "no-such-host.invalid" in line


def test_host_name_is_resolved(start):
    server = start(DATABASE_URL=database_url(host="localhost"))
    assert server.get("/readyz").status == 200


def test_port_in_use(model):
    with socket.create_server(("127.0.0.1", 0)) as other:
        line, status = refuses_to_start(model, PORT=other.getsockname()[1])
    assert status == 1 and "in use" in line


def test_port_in_use_by_the_same_server(start, model):
    first = start()
    line, status = refuses_to_start(model, PORT=first.port)
    assert status == 1 and "in use" in line
    assert first.get("/healthz").status == 200


def test_connection_limit(start):
    server = start(MAX_CONNECTIONS=20)
    inside = [server.connect() for _ in range(20)]
    for connection in inside:
        assert connection.lives_on()
    for _ in range(5):
        with server.connect() as late:
            response = late.read()
            assert response.status == 503 and response["retry-after"] and response.closes
            assert late.is_closed_by_server()
    for connection in inside:
        assert connection.ask("GET", "/work").status == 200
    assert server.log.count("MAX_CONNECTIONS") >= 2  # at start, and when it was met
    inside.pop().socket.close()
    eventually(server.let_in).socket.close()
    stats = inside[0].ask("GET", "/stats").json()
    assert stats["connections_refused"] >= 5 and stats["connections_max"] == 20
    for connection in inside:
        connection.socket.close()


def test_out_of_descriptors(start):
    """More clients than descriptors: those inside are served on, and the server does not spin."""
    server = start(prefix=["prlimit", "--nofile=110:110"], DB_POOL=2, WORKERS=2)
    clients = [server.connect() for _ in range(150)]
    try:
        inside = [client for client in clients if not starts_with_503(client)]
        assert 20 <= len(inside) <= 110
        before = server.cpu_seconds()
        time.sleep(1)
        assert server.cpu_seconds() - before < 0.2
        for client in inside:
            assert client.ask("GET", "/work").status == 200
        assert server.said("RLIMIT_NOFILE")
    finally:
        for client in clients:
            client.socket.close()
    eventually(lambda: server.get("/healthz").status == 200)


def starts_with_503(client):
    """Whether the server has turned this client away (it says so without being asked)."""
    client.socket.settimeout(0.05)
    try:
        return client.read().status == 503
    except TimeoutError:
        return False
    finally:
        client.socket.settimeout(10)


def test_idle_server_sleeps(server):
    eventually(lambda: server.stats()["db_connects"] == 16)
    with server.connect() as idle:
        assert idle.lives_on()
        before = server.cpu_seconds()
        time.sleep(1)
        assert server.cpu_seconds() - before <= 0.03


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_drains(start, number):
    server = start()
    with server.connect() as idle, server.connect() as busy:
        assert idle.lives_on()
        busy.send(request("GET", "/work?n=2&d=400&w=2"))
        eventually(lambda: server.stats()["connections_open"] == 3)
        time.sleep(0.1)
        server.process.send_signal(number)
        response = busy.read()
        assert response.status == 200 and response.closes
        assert idle.is_closed_by_server()
    assert server.wait() == 0
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_drain_finishes_a_request_that_has_begun(start):
    server = start()
    with server.connect() as late:
        late.send("GET /work HTTP/1.1\r\nHo")
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        late.send("st: test\r\n\r\n")
        response = late.read()
        assert response.status == 200 and response.closes
    assert server.wait() == 0


def test_drain_gives_up_in_time(start):
    server = start(DRAIN_TIMEOUT=1)
    with server.connect() as stuck:
        stuck.send(request("GET", "/work?n=1&d=5000"))
        time.sleep(0.3)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.wait() == 1
        assert time.monotonic() - began < 3
    assert "DRAIN_TIMEOUT" in server.log


def test_second_signal_ends_at_once(start):
    server = start()
    with server.connect() as stuck:
        stuck.send(request("GET", "/work?n=1&d=5000"))
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: server.said("draining"))
        server.process.send_signal(signal.SIGINT)
        assert server.wait(timeout=2) == 1


def test_sigterm_under_load_responds_to_all_that_was_accepted(start, database):
    """Clients that send without pause: each request gets its response, or the server closed a
    connection that was idle to it. Updates that got their responses are in the table."""
    database.execute("SELECT coalesce(sum(hits), 0) FROM world")
    hits = int(database.fetchone()[0])
    server = start()
    served = []
    trouble = []

    def client():
        try:
            with server.connect() as connection:
                while True:
                    response = connection.ask("GET", "/work?n=2&w=1")
                    if response.status != 200:
                        trouble.append(response)
                    served.append(1)
                    if response.closes:
                        break
        except (EOFError, ConnectionError):
            pass  # closed between two requests: the client would try again elsewhere

    threads = [threading.Thread(target=client) for _ in range(16)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(served) > 200, within=30)
    server.process.send_signal(signal.SIGTERM)
    assert server.wait() == 0
    for thread in threads:
        thread.join(10)
    assert not trouble
    database.execute("SELECT sum(hits) FROM world")
    done = int(database.fetchone()[0]) - hits
    assert len(served) <= done <= len(served) + 16
