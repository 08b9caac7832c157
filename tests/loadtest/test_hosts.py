"""The machine of each part."""

import os
import socket

import pytest

from waitbench.observe import hosts


def test_this_machine():
    own = hosts.own()
    assert own.here and own.cpus == os.cpu_count() and len(own.boot_id) == 36


@pytest.mark.parametrize("other", [hosts.Host("far", "another-boot", 2, ""), hosts.Host("far", "", 2, "")])
def test_another_machine_and_one_of_which_nothing_is_known(other):
    assert not other.here


def test_without_a_boot_id_nothing_is_here(monkeypatch):
    """No file, no claim: two unknown machines are not the same."""
    monkeypatch.setattr(hosts, "BOOT_ID", "none")
    assert not hosts.own().here


@pytest.mark.parametrize(
    "address, ours", [("127.0.0.1", True), ("localhost", True), ("192.0.2.1", False), ("no.invalid", False)]
)
def test_an_address_is_ours_when_one_may_listen_there(address, ours):
    assert hosts.is_own_address(address) == ours


def test_loopback_is_ours_where_its_kind_of_address_is_switched_off(monkeypatch):
    """Docker's /etc/hosts names ::1, to which nothing can be bound there."""
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert hosts.is_own_address("localhost")


def refuse(*_):
    raise OSError


def test_a_server_says_where_it_is():
    stats = {"boot_id": "another-boot", "cpus": 4}
    assert hosts.of_server("http://127.0.0.1:1", stats) == hosts.Host("127.0.0.1", "another-boot", 4, "")
    assert hosts.of_server("http://10.0.0.9:1", {"boot_id": hosts.own().boot_id, "cpus": 4}).here


def test_of_a_server_that_does_not_say_the_address_tells():
    assert hosts.of_server("http://127.0.0.1:1", {}).here
    assert hosts.of_server("http://192.0.2.1:1", {}) == hosts.Host("192.0.2.1", "", None, "")


def test_a_server_that_was_started_here_is_here():
    assert hosts.of_server(None, {}) == hosts.own()
