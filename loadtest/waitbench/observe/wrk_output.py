"""What wrk prints at the end of a run (loadtest/wrk.lua), as numbers."""

import dataclasses

ERRORS = ("connect", "read", "write", "timeout", "status")
PROBES = 1  # connections that wrk opens and closes at once to find out whether the address works


class Broken(Exception):
    """This run of wrk gave no result; the sentence says why."""


@dataclasses.dataclass(frozen=True)
class Result:
    requests: int  # responses received whole, whatever their status
    duration_us: int
    bytes: int  # received, heads included
    errors: dict[str, int]  # connect, read, write, timeout, status
    histogram: list[tuple[int, int]]  # (microseconds, count), still with wrk's correction
    cpu_s: float = 0.0


def parse(text: str) -> Result:
    """What wrk.lua printed, which comes after wrk's own output. Raises Broken."""
    _, found, rest = text.partition("waitbench 1\n")
    head, histogram, tail = rest.partition("histogram\n")
    if not found or not histogram or not tail.endswith("end\n"):
        last = (text.strip().splitlines() or ["no output"])[-1]
        raise Broken(f"wrk ended without handing out its results: {last}")
    fields = dict(line.split() for line in head.splitlines())
    pairs = [(int(value), int(count)) for value, count in map(str.split, tail.splitlines()[:-1])]
    errors = {name: int(fields[f"errors_{name}"]) for name in ERRORS}
    return Result(int(fields["requests"]), int(fields["duration_us"]), int(fields["bytes"]), errors, pairs)
