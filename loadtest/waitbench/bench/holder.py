"""A process that holds connections to a server, for bench/holders.py:

    python3 -m waitbench.bench.holder DESCRIPTOR HOST PORT SOURCE WAIT_MS PATIENCE_S

Every connection begins with GET /work?n=0&m=0 and is held once that has its 200: the server has then accepted it, and
served it. With WAIT_MS=0 it rests from there on; else it asks GET /work?n=0&m=0&t=WAIT_MS again and again, each as
soon as the last has its response. SOURCE is its own address, so that several holders share no ports.

Commands come by the socket DESCRIPTOR, a line each: `open N`, `close N`, `report`. Each is answered by a line of JSON
(Holder.report). An `open` is answered when all are held, or when REFUSALS were refused. At the end of the socket the
process ends, and its connections with it.
"""

import errno
import json
import select
import socket
import sys
import time
from collections import Counter

AT_ONCE = 64  # connections that are being opened: no backlog is full of them
REFUSALS = 16  # in one `open`, after which it is given up
IP_BIND_ADDRESS_NO_PORT = 24  # ip(7): the port is chosen by connect(2), and is unique per destination only
READ = 4096
LOOK_S = 0.5  # between looks for what has been opening for too long


class Link:
    """One connection."""

    __slots__ = ("socket", "asked", "is_open", "waits", "text")

    def __init__(self, link: socket.socket):
        self.socket = link
        self.asked = time.monotonic()  # when the request under way was sent, or connect(2) called
        self.is_open = False
        self.waits = False  # whether that request is one that waits
        self.text = b""  # of its response, so far


class Holder:
    def __init__(
        self, control: socket.socket, address: tuple[str, int], source: str, wait_ms: int, patience_s: float
    ):
        self.control, self.address, self.source = control, address, source
        self.wait_ms, self.patience_s = wait_ms, patience_s
        self.poll = select.epoll()
        self.poll.register(control.fileno(), select.EPOLLIN)
        self.opening: dict[int, Link] = {}  # in the order in which they were begun
        self.held: dict[int, Link] = {}
        self.wanted: int | None = (
            None  # how many the `open` under way still has to begin; None: there is none
        )
        self.refused: Counter[str] = Counter()  # by what it was that connect(2) or the server said
        self.lost: Counter[str] = Counter()  # of those that were held
        self.answered = 0
        self.late_s = 0.0  # since the last report
        self.refusals_before = 0
        self.input = b""

    def run(self) -> None:
        while True:
            for number, _ in self.poll.poll(LOOK_S):
                if number == self.control.fileno():
                    if not self._command():
                        return
                elif number in self.opening:
                    self._advance(number)
                elif number in self.held:
                    self._receive(number)
            self._fill()

    def report(self) -> dict:
        late_ms, self.late_s = round(self.late_s * 1000), 0.0
        return {
            "held": len(self.held),
            "refused": dict(self.refused),
            "lost": dict(self.lost),
            "answered": self.answered,
            "late_ms": late_ms,
        }

    def _answer(self) -> None:
        self.control.setblocking(True)
        self.control.sendall(json.dumps(self.report()).encode() + b"\n")

    def _command(self) -> bool:
        data = self.control.recv(READ)
        self.input += data
        while b"\n" in self.input:
            line, _, self.input = self.input.partition(b"\n")
            word, _, number = line.decode().partition(" ")
            if word == "open":
                self.wanted, self.refusals_before = int(number), self.refused.total()
                continue
            if word == "close":
                for key in list(self.held)[-int(number) :]:
                    self._end(self.held, key)
            self._answer()
        return bool(data)

    def _fill(self) -> None:
        if self.wanted is None:
            return
        now = time.monotonic()
        for number, link in list(self.opening.items()):
            if now - link.asked < self.patience_s:
                break
            self._refuse(number, "ETIMEDOUT")
        if self.refused.total() - self.refusals_before >= REFUSALS:
            self.wanted = 0
        while self.wanted and len(self.opening) < AT_ONCE and self._begin():
            self.wanted -= 1
        if not self.wanted and not self.opening:
            self.wanted = None
            self._answer()

    def _begin(self) -> bool:
        """Whether one more is being opened; a failure of our own ends the `open`."""
        try:
            link = socket.socket()
        except OSError as error:
            return self._fail("socket", error)
        try:
            link.setblocking(False)
            link.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            link.bind((self.source, 0))
            if (code := link.connect_ex(self.address)) not in (0, errno.EINPROGRESS):
                raise OSError(code, "")
            self.opening[link.fileno()] = Link(link)
            self.poll.register(link.fileno(), select.EPOLLOUT)
            return True
        except OSError as error:
            link.close()
            return self._fail("connect", error)

    def _fail(self, call: str, error: OSError) -> bool:
        self.refused[f"{call}: {errno.errorcode.get(error.errno or 0, str(error.errno))}"] += 1
        self.wanted = 0
        return False

    def _advance(self, number: int) -> None:
        link = self.opening[number]
        if not link.is_open and (code := link.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
            self._refuse(number, f"connect: {errno.errorcode.get(code, code)}")
        elif not link.is_open:
            link.is_open = True
            self.poll.modify(number, select.EPOLLIN)
            self._ask(self.opening, number)
        elif status := self._status(link):
            if status != "200":
                self._refuse(number, status)
                return
            self.held[number] = self.opening.pop(number)
            if self.wait_ms:
                link.waits = True
                self._ask(self.held, number)

    def _receive(self, number: int) -> None:
        link = self.held[number]
        status = self._status(link)
        if not status:
            return
        if status != "200" or not link.waits:
            self.lost[status] += 1
            self._end(self.held, number)
            return
        self.answered += 1
        self.late_s = max(self.late_s, time.monotonic() - link.asked - self.wait_ms / 1000)
        self._ask(self.held, number)

    def _status(self, link: Link) -> str:
        """Of a response that is complete, or how the connection ended; empty while there is more to come."""
        try:
            data = link.socket.recv(READ)
        except BlockingIOError:
            return ""
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, "closed")
        link.text += data
        head, found, body = link.text.partition(b"\r\n\r\n")
        if found:
            lengths = [
                line.split(b":")[1]
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            ]
            if not data or not lengths or len(body) >= int(lengths[0]):
                link.text = b""
                return head.split(b" ", 2)[1].decode("latin-1")
        return "" if data else "closed"

    def _ask(self, where: dict[int, Link], number: int) -> None:
        link = where[number]
        link.asked = time.monotonic()
        query = f"&t={self.wait_ms}" if link.waits else ""
        try:
            link.socket.send(f"GET /work?n=0&m=0{query} HTTP/1.1\r\nHost: waitbench\r\n\r\n".encode())
        except OSError:
            pass  # what is wrong with it is read

    def _refuse(self, number: int, why: str) -> None:
        self.refused[why] += 1
        self._end(self.opening, number)

    def _end(self, where: dict[int, Link], number: int) -> None:
        where.pop(number).socket.close()


def main(words: list[str]) -> None:
    descriptor, host, port, source, wait_ms, patience_s = words
    control = socket.socket(fileno=int(descriptor))
    Holder(control, (host, int(port)), source, int(wait_ms), float(patience_s)).run()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (BrokenPipeError, ConnectionResetError):
        pass  # the process that started it has gone
