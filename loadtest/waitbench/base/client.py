"""The least HTTP client that sees what wrk sees: the size of a reply on the wire."""

import json
import socket
import urllib.parse


class Unreachable(Exception):
    """No reply, or one that is not HTTP; the sentence says which."""


class Client:
    """One kept-alive connection, made again when the server has closed it."""

    def __init__(self, url, timeout=30):
        parts = urllib.parse.urlsplit(url)
        self.address = (parts.hostname, parts.port or 80)
        self.host = parts.netloc
        self.timeout = timeout
        self.stream = None
        self.connects = 0

    def get(self, path):
        """(status, head, body) as bytes; one more try when a kept connection was closed meanwhile."""
        for fresh in (self.stream is None, True):
            try:
                if fresh:
                    self._connect()
                return self._exchange(path)
            except (OSError, EOFError) as error:
                self.close()
                if fresh:
                    raise Unreachable(
                        f"http://{self.host}{path}: {error or 'the connection was closed'}"
                    ) from None

    def get_json(self, path):
        status, _, body = self.get(path)
        if status != 200:
            raise Unreachable(f"http://{self.host}{path} answered {status}")
        return json.loads(body)

    def close(self):
        if self.stream:
            self.stream.close()
            self.stream = None

    def _connect(self):
        self.close()
        with socket.create_connection(self.address, self.timeout) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.stream = connection.makefile("rwb")
        self.connects += 1

    def _exchange(self, path):
        self.stream.write(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        self.stream.flush()
        head = self.stream.readline()
        while not head.endswith(b"\r\n\r\n"):
            line = self.stream.readline()
            if not line:
                raise EOFError(
                    "it was closed in the middle of a reply" if head else "it was closed without a reply"
                )
            head += line
        fields = {}
        for line in head.split(b"\r\n")[1:-2]:
            name, _, value = line.partition(b":")
            fields[name.lower()] = value.strip()
        try:
            status, length = int(head.split()[1]), int(fields.get(b"content-length", b""))
        except (ValueError, IndexError):
            raise EOFError("the reply has no status or no Content-Length") from None
        body = self.stream.read(length)
        if len(body) < length:
            raise EOFError("it was closed in the middle of a reply")
        return status, head, body
