"""Databases that are none: they take connections, and then say little or nothing."""

import itertools
import socket
import struct

from network import Listener, listen


def message(kind, payload):
    """A message of PostgreSQL's protocol (https://www.postgresql.org/docs/current/protocol-message-formats.html)."""
    return kind + struct.pack("!I", len(payload) + 4) + payload


class SilentDatabase(Listener):
    """Accepts connections and never says a word."""

    def __init__(self, host="127.0.0.1"):
        super().__init__(listen((host, 0)))

    def is_being_connected_to(self):
        return bool(self.sockets)

    def _serve(self, client):
        pass


class DribblingDatabase(SilentDatabase):
    """Says what PostgreSQL says while a client connects, but only a byte every `interval_s` seconds, for ever."""

    interval_s = 1

    def _serve(self, client):
        try:
            if client.recv(8)[4:] in (struct.pack("!I", 80877103), struct.pack("!I", 80877104)):
                client.sendall(b"N")  # no TLS here, and no GSSAPI
            settings = (message(b"S", b"setting_%d\0value\0" % i) for i in itertools.count())
            for part in itertools.chain([message(b"R", bytes(4))], settings):
                for byte in part:
                    client.sendall(bytes([byte]))
                    if self.closing.wait(self.interval_s):
                        return
        except OSError:
            pass  # the client has given up


class FullDatabase(Listener):
    """Listens, but its queue is full: the kernel drops whatever comes, as a firewall may."""

    def __init__(self):
        super().__init__(socket.create_server(("127.0.0.1", 0), backlog=0))
        while True:
            client = socket.socket()
            self.sockets.append(client)
            client.settimeout(0.2)
            try:
                client.connect(("127.0.0.1", self.port))
            except TimeoutError:
                break

    def __enter__(self):
        return self  # and accepts nothing

    def is_being_connected_to(self):
        """Whether a connection waits for a SYN-ACK, beside our own."""
        with open("/proc/net/tcp") as file:
            return sum(f":{self.port:04X} 02 " in line for line in file) > 1
