"""How load is made: in a closed loop or an open one, and by which program. Settings of one of them have no part in the
other, and are refused there."""

from typing import Any, Mapping

from .matrix import CLOSED, OPEN, PACE, WRK
from .setting_list import Usage

OF_OPEN = {"LOAD": "10 25 50 75 90 95", "ARRIVALS": "poisson", "SLO": "10"}  # with their defaults


def divide_modes(given: Mapping[str, str], texts: dict[str, str | None]) -> None:
    for name, default in OF_OPEN.items():
        if texts["MODE"] == CLOSED and name in given:
            raise Usage(f"{name}: it has a part only in MODE=open: leave it out, or set MODE=open")
        texts[name] = given.get(name, default) if texts["MODE"] == OPEN else None


def choose(values: Mapping[str, Any]) -> str:
    """The program that makes the load. Raises Usage."""
    needs = []  # what wrk cannot do
    if values["MODE"] == OPEN:
        needs.append("MODE=open")
    needs += [f"{name}={value}" for name in "KI" for value in values[name] if value]
    if needs and values["GENERATOR"] == WRK:
        raise Usage(f"GENERATOR: wrk cannot do {needs[0]}: leave GENERATOR out, or set GENERATOR=pace")
    if any(values["I"]) and "nginx" in values["PROXY"]:
        raise Usage(
            "I: behind PROXY=nginx idle connections would rest at nginx and never reach the server: leave I out, or set"
            " PROXY=none"
        )
    chosen = values["GENERATOR"] or (PACE if needs else WRK)
    if chosen == PACE and values["M"] and 0 in values["M"] and any(values["N"]):
        # The sum of what was read is in the body, and m fills it up to a length.
        raise Usage(
            "M: pace holds each body against the length of the first, and with M=0 and N above 0 they differ: choose an M of"
            " at least 64"
        )
    return chosen
