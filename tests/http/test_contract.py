"""The contract of docs/adding-a-server.md, kept by every server of the list, whatever it is written in."""

import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from conftest import Server, free_port
from project import ROOT
from wire import eventually, request

CHECKER = ROOT / "tests/contract"


def run_checker(server, database_url):
    """The checker's exit status, and its lines."""
    done = subprocess.run(
        [
            sys.executable,
            CHECKER,
            f"http://127.0.0.1:{server.port}",
            "--database",
            database_url,
            "--outage",
            "--name",
            server.model,
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == "", done.stderr
    return done.returncode, done.stdout.splitlines()


def test_a_running_server(start, cluster):
    server = start(DATABASE_URL=cluster.url, DB_POOL=4)
    status, lines = run_checker(server, cluster.url)
    assert re.fullmatch(r"\d+ passed, 0 failed(, \d+ skipped)?", lines[-1]), "\n".join(lines)
    assert status == 0


def test_a_server_has_as_many_database_connections_as_it_is_told(start, cluster):
    def connections():
        return cluster.number("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'")

    server = start(DATABASE_URL=cluster.url_with("app"), DB_POOL=5)
    eventually(lambda: connections() == 5)
    threads = [server.connect() for _ in range(10)]
    for connection in threads:
        connection.send(request("GET", "/work?n=1&d=100"))
    time.sleep(0.05)
    assert connections() == 5
    for connection in threads:
        assert connection.read().status == 200
        connection.socket.close()


@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_a_server_that_is_told_to_stop_drains(start, number):
    server = start(DB_POOL=4)
    with server.connect() as idle, server.connect() as busy:
        assert idle.lives_on()
        busy.send(request("GET", "/work?n=2&d=300&m=64&seed=1"))
        time.sleep(0.2)
        server.process.send_signal(number)
        assert busy.read().status == 200
        assert idle.is_closed_by_server()
    assert server.wait(timeout=10) == 0, server.log
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def how_it_ends(model, **settings):
    server = Server(model, wait=False, **{"DB_POOL": 1, "WORKERS": 1} | settings)
    try:
        status = server.wait()
    finally:
        server.process.kill()
    assert server.log != "", "not a word about why"
    assert not server.said("listening")
    return status


def test_a_server_whose_port_is_taken_ends_with_1(model):
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert how_it_ends(model, PORT=other.getsockname()[1]) == 1


def test_a_server_without_a_database_ends_with_1(model):
    url = f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/nothing"
    assert how_it_ends(model, DATABASE_URL=url) == 1


@pytest.mark.parametrize("name", ["PORT", "DB_POOL"])
def test_a_setting_that_makes_no_sense_ends_a_server_with_2(model, name):
    assert how_it_ends(model, **{name: "many"}) == 2
