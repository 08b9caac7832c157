"""The figures that wrk prints at the end of a run (loadtest/wrk.lua)."""

from ..plan import requests
from .load_result import Broken, Operations, Result

ERRORS = ("connect", "read", "write", "timeout", "status")
PROBES = 1  # connections that wrk opens and closes at once to find out whether the address works


def parse(text: str) -> Result:
    """The figures that wrk.lua printed, after wrk's own output. Raises Broken."""
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
