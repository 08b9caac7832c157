"""Databases that are none: they take connections and then say little or nothing. Use each as a context manager."""

import itertools
import socket
import struct
import threading


def message(kind, payload):
    """A message of PostgreSQL's protocol (https://www.postgresql.org/docs/current/protocol-message-formats.html)."""
    return kind + struct.pack("!I", len(payload) + 4) + payload


class SilentDatabase:
    """Accepts connections and never says a word."""

    def __init__(self, host="127.0.0.1", port=0):
        self.listener = socket.create_server((host, port))
        self.port = self.listener.getsockname()[1]
        self.clients = []
        self.closing = threading.Event()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for client in self.clients:
            client.close()

    def is_being_connected_to(self):
        return bool(self.clients)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.clients.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

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


class FullDatabase(SilentDatabase):
    """Listens, but its queue is full: the kernel drops whatever comes, as a firewall may."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.listener.getsockname()[1]
        self.clients = []
        self.closing = threading.Event()
        while True:
            client = socket.socket()
            self.clients.append(client)
            client.settimeout(0.2)
            try:
                client.connect(("127.0.0.1", self.port))
            except TimeoutError:
                break

    def __enter__(self):
        return self

    def is_being_connected_to(self):
        """Whether a connection waits for an answer to its SYN, beside our own."""
        with open("/proc/net/tcp") as file:
            return sum(f":{self.port:04X} 02 " in line for line in file) > 1
