"""Tables of loadtest/profile in documents: what the CPU time of a request went into, by group of code or by the Python
package."""

from typing import Iterable, NamedTuple

from .. import ROOT, Failure
from ..base import reading
from .words import split

FILES = {"group": "profile.csv", "package": "profile_python.csv"}  # by the column that divides the time
LEAST = 0.01  # of the time: what has less in each server stands in the last row, together
CHOICES = "by", "n"


def columns(by: str) -> tuple[str, ...]:
    """Of the file that is divided by that."""
    return "server", "n", "c", by, "samples", "share", "us_per_req"


class Part(NamedTuple):
    server: str
    name: str  # of a group or package
    share: float  # of the server's CPU time
    us: float  # of it per request


def cells(words: Iterable[str]) -> tuple[list[str], list[list[str]]]:
    """Head and rows. Raises Failure."""
    folders, chosen = split(words, CHOICES)
    if len(folders) != 1 or chosen.keys() != set(CHOICES) or chosen["by"] not in FILES:
        raise Failure(f"profile takes one folder, n=N and by={'|'.join(FILES)}")
    by, path = chosen["by"], ROOT / folders[0] / FILES[chosen["by"]]
    parts = [
        Part(row["server"], row[by], float(row["share"]), float(row["us_per_req"]))
        for row in reading.table(path, columns(by), _check)
        if row["n"] == chosen["n"]
    ]
    if not parts:
        raise Failure(f"{path} has no n={chosen['n']}")
    return _table(parts, f"µs of CPU per request, by {by}")


def _table(parts: list[Part], title: str) -> tuple[list[str], list[list[str]]]:
    servers = list(dict.fromkeys(part.server for part in parts))
    large = {part.name for part in parts if part.share >= LEAST}
    weight = {name: sum(part.us for part in parts if part.name == name) for name in large}
    rows = [
        [name, *(_cell(parts, server, {name}) for server in servers)]
        for name in sorted(large, key=lambda name: -weight[name])
    ]
    small = {part.name for part in parts} - large
    if small:
        rows.append(["what has less than 1%", *(_cell(parts, server, small) for server in servers)])
    rows.append(
        ["all", *(f"{sum(part.us for part in parts if part.server == server):,.0f}" for server in servers)]
    )
    return [title, *servers], rows


def _cell(parts: list[Part], server: str, names: set[str]) -> str:
    found = [part for part in parts if part.server == server and part.name in names]
    if not found:
        return "–"
    return f"{sum(part.us for part in found):,.1f} ({sum(part.share for part in found):.0%})"


def _check(column: str, text: str) -> str:
    if column in ("share", "us_per_req") and not 0 <= float(text) < float("inf"):
        raise ValueError("no number from 0 on")
    return text
