"""The cost of a request, as a sum of terms: how often a configuration has each of them.

The terms are a choice: what a performance engineer expects to cost something, and no more than the runs of a full
experiment can tell apart. docs/estimating.md says why each is there; show/estimate_form.py has the same arithmetic.
"""

import math
from typing import NamedTuple

from ..plan import matrix

BYTES = 65536  # a unit of the terms of bytes
HALF_MS = 1.0  # of D or T: the delay at which half of what idle CPUs cost is there


class Configuration(NamedTuple):
    """A configuration that was measured, or is asked for."""

    n: int  # queries per request
    m: int  # bytes of a response
    w: int  # updates among the queries
    d: int  # ms that the database adds to each query
    t: int  # ms that a request waits for something else than the database
    c: int  # connections
    pool: int  # database connections

    @property
    def point(self) -> matrix.Point:
        return matrix.Point("none", self.n, self.m, self.w, self.d, self.c, t=self.t)

    def __str__(self) -> str:
        return str(self.point)


class Span(NamedTuple):
    """The fewest and the most connections of the runs that a model is fitted to."""

    least: int
    most: int

    def part(self, c: int) -> float:
        """Where c is between them, on a logarithmic scale: 0 to 1."""
        return math.log(c / self.least) / math.log(self.most / self.least) if self.most > self.least else 0.0


# Term -> what a unit of it is.
TERMS = {
    "bare_few": "a request without a query, with the fewest connections",
    "bare_many": "the same with the most connections",
    "bare_bytes": "64 KiB of its response",
    "request_few": "a request with queries, beside them, with the fewest connections",
    "request_many": "the same with the most connections",
    "bytes": "64 KiB of its response",
    "read": "a query while no request waits for a database connection",
    "read_waiting": "a query while requests wait for one",
    "update": "a query that updates",
    "delayed": "a query whose answer the database delays (D)",
    "idle": "a request, since CPUs idle while it waits (D, T)",
    "gap": "1 ms between two requests, since both wait (D, T)",
    "process": "the process with the fewest connections",
    "connection": "each connection more",
}
# Where the runs cannot tell two terms apart, they are taken to be nearly alike; None: nearly nothing.
LIKE = {
    "bare_many": "bare_few",
    "bare_bytes": None,
    "request_few": "bare_few",
    "request_many": "request_few",
    "bytes": "bare_bytes",
    "read_waiting": "read",
    "update": "read",
    "delayed": "read",
    "idle": None,
    "gap": None,
}


def of(asked: Configuration, span: Span) -> dict[str, float]:
    """Term -> how much of it a request has (for memory: the server)."""
    n, m, w, d, t, c, pool = asked
    with_queries = float(n > 0)
    without = 1.0 - with_queries
    many = span.part(c)
    waiting = max(0.0, 1 - pool / c)  # part of the connections for which there is no database connection
    delayed = d / (d + HALF_MS) if n else 0.0
    idle = 1 - (1 - delayed) * (1 - t / (t + HALF_MS))
    return {
        "bare_few": without * (1 - many),
        "bare_many": without * many,
        "bare_bytes": without * m / BYTES,
        "request_few": with_queries * (1 - many),
        "request_many": with_queries * many,
        "bytes": with_queries * m / BYTES,
        "read": (n - w) * (1 - waiting) * (1 - delayed),
        "read_waiting": (n - w) * waiting * (1 - delayed),
        "update": w * (1 - delayed),
        "delayed": n * delayed,
        "idle": idle,
        "gap": n * d / min(c, pool) + t / c,
        "process": 1.0,
        "connection": float(c - span.least),
    }
