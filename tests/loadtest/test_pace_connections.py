"""The connections of pace, as the server sees them: churn, idle ones, slow ones; addresses and paths."""

import socket
from collections import Counter

import pytest

from pacing import Server, log, pace, right

BRIEF = ("--rate", 400, "--arrivals", "constant", "-d", 0.3, "--warmup", 0.1)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_a_connection_makes_k_requests(tmp_path, k):
    with Server(log=tmp_path / "log") as server:
        done = right(*BRIEF, "-c", 4, "--requests-per-connection", k, server.url)
    made = Counter(client for _, client, _ in log(tmp_path / "log"))
    assert max(made.values()) == k
    assert sum(count == k for count in made.values()) >= len(made) - 4  # the last ones may have made fewer
    assert done["due"] == 120 and done["unfinished"] == 0
    assert server.seen["accepted"] == done["total"]["connections"] == pytest.approx(len(made), abs=5)


def test_churn_in_a_closed_loop():
    with Server() as server:
        done = right("-c", 4, "-d", 0.5, "--warmup", 0.1, "--requests-per-connection", 1, server.url)
    assert done["requests"] > 20
    assert server.seen["accepted"] >= server.seen["requests"]


def test_without_end_a_connection_is_kept():
    with Server() as server:
        done = right(*BRIEF, "-c", 4, server.url)
    assert done["total"]["connections"] == server.seen["accepted"]
    assert server.seen["accepted"] == 4 + 1  # one looks at first whether somebody listens


def test_connections_take_turns(tmp_path):
    """Each has its share of the requests, as users have."""
    with Server(log=tmp_path / "log") as server:
        right(*BRIEF, "-c", 5, server.url)
    made = Counter(client for _, client, _ in log(tmp_path / "log"))
    assert len(made) == 5 and max(made.values()) - min(made.values()) <= 3


def test_idle_connections_come_from_many_addresses():
    with Server() as server:
        done = right(*BRIEF, "-c", 4, "--idle", 1000, server.url)
    assert server.seen["open_most"] >= 1004
    assert server.seen["addresses"] > 5
    assert server.seen["requests"] == done["total"]["requests"]
    assert done["total"]["requests"] == 1000 + 40 + 120
    assert (done["idle"], done["idle_connections"]["closed"]) == (1000, 0)
    assert done["connect_s"] > 0


def in_time_wait(port):
    with open("/proc/net/tcp") as file:
        rows = [line.split()[1:4] for line in file][1:]  # local address, remote address, state (proc(5))
    return sum(state == "06" and f"{port:04X}" in (local[-4:], remote[-4:]) for local, remote, state in rows)


def test_idle_connections_leave_nothing_behind_in_the_kernel():
    with Server() as server:
        right(*BRIEF, "-c", 4, "--idle", 1000, server.url)
    assert in_time_wait(server.port) < 100


@pytest.mark.parametrize("announce", [0, 1])
def test_idle_connections_that_the_server_closes_are_opened_again(announce):
    """It closes each after its first request; that is counted, and no error."""
    with Server(requests=1, announce=announce) as server:
        done = pace(*BRIEF, "-c", 2, "--idle", 20, "--requests-per-connection", 1, server.url)
    assert done["idle_connections"]["closed"] >= 20
    assert done["total"]["connections"] >= 20 + 20 + 2 + 120
    assert set(done.wrong) <= (set() if announce else {"closed", "reset"})


def test_slow_readers_hold_nobody_up():
    with Server(body=500_000) as server:
        done = right("--rate", 50, "-c", 4, "-d", 1, "--warmup", 0.1, "--slow", 5, server.url)
    assert server.seen["open_most"] >= 9
    assert 0 < done["slow_connections"]["bytes"] < 5 * 500_000
    assert done["slow_connections"]["requests"] == 0  # none has read all of it
    assert done["unfinished"] == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_addresses(host):
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with Server(host=host) as server:
        right(*BRIEF, server.url)


def test_a_name_and_a_path_in_the_url(tmp_path):
    with Server(log=tmp_path / "log") as server:
        right(*BRIEF, f"HTTP://localhost:{server.port}/work?n=1&m=64")
    assert {target for _, _, target in log(tmp_path / "log")} == {"/work?n=1&m=64"}


def test_paths_take_turns(tmp_path):
    (tmp_path / "paths").write_text("/c\n\n/d?x=1\n")
    given = {
        ("/a", "/b"): ["--path", "/a", "--path", "/b"],
        ("/c", "/d?x=1"): ["--paths", tmp_path / "paths"],
    }
    for paths, words in given.items():
        with Server(log=tmp_path / "log") as server:
            right(*BRIEF, *words, server.url)
        asked = Counter(target for _, _, target in log(tmp_path / "log"))
        assert set(asked) == set(paths)
        assert max(asked.values()) - min(asked.values()) <= 1
