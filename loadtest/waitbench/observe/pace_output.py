"""The JSON of pace (loadtest/pace/pace.1), as numbers."""

import json
from typing import Any

from ..base import reading
from .load_result import Broken, Operations, Paced, Result

VERSION = 1  # of the format
ERRORS = "connect refused reset closed timeout status length parse descriptors ports write".split()


def parse(text: str) -> Result:
    """The figures that pace printed. Raises Broken."""
    line = next((line for line in text.splitlines() if line.startswith("{")), "")
    try:
        found = json.loads(line)
        if found["pace"] != VERSION:
            raise ValueError(f"its format is {found['pace']} and not {VERSION}")
        return _result(found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = (text.strip().splitlines() or ["no output"])[-1][:200]
        what = f"{said} ({type(error).__name__}: {error})" if line else said
        raise Broken(f"pace ended without handing out its results: {what}") from None


def _result(found: dict[str, Any]) -> Result:
    return Result(
        requests=int(found["requests"]),
        duration_us=int(found["duration_us"]),
        bytes=int(found["bytes"]),
        errors={name: int(found["errors"][name]) for name in ERRORS},
        histogram=_samples(found["latency"]),
        operations=_operations(found["crud"]),
        paced=_paced(found, found["total"]),
    )


def _paced(found: dict[str, Any], total: dict[str, int]) -> Paced:
    if found["mode"] not in reading.MODES:
        raise ValueError(f"its mode is {found['mode']}")
    return Paced(
        mode=found["mode"],
        rate=found["rate"],
        idle=int(found["idle"]),
        idle_closed=int(found["idle_connections"]["closed"]),
        due=int(found["due"]),
        waited=int(found["waited"]),
        queue_most=int(found["queue_most"]),
        unfinished=int(found["unfinished"]),
        late=int(found["late"]),
        cpu_share=float(found["cpu_share"]),
        connect_s=float(found["connect_s"]),
        warmup_s=float(found["warmup_s"]),
        all_requests=int(total["requests"]),
        all_sent=int(total["sent"]),
        all_connections=int(total["connections"]),
        all_bytes=int(total["bytes"]),
        service=_samples(found["service"]),
        series=list(found["series"]),
        unsound=[str(sentence) for sentence in found["unsound"]],
        first_error=str(found["first_error"]),
    )


def _samples(pairs: list) -> list[tuple[int, int]]:
    return [(int(us), int(count)) for us, count in pairs]


def _operations(found: dict[str, Any] | None) -> Operations | None:
    if found is None:
        return None
    issued, answered = (tuple(int(count) for count in found[what]) for what in ("issued", "answered"))
    return Operations(issued, answered, int(found["wrong"]), str(found["first_wrong"]))
