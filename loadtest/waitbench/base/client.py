"""A minimal HTTP client that sees what wrk sees: the size of a response on the wire."""

import io
import json
import socket
import urllib.parse
from typing import Any


NO_CONTENT = 204  # a response without Content-Length


class Unreachable(Exception):
    """No response, or one that is not what it should be; the sentence says which."""


def fields(head: bytes) -> dict[str, str]:
    """name in small letters -> value"""
    lines = (line.decode("latin-1").partition(":") for line in head.split(b"\r\n")[1:-2])
    return {name.lower(): value.strip() for name, _, value in lines}


class Client:
    """One persistent connection, opened again when the server has closed it."""

    def __init__(self, url: str, timeout: float = 30):
        parts = urllib.parse.urlsplit(url)
        self.address = (parts.hostname, parts.port or 80)
        self.host = parts.netloc
        self.timeout = timeout
        self.stream: io.BufferedRWPair | None = None
        self.connects = 0

    def get(self, path: str) -> tuple[int, bytes, bytes]:
        """(status, head, body). Tries once more when a persistent connection was closed meanwhile."""
        if self.stream:
            try:
                return self._exchange("GET", path)
            except (OSError, EOFError):
                self.close()
        return self.send("GET", path)

    def send(self, method: str, path: str, media: str = "", content: bytes = b"") -> tuple[int, bytes, bytes]:
        """The same with any method, once, on a new connection: a request that writes is not repeated."""
        try:
            self._connect()
            return self._exchange(method, path, media, content)
        except (OSError, EOFError) as error:
            self.close()
            raise Unreachable(f"http://{self.host}{path}: {error or 'the connection was closed'}") from None

    def get_json(self, path: str) -> Any:
        status, _, body = self.get(path)
        if status != 200:
            raise Unreachable(f"http://{self.host}{path} responded with {status}")
        try:
            return json.loads(body)
        except ValueError:
            raise Unreachable(f"http://{self.host}{path} responded with something that is not JSON") from None

    def close(self) -> None:
        if self.stream:
            self.stream.close()
            self.stream = None

    def _connect(self) -> None:
        self.close()
        with socket.create_connection(self.address, self.timeout) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.stream = connection.makefile("rwb")
        self.connects += 1

    def _exchange(
        self, method: str, path: str, media: str = "", content: bytes = b""
    ) -> tuple[int, bytes, bytes]:
        stream = self.stream
        assert stream is not None
        request = f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\n"
        if content:
            request += f"Content-Type: {media}\r\nContent-Length: {len(content)}\r\n"
        stream.write(f"{request}\r\n".encode() + content)
        stream.flush()
        head = stream.readline()
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                missing = "in the middle of a response" if head else "without a response"
                raise EOFError(f"the connection was closed {missing}")
            head += line
        try:
            status = int(head.split()[1])
            length = 0 if status == NO_CONTENT else int(fields(head).get("content-length", ""))
        except (ValueError, IndexError):
            raise EOFError("the response has no status or no Content-Length") from None
        body = stream.read(length)
        if len(body) < length:
            raise EOFError("the connection was closed in the middle of a response")
        return status, head, body
