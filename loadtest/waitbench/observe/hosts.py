"""The machine of each part of the experiment. The kernel of this machine reports CPU time and memory of this
machine only, so a row must contain its figures only for the parts that run here."""

import ipaddress
import os
import platform
import socket
import urllib.parse
import uuid
from typing import NamedTuple

from ..base import kernel

GENERATOR_PORT = 18090  # unless a generator is started with another
KEEPALIVE = {socket.TCP_KEEPIDLE: 5, socket.TCP_KEEPINTVL: 2, socket.TCP_KEEPCNT: 3}  # s, s, number; tcp(7)
BOOT_ID = "proc/sys/kernel/random/boot_id"


class Host(NamedTuple):
    """A machine, as a part of the experiment that runs on it reports it; None or empty where it does not."""

    name: str
    boot_id: str  # of its kernel (proc(5)): the same in all of its containers, a new one after each boot
    cpus: int | None  # of the machine, of which the part may use fewer
    kernel: str

    @property
    def here(self) -> bool:
        """Whether it is this machine."""
        return bool(self.boot_id) and self.boot_id == own().boot_id


def own() -> Host:
    boot_id = kernel.read(BOOT_ID, parse_boot_id) or ""
    return Host(socket.gethostname(), boot_id, os.cpu_count(), platform.release())


def parse_boot_id(text: str) -> str:
    """Anything else than a UUID could be the same on two machines."""
    return str(uuid.UUID(text.strip()))


def of_server(url: str | None, stats: dict) -> Host:
    """The machine of a server, by its GET /stats; by its address when /stats has no boot_id."""
    if url is None:
        return own()
    address = urllib.parse.urlsplit(url).hostname or ""
    if "boot_id" in stats:
        return Host(address, stats["boot_id"], stats.get("cpus"), "")
    return own()._replace(name=address) if is_own_address(address) else Host(address, "", None, "")


def is_own_address(address: str) -> bool:
    """Whether a socket can be bound to it: only an address of this machine allows that (ip(7)). A loopback address
    is of this machine also where its kind of address is switched off, as ::1 is in many containers."""
    try:
        found = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)
    except OSError:
        return False
    for family, kind, _, _, where in found:
        if ipaddress.ip_address(str(where[0]).partition("%")[0]).is_loopback:
            continue
        try:
            with socket.socket(family, kind) as probe:
                probe.bind(where)
        except OSError:
            return False
    return bool(found)


def keep_alive(connection: socket.socket) -> None:
    """A host that is cut off sends nothing more: after eleven seconds without a sign of it, the connection
    fails."""
    for option, value in KEEPALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
