"""Databases that are none: they take connections, and then say little or nothing."""

import itertools
import socket
import struct

from network import Listener, listen

# TLS and GSSAPI (https://www.postgresql.org/docs/current/protocol-message-formats.html)
ENCRYPTION_REQUESTS = struct.pack("!I", 80877103), struct.pack("!I", 80877104)


def message(kind, payload):
    """A message of PostgreSQL's protocol."""
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
            if client.recv(8)[4:] in ENCRYPTION_REQUESTS:
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


class RefusingDatabase(SilentDatabase):
    """Lets everybody in, says of itself what is in `settings`, and refuses every statement."""

    def __init__(self, sqlstate="XX000", **settings):
        super().__init__()
        self.settings = settings
        self.sqlstate = sqlstate

    def _serve(self, client):
        ready = message(b"Z", b"I")
        error = f"SERROR\0VERROR\0C{self.sqlstate}\0Mrefused\0\0"
        try:
            while client.recv(4096)[4:8] in ENCRYPTION_REQUESTS:
                client.sendall(b"N")
            settings = [message(b"S", f"{name}\0{value}\0".encode()) for name, value in self.settings.items()]
            client.sendall(b"".join([message(b"R", bytes(4)), *settings, ready]))
            while client.recv(65536)[:1] == b"Q":
                client.sendall(message(b"E", error.encode()) + ready)
        except OSError:
            pass  # the client has given up


class WebServer(SilentDatabase):
    """Takes whatever it is told for a bad request."""

    def _serve(self, client):
        client.recv(4096)
        client.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
