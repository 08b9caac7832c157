"""Accepting clients where a limit is met: which limit that is stands in the log, a client inside is served, nobody
waits for ever, and the server neither spins nor floods its log."""

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack

import pytest
from conftest import sanitizer
from service import connections_up
from wire import eventually

IDLE_CLIENTS = 40


def open_with_service(server, stack, count):
    """So many connections, each of which has been served once."""
    clients = [stack.enter_context(server.connect()) for _ in range(count)]
    assert all(client.lives_on() for client in clients)
    return clients


def fill_file_table(server):
    """From now on no descriptor is free: the limit is the lowest number that is not in use."""
    pid = server.process.pid
    used = set(map(int, os.listdir(f"/proc/{pid}/fd")))
    lowest = next(number for number in range(len(used) + 1) if number not in used)
    subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={lowest}:"], check=True)
    return lowest


def is_turned_away(server):
    with server.connect() as late:
        response = late.read()
        assert response.status == 503 and response["retry-after"] and response.closes
        return late.is_closed_by_server()


def test_full_file_table(start):
    """A client that comes then gets a 503. Afterwards the server sleeps, serves those inside, and can be stopped."""
    server = start(DB_POOL=2, WORKERS=1)
    eventually(lambda: connections_up(server) == 2)
    with ExitStack() as stack:
        inside = open_with_service(server, stack, IDLE_CLIENTS)
        eventually(lambda: server.descriptors() >= IDLE_CLIENTS)
        fill_file_table(server)
        assert is_turned_away(server)
        before = server.cpu_seconds()
        time.sleep(1)
        assert server.cpu_seconds() - before < 0.1
        assert all(client.lives_on() for client in inside)
        assert is_turned_away(server)
        assert server.stop(timeout=5) == 0, server.log


def test_the_log_names_the_limit_of_descriptors(start):
    server = start(DB_POOL=2, WORKERS=1)
    eventually(lambda: connections_up(server) == 2)
    with ExitStack() as stack:
        open_with_service(server, stack, 4)
        limit = fill_file_table(server)
        assert is_turned_away(server)
    used, value = check_limit_is_named(server, "RLIMIT_NOFILE")
    # The spare one is closed, so that a client can be told. The limit may be the number of a hole: more are in use then.
    assert value == limit and limit - 1 <= used < limit + 10


def test_the_log_names_the_limit_of_connections(start):
    server = start(MAX_CONNECTIONS=4)
    with ExitStack() as stack:
        open_with_service(server, stack, 4)
        assert is_turned_away(server)
    assert check_limit_is_named(server, "MAX_CONNECTIONS") == (4, 4)


def check_limit_is_named(server, limit):
    """One line, and in the same words whichever model the server is. Returns what is in use, and the value."""
    eventually(lambda: server.said("limit met"))
    lines = [line.rstrip() for line in server.lines if "limit met" in line]
    found = re.search(rf"limit met: {limit}, (\d+) of (\d+) in use \(\w+: .+\)$", lines[0])
    assert found, lines
    return int(found[1]), int(found[2])


def strace(model, calls, fault, output="/dev/null"):
    """A prefix under which these system calls meet a fault (strace(1), -e inject)."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    if sanitizer(model):
        pytest.skip("a sanitizer is in the way")
    prefix = [
        "strace",
        "-D",
        "-f",
        "-qq",
        "-o",
        output,
        "-e",
        f"trace={calls}",
        "-e",
        "signal=none",
        "-e",
        f"inject={calls}:{fault}",
    ]
    done = subprocess.run([*prefix, "true"], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"strace cannot inject faults here: {done.stderr}")
    return prefix


@pytest.mark.parametrize("error, limit", [("EMFILE", "RLIMIT_NOFILE"), ("ENFILE", r"fs\.file-max")])
def test_the_log_names_the_limit_that_accept_met(start, model, error, limit):
    """The second attempt, for which the spare descriptor is given up, succeeds."""
    server = start(prefix=strace(model, "accept4", f"error={error}:when=1+2"), DB_POOL=2, WORKERS=1)
    assert is_turned_away(server)
    check_limit_is_named(server, limit)
    assert server.stop(timeout=5) == 0, server.log[-2000:]


@pytest.mark.parametrize("error", ["ENOMEM", "ENOBUFS"])
def test_a_server_whose_accept_fails_tries_at_leisure(start, model, error, tmp_path):
    """Nobody can be let in, or told so. The server waits before it tries again, says why about once a second, and can
    be stopped."""
    calls = tmp_path / "calls"
    prefix = strace(model, "accept4", f"error={error}:when=1+", output=str(calls))
    server = start(prefix=prefix, DB_POOL=2, WORKERS=1)
    with server.connect():
        eventually(lambda: calls.stat().st_size > 0)
        lines, before = len(server.lines), calls.read_text().count("accept4")
        time.sleep(1)
        assert calls.read_text().count("accept4") - before <= 40  # RETRY_MS is 100
        assert len(server.lines) - lines <= 2, server.log[-2000:]
        check_limit_is_named(server, "unknown")  # the error is made up: nothing is used up
        assert server.stop(timeout=5) == 0, server.log[-2000:]


# ---- How many are open


def open_connections(connection):
    return connection.ask("GET", "/stats").json()["connections_open"]


def everybody_else_has_left(server):
    with eventually(server.let_in) as connection:
        eventually(lambda: open_connections(connection) == 1)


def is_served(client):
    try:
        return client.lives_on()
    except (ConnectionError, EOFError):
        return False  # the reset that our request has met may have destroyed the response 503


def connect_all_at_once(server, stack, count):
    """The server stands still meanwhile, so that its workers then accept at the same time."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        return [stack.enter_context(server.connect()) for _ in range(count)]
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_never_more_are_open_than_max_connections(start, model):
    """Several workers accept at the same time, and each counts the clients of all. Some system calls between accept(2)
    and the first request take longer than usual, so that what the workers do overlaps."""
    slow = strace(model, "setsockopt,mmap,mprotect,epoll_ctl,clone3", "delay_exit=1000")
    server = start(prefix=slow, MAX_CONNECTIONS=8, WORKERS=4, DB_POOL=4)
    for _ in range(5):
        with ExitStack() as stack:
            clients = connect_all_at_once(server, stack, 24)
            inside = [client for client in clients if is_served(client)]
            assert 1 <= len(inside) <= 8
            assert open_connections(inside[0]) <= 8
        everybody_else_has_left(server)


def test_the_number_of_open_connections_is_right(start):
    """While others come and go: never less than those that are surely there, never more than all, and never "minus
    one", which would be 18446744073709551615."""
    server = start(MAX_CONNECTIONS=50, WORKERS=2, DB_POOL=2)
    with ExitStack() as stack:
        inside = open_with_service(server, stack, 10)
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            others = [server.connect() for _ in range(5)]
            assert 10 <= open_connections(inside[0]) <= 50
            for number, other in enumerate(others):
                other.reset() if number % 2 else other.socket.close()
            assert 10 <= open_connections(inside[1]) <= 50
        eventually(lambda: open_connections(inside[0]) == 10)
        connect_all_at_once(server, stack, 60)
        eventually(lambda: server.said("limit met: MAX_CONNECTIONS"))
        assert 10 <= open_connections(inside[0]) <= 50
    counts = re.findall(r"(\d+) connections are open", server.log)
    assert counts and all(int(count) <= 50 for count in counts), server.log
    everybody_else_has_left(server)
