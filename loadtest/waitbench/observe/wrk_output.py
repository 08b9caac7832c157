"""What wrk prints at the end of a run (loadtest/wrk.lua), as numbers."""

import dataclasses
import operator

from ..plan import requests

ERRORS = ("connect", "read", "write", "timeout", "status")
PROBES = 1  # connections that wrk opens and closes at once to find out whether the address works


class Broken(Exception):
    """This run of wrk gave no result; the sentence says why."""


@dataclasses.dataclass(frozen=True)
class Operations:
    """What crud.lua sent and received, by operation, in the order of requests.OPERATIONS."""

    issued: tuple[int, ...]
    answered: tuple[int, ...]  # by a response that names a request of that kind, and is as it should be
    wrong: int  # responses that name none
    first_wrong: str  # the beginning of one of these

    def __add__(self, other: "Operations") -> "Operations":
        return Operations(
            tuple(map(operator.add, self.issued, other.issued)),
            tuple(map(operator.add, self.answered, other.answered)),
            self.wrong + other.wrong,
            self.first_wrong if self.wrong else other.first_wrong,
        )


@dataclasses.dataclass(frozen=True)
class Result:
    requests: int  # responses received whole, whatever their status
    duration_us: int
    bytes: int  # received, heads included
    errors: dict[str, int]  # connect, read, write, timeout, status
    histogram: list[tuple[int, int]]  # (microseconds, count), still with wrk's correction
    cpu_s: float = 0.0
    operations: Operations | None = None  # of WORKLOAD=crud


def parse(text: str) -> Result:
    """What wrk.lua printed, which comes after wrk's own output. Raises Broken."""
    _, found, rest = text.partition("waitbench 1\n")
    head, histogram, tail = rest.partition("histogram\n")
    if not found or not histogram or not tail.endswith("end\n"):
        last = (text.strip().splitlines() or ["no output"])[-1]
        raise Broken(f"wrk ended without handing out its results: {last}")
    fields = dict(line.split(None, 1) for line in head.splitlines())
    pairs = [(int(value), int(count)) for value, count in map(str.split, tail.splitlines()[:-1])]
    errors = {name: int(fields[f"errors_{name}"]) for name in ERRORS}
    return Result(
        int(fields["requests"]),
        int(fields["duration_us"]),
        int(fields["bytes"]),
        errors,
        pairs,
        operations=_operations(fields) if "wrong" in fields else None,
    )


def _operations(fields: dict[str, str]) -> Operations:
    issued, answered = (
        tuple(int(fields[f"{what}_{name}"]) for name in requests.OPERATIONS)
        for what in ("issued", "answered")
    )
    return Operations(issued, answered, int(fields["wrong"]), fields["first_wrong"])
