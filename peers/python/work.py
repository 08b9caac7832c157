"""What /work is, apart from waiting: its parameters, its rows and its body."""

import json
import random
from typing import Iterator, NamedTuple
from urllib.parse import unquote

ROWS = 100_000
_MASK = 2**64 - 1
_LARGEST = {"n": 1000, "m": 16_777_216, "w": 1000, "d": 10_000, "t": 60_000, "seed": 2**63 - 1}


class BadParameter(ValueError):
    """The client's mistake, in a sentence for the client."""


class Work(NamedTuple):
    n: int  # queries
    m: int  # bytes of the body
    w: int  # updates among the queries: the last w
    d: int  # ms that the database adds to each query
    t: int  # ms to wait before the first query
    seed: int

    def rows(self) -> Iterator[tuple[int, bool]]:
        """Of each query the id of its row, by SplitMix64 (common/API.md), and whether it updates."""
        first_update = self.n - self.w
        for i in range(self.n):
            z = (self.seed + (i + 1) * 0x9E3779B97F4A7C15) & _MASK
            z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
            z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
            yield 1 + (z ^ z >> 31) % ROWS, i >= first_update

    def body(self, total: int) -> bytes:
        """JSON of exactly m bytes, or without padding where m is 0."""
        head = b'{"n":%d,"sum":%d,"pad":"' % (self.n, total)
        return b'%b%b"}' % (head, b"x" * (self.m - len(head) - 2))


def parse(query: str, defaults: dict[str, int]) -> Work:
    """Raises BadParameter."""
    given: dict[str, int] = {}
    for pair in query.split("&") if query else ():
        name, _, text = pair.partition("=")
        if "%" in text:
            text = unquote(text)
        if name not in _LARGEST:
            raise BadParameter(f"there is no parameter {name!r}")
        if name in given:
            raise BadParameter(f"{name} is given twice")
        if not (text.isdigit() and text.isascii() and len(text) < 20 and int(text) <= _LARGEST[name]):
            raise BadParameter(f"{name} takes a whole number from 0 to {_LARGEST[name]}")
        given[name] = int(text)
    asked = defaults | given
    if 0 < asked["m"] < 64:
        raise BadParameter("m takes 0, or 64 and more")
    if asked["w"] > asked["n"]:
        if "w" in given:
            raise BadParameter("w is greater than n")
        asked["w"] = asked["n"]
    if "seed" not in given:
        asked["seed"] = random.getrandbits(63)
    return Work(**asked)


def problem(status: int, detail: str) -> bytes:
    """The body of an error."""
    return json.dumps({"status": status, "detail": detail}).encode()


ONE_QUERY = Work(n=1, m=0, w=0, d=0, t=0, seed=0)
