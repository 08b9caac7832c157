"""A client that says exactly the bytes it is told, and reads responses to the letter.

http.client would correct what these tests want wrong, so this is a socket and a small parser.
"""

import json
import socket
import struct
import time
from dataclasses import dataclass, field


@dataclass
class Response:
    status: int
    reason: str
    fields: list  # of (name in small letters, value)
    body: bytes
    raw_head: bytes = field(repr=False)

    def __getitem__(self, name):
        """The value of the one field of that name; None without one."""
        values = [value for key, value in self.fields if key == name.lower()]
        assert len(values) <= 1, f"{name} is there {len(values)} times: {self.raw_head!r}"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)

    @property
    def closes(self):
        return (self["connection"] or "").lower() == "close"

    def without_date(self):
        """The head without the one line that differs between two runs."""
        return (
            b"\r\n".join(line for line in self.raw_head.split(b"\r\n") if not line.startswith(b"Date:")),
            self.body,
        )


class Connection:
    """One connection to a server. Use as a context manager."""

    def __init__(self, address, timeout=10, receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.socket.settimeout(timeout)
        if receive_buffer is not None:  # before connecting: it decides the window that is offered
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Leaves with RST in place of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _more(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError(f"the server closed; unread: {bytes(self.pending[:200])!r}")
        self.pending += data

    def _until(self, mark):
        while mark not in self.pending:
            self._more()
        return self._take(self.pending.index(mark) + len(mark))[: -len(mark)]

    def _take(self, count):
        taken = bytes(self.pending[:count])
        del self.pending[:count]
        return taken

    def read(self, method="GET"):
        """One response, its framing checked. 1xx are responses of their own."""
        head = self._until(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, reason = first.split(" ", 2)
        assert version == "HTTP/1.1", first
        fields = []
        for line in lines:
            name, value = line.split(":", 1)
            assert name == name.strip() and value.startswith(" ") and value[1:] == value.strip(), line
            fields.append((name.lower(), value.strip()))
        response = Response(int(status), reason, fields, b"", head)
        if response.status >= 200 and response.status not in (204, 304):
            length = int(response["content-length"])
            if method != "HEAD":
                while len(self.pending) < length:
                    self._more()
                response.body = self._take(length)
        elif response.status != 304:
            assert response["content-length"] is None and response["transfer-encoding"] is None
        return response

    def ask(self, method, target, body=None, headers=()):
        """Sends a well-formed request and reads its response."""
        self.send(request(method, target, body, headers))
        return self.read(method)

    def is_closed_by_server(self, within=5):
        """True once the server has ended the connection; anything it still sends is a failure."""
        self.socket.settimeout(within)
        try:
            rest = self.pending + self.socket.recv(4096)
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        assert rest == b"", f"unexpected bytes: {rest[:200]!r}"
        return True

    def lives_on(self):
        """True if the connection still serves requests."""
        return self.ask("GET", "/healthz").status == 200


def request(method, target, body=None, headers=()):
    lines = [f"{method} {target} HTTP/1.1", "Host: test"]
    lines += [f"{name}: {value}" for name, value in dict(headers).items()]
    data = b""
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines.append(f"Content-Length: {len(data)}")
        if not any(name.lower() == "content-type" for name in dict(headers)):
            lines.append("Content-Type: application/json")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + data


def eventually(check, within=5.0, every=0.02):
    """Waits until check() is true; returns its value, or fails."""
    end = time.monotonic() + within
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"not within {within} s: {check}"
        time.sleep(every)
