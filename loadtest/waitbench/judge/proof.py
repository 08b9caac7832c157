"""Proof that a server does the work of a point, before the server is timed there.

The ids and values are computed here as common/API.md defines them, from nothing that the server says.
"""

import json
import random
import time
from typing import Any, Protocol

from ..base.client import Client
from ..plan import requests

ROWS = 100_000
_MASK = 2**64 - 1
CHECKS = 2  # requests, each with a seed of its own


class Counting(Protocol):
    """A database that counts what the servers make it do (bench/database.py)."""

    def counts(self) -> Any:
        ...


class Wrong(Exception):
    """The server did something else; the sentence says what."""


def mix(z: int) -> int:
    """SplitMix64's finalizer."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
    return z ^ (z >> 31)


def ids(seed: int, n: int) -> list[int]:
    return [1 + mix((seed + (i + 1) * 0x9E3779B97F4A7C15) & _MASK) % ROWS for i in range(n)]


# The same as value(), of a row of the table world.
VALUE_SQL = "id::bigint * 48271 % 2147483647"


def value(row: int) -> int:
    return row * 48271 % 2147483647


def expected_sum(seed: int, n: int) -> int:
    return sum(value(row) for row in ids(seed, n))


def body_sizes(n: int, m: int) -> tuple[int, int]:
    """(least, most) bytes that a body may have: exactly m, unless m=0 asks for no padding."""
    if m:
        return m, m
    empty = len('{"n":,"sum":,"pad":""}') + len(str(n))
    largest = n * (2**31 - 2)
    return empty + 1, empty + len(str(largest))


def check_response(status: int, body: bytes, n: int, m: int, seed: int) -> None:
    """Raises Wrong unless it is the right response to GET /work."""
    if status != 200:
        raise Wrong(f"responds with {status}: {body[:200].decode(errors='replace')}")
    least, most = body_sizes(n, m)
    if not least <= len(body) <= most:
        raise Wrong(f"sends a body of {len(body)} bytes where {m} were asked for")
    try:
        document = json.loads(body)
        pair = document["n"], document["sum"]
        padding = set(document["pad"])
    except (ValueError, KeyError, TypeError):
        raise Wrong(f"sends a body that is not the JSON of /work: {body[:80]!r}") from None
    if pair != (n, expected_sum(seed, n)) or padding - {"x"}:
        right = f"n={n} sum={expected_sum(seed, n)}"
        raise Wrong(f"says n={pair[0]} sum={pair[1]} where {right} is right (seed {seed})")


def prove(http: Client, parameters: dict, database: Counting | None, chance: Any = random) -> tuple[int, int]:
    """Raises Wrong unless status, size, sum, the database's count of queries and its hits are right.
    Returns the (least, most) bytes that a response takes on the wire. Without a database only the response
    is checked."""
    n, m, w = parameters["n"], parameters["m"], parameters["w"]
    before = database.counts() if database else None
    heads = []
    for _ in range(CHECKS):
        seed = chance.randrange(2**63)
        began = time.monotonic()
        status, head, body = http.get(requests.work_path(parameters | {"seed": seed}))
        took_ms = (time.monotonic() - began) * 1000
        check_response(status, body, n, m, seed)
        if took_ms < parameters.get("t", 0):
            raise Wrong(f"responds after {took_ms:.1f} ms where t={parameters['t']} asks it to wait")
        heads.append(len(head))
    if database and before:
        after = database.counts()
        _check("queries", before.queries, after.queries, n)
        _check("updates", before.hits, after.hits, w)
    least, most = body_sizes(n, m)
    # With m=0 the digits of Content-Length may differ by as many as those of the sum's length do.
    slack = len(str(most)) - len(str(least))
    return min(heads) - slack + least, max(heads) + slack + most


def _check(what: str, before: int | None, after: int | None, each: int) -> None:
    if before is not None and after is not None and after - before != each * CHECKS:
        raise Wrong(f"made the database count {after - before} {what} in {CHECKS} requests of {each}")
