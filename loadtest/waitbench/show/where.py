"""Tables of where.csv, which loadtest/where writes: what a request costs, by part of the work.

    <!-- loadtest/tables where results/one unit=us n=20 -->              parts down, servers across
    <!-- loadtest/tables where results/one unit=calls server=NAME -->   names of system calls down, n across
"""

from pathlib import Path
from typing import Iterable

from .. import ROOT, Failure
from ..base import reading
from ..observe import parts
from .words import split

FILE = "where.csv"
COLUMNS = ("server", "n", "part", "unit", "value", "low", "high")
# unit: (what the figures are, decimals)
UNITS = {"us": ("µs of CPU per request", 2), "instructions": ("instructions per request", 0)}
UNITS |= {"calls": ("system calls per request", 2)}
TOTAL = "all"
LEAST = 0.002  # of the largest total: a part that is below it in each column is left out

Cell = dict[str, str]


def parse(words: Iterable[str]) -> tuple[Path, dict[str, str]]:
    """Raises Failure."""
    folders, chosen = split(words, ("unit", "n", "server"))
    if len(folders) != 1 or chosen.get("unit") not in UNITS or ("n" in chosen) == ("server" in chosen):
        raise Failure(f"where takes one folder, unit={'|'.join(UNITS)}, and either n=N or server=NAME")
    return ROOT / folders[0], chosen


def cells(words: Iterable[str]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table. Raises Failure."""
    folder, chosen = parse(words)
    rows = [
        row
        for row in reading.table(folder / FILE, COLUMNS)
        if all(row[name] == value for name, value in chosen.items())
    ]
    if not rows:
        raise Failure(
            f"{folder / FILE} has no {' '.join(f'{name}={value}' for name, value in chosen.items())}"
        )
    axis = "server" if "n" in chosen else "n"
    across = list(dict.fromkeys(row[axis] for row in rows))
    title, places = UNITS[chosen["unit"]]
    found = {(row["part"], row[axis]): row for row in rows}
    head = [title, *(name if axis == "server" else f"n={name}" for name in across)]
    return head, [
        [part, *(_cell(found.get((part, name)), places) for name in across)] for part in _order(rows)
    ]


def _order(rows: list[Cell]) -> list[str]:
    """Parts in the order of a request, others by size, the total last; without those that are small everywhere."""
    largest: dict[str, float] = {}
    for row in rows:
        largest[row["part"]] = max(largest.get(row["part"], 0.0), float(row["value"]))
    least = largest.get(TOTAL, 0.0) * LEAST
    shown = [part for part, value in largest.items() if part != TOTAL and value >= least]
    known = {part: number for number, part in enumerate(parts.ORDER)}
    shown.sort(key=lambda part: (known.get(part, len(known)), -largest[part]))
    return shown + ([TOTAL] if TOTAL in largest else [])


def _cell(row: Cell | None, places: int) -> str:
    if row is None:
        return ""
    value, low, high = (f"{float(row[name]):,.{places}f}" for name in ("value", "low", "high"))
    return value if low == high else f"{value} [{low}, {high}]"
