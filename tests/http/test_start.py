"""A server that starts while its database cannot be had: it waits for so long and no longer, lets nobody in, and
can be stopped."""

import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from network import Proxy
from conftest import Server, free_port, sanitizer
from fakes import DribblingDatabase, FullDatabase, SilentDatabase
from namespaces import addresses_of, with_names
from project import MODELS
from wire import eventually

CONNECT_S = 5  # for each address of the database (PG_CONNECT_MS)
SLOW_MACHINE_S = 3 * max(1, os.getloadavg()[0] / os.cpu_count() / 2)


@contextmanager
def stalled_while_preparing(cluster):
    """Everything goes well until the server prepares its statements."""
    with Proxy(cluster.port) as proxy:
        proxy.cut_at, proxy.stalls = 700, True
        proxy.is_being_connected_to = lambda: proxy.cut_at is None
        yield proxy


PHASES = {
    "no SYN-ACK": lambda cluster: FullDatabase(),
    "silent": lambda cluster: SilentDatabase(),
    "dribbling": lambda cluster: DribblingDatabase(),
    "silent while statements are prepared": stalled_while_preparing,
}


@pytest.fixture(params=PHASES)
def starting(request, launch, cluster):
    """A server whose first connection to the database has come so far and gets no further."""
    with PHASES[request.param](cluster) as database:
        server = launch(
            DATABASE_URL=cluster.url_with(host="127.0.0.1", port=database.port), DB_POOL=4, WORKERS=2
        )
        eventually(database.is_being_connected_to)
        yield server


def test_nobody_is_let_in_before_the_database_is_there(starting):
    """A client that gets in would hang. One that is refused goes elsewhere."""
    for _ in range(5):
        with pytest.raises(ConnectionRefusedError):
            starting.connect().socket.close()
        time.sleep(0.05)
    assert starting.process.poll() is None, starting.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_server_that_starts(starting, number):
    began = time.monotonic()
    starting.process.send_signal(number)
    assert starting.wait(timeout=2 * CONNECT_S) == 0, starting.log
    # TSan sleeps for a second when a process ends, to find races there (atexit_sleep_ms).
    at_exit = 1 if sanitizer(starting.model) == "thread" else 0
    assert time.monotonic() - began < 3 + at_exit


def of_each_server(find_out):
    """{model: what is found out}: for all of them at the same time, since each takes CONNECT_S."""
    with ThreadPoolExecutor(len(MODELS)) as workers:
        return dict(zip(MODELS, workers.map(find_out, MODELS)))


@contextmanager
def launched(model, **options):
    server = Server(model, wait=False, **options)
    try:
        yield server
    finally:
        server.process.kill()
        server.wait()


@pytest.fixture(scope="module")
def dribbled(breakable):
    """The exit status of a server whose database dribbles, the seconds until then, its log, and the database's port."""

    def find_out(model):
        with DribblingDatabase() as database:
            url, began = breakable.url_with(host="127.0.0.1", port=database.port), time.monotonic()
            with launched(model, DATABASE_URL=url) as server:
                with suppress(subprocess.TimeoutExpired):
                    server.wait(timeout=CONNECT_S + SLOW_MACHINE_S)
                return server.process.poll(), time.monotonic() - began, server.lines, database.port

    return of_each_server(find_out)


def test_a_database_that_dribbles_is_given_up_in_time(dribbled, model):
    """The limit holds for the attempt, not for each byte of it."""
    status, took, lines, port = dribbled[model]
    assert status == 1, lines
    assert took > CONNECT_S - 0.5
    assert len(lines) == 1 and f"no response from 127.0.0.1:{port}" in lines[0], lines


@pytest.fixture(scope="module")
def second_address(breakable, tmp_path_factory):
    """The seconds until a server listens that has two addresses of a database, the first of which dribbles; the status
    of its /readyz then, None if it has not come to listen; its log."""

    def find_out(model):
        folder = tmp_path_factory.mktemp(model)
        prefix = with_names(folder, [f"127.0.0.{i} two-addresses" for i in (1, 2)])
        first, second = addresses_of("two-addresses", prefix)
        with DribblingDatabase(host=first) as dribbling, Proxy(breakable.port, (second, dribbling.port)):
            url, began = breakable.url_with(host="two-addresses", port=dribbling.port), time.monotonic()
            with launched(model, DATABASE_URL=url, DB_POOL=1, WORKERS=1, prefix=prefix) as server:
                with suppress(AssertionError):
                    eventually(
                        lambda: server.said("listening") or server.process.poll() is not None,
                        within=CONNECT_S + SLOW_MACHINE_S,
                    )
                took = time.monotonic() - began
                status = server.get("/readyz").status if server.said("listening") else None
                return took, status, server.log

    return of_each_server(find_out)


def test_each_address_has_its_own_time(second_address, model):
    """The first address dribbles until its time is up; then the second has all of its own."""
    took, status, log = second_address[model]
    assert status == 200, log
    assert took > CONNECT_S - 0.5


def test_the_log_names_an_ipv6_address_as_a_url_does(model, launch):
    port = free_port()
    try:
        socket.create_server(("::1", port), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    server = launch(HOST="::1", PORT=port)
    eventually(lambda: server.said("listening"))
    assert f"listening on http://[::1]:{port} " in server.log
    with socket.create_connection(("::1", port), timeout=10) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
