"""Clients that send slowly, or read slowly or not at all: they hold nobody up, and take no memory."""

import os
import resource
import time

import pytest
from clients import LARGE, check_served, many, nothing_left
from wire import eventually, request

SLOW = os.environ.get("WAITBENCH_SLOW") == "1"


def sanitized(server):
    return "-fsanitize" in server.stats()["build"]


# ---- Slow ones


def drip(server, count, served):
    """So many clients that send a byte now and then, while `served` is called; then they all finish."""
    data = request("GET", "/healthz", headers={"X-A": "slow"})
    with many(server, count, timeout=60) as clients:
        at = 0
        for at in range(10):
            for client in clients:
                client.send(data[at : at + 1])
            served()
        for client in clients:
            client.send(data[at + 1 :])
        for client in clients:
            assert client.read().status == 200


def test_slow_clients_hold_nobody_up(start):
    server = start(HEADER_TIMEOUT=60)
    with nothing_left(server):
        drip(server, 300, lambda: check_served(server))


@pytest.mark.skipif(not SLOW, reason="WAITBENCH_SLOW=1 runs it")
def test_5000_slow_clients(start):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 6000:
        pytest.skip(f"the hard limit of descriptors is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 6000), hard))
    server = start(HEADER_TIMEOUT=120)
    with nothing_left(server):
        drip(server, 5000, lambda: check_served(server))
    assert server.stats()["connections_refused"] == 0


# ---- Readers that do not read


def test_responses_that_nobody_reads_take_no_memory(start):
    """20 of 16 MiB: what the sockets take is the kernel's, the rest must not have been made."""
    server = start(WRITE_TIMEOUT=60)
    before = server.rss_kib()
    with nothing_left(server):
        with many(server, 19, receive_buffer=4096) as clients, server.connect() as late:
            for client in [*clients, late]:
                client.send(request("GET", f"/work?n=1&m={LARGE}"))
            eventually(lambda: server.stats()["replies_2xx"] >= 20)
            check_served(server)
            if not sanitized(server):
                assert server.rss_kib() - before < 24 * 1024
            assert len(late.read().body) == LARGE  # a client that reads after all gets all of it


def test_readers_that_do_not_read_are_left(start):
    server = start(WRITE_TIMEOUT=1)
    with nothing_left(server):
        with many(server, 5, receive_buffer=4096) as clients:
            for client in clients:
                client.send(request("GET", f"/work?n=1&m={LARGE}"))
            began = time.monotonic()
            eventually(lambda: server.stats()["connections_open"] == 1, within=15)
            assert time.monotonic() - began > 0.7


def test_a_slow_reader_is_not_left(start):
    """WRITE_TIMEOUT counts from the last byte taken, not from the first, however much the kernel holds."""
    server = start(WRITE_TIMEOUT=1)
    with server.connect(receive_buffer=16384) as client:
        client.send(request("GET", f"/work?n=0&m={LARGE}"))
        began = time.monotonic()
        while time.monotonic() - began < 2.5:
            client.pending += client.socket.recv(8192)
            time.sleep(0.05)
        client.socket.settimeout(60)
        assert len(client.read().body) == LARGE


def test_pipelining_without_reading_is_stopped_by_back_pressure(start):
    """The server reads no requests from the socket while the client takes no responses."""
    server = start(WRITE_TIMEOUT=60)
    before = server.rss_kib()
    with nothing_left(server):
        with many(server, 4, receive_buffer=4096) as clients:
            data = request("GET", "/work?n=0&m=100000") * 1000
            for client in clients:
                client.socket.settimeout(0.5)
                sent = 0
                try:
                    while sent < 64 << 20:
                        sent += client.socket.send(data)
                except TimeoutError:
                    pass
                assert sent < 64 << 20, "it swallows everything"
            check_served(server)
            if not sanitized(server):
                assert server.rss_kib() - before < 16 * 1024
            clients[0].socket.settimeout(10)
            for _ in range(50):
                assert len(clients[0].read().body) == 100000
