"""What GET /work must return, computed as common/API.md documents it."""

import json

ROWS = 100000
MASK = 2**64 - 1


def work_ids(seed, n):
    for i in range(n):
        z = (seed + (i + 1) * 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield 1 + (z ^ (z >> 31)) % ROWS


def work_sum(seed, n):
    return sum(i * 48271 % 2147483647 for i in work_ids(seed, n))


def work_body(seed, n, m):
    """The exact bytes of the response."""
    empty = json.dumps({"n": n, "sum": work_sum(seed, n), "pad": ""}, separators=(",", ":"))
    return empty.replace('"pad":""', '"pad":"' + "x" * (m - len(empty)) + '"').encode()
