"""Load generators beside each other in a closed loop: throughput, and what a request costs the generator itself."""

from pathlib import Path
from typing import Iterable, NamedTuple

from ..base import reading
from . import figure_table, stats

OWN = "pace"  # which the others are held against
CLOSE = 0.03  # the difference in throughput that the project allows itself


class Figure(NamedTuple):
    """The figures of one run; a row of generators.csv."""

    block: int
    order: int  # in the block, from 1
    server: str
    c: int  # connections
    t: int  # threads of the generator
    generator: str
    per_s: float  # requests per second
    cpu_us: float  # of CPU per request, user and kernel, of the generator's process, from its start to its end


class Entry(NamedTuple):
    """A line of the table: medians, and how pace compares with this generator. The ratios of pace itself are None."""

    server: str
    c: int
    generator: str
    per_s: float
    cpu_us: float
    rate: stats.Estimate | None  # requests/s of pace, of this generator's
    cpu: stats.Estimate | None  # the same of CPU per request


def entries(figures: Iterable[Figure]) -> list[Entry]:
    """One for each server, c and generator, pace first. The intervals of all ratios hold jointly."""
    found: dict[tuple[str, int, str], list[Figure]] = {}
    for figure in sorted(figures, key=lambda figure: figure.block):
        found.setdefault((figure.server, figure.c, figure.generator), []).append(figure)
    keys = sorted(found, key=lambda key: (key[0], key[1], key[2] != OWN, key[2]))
    ratios = stats.family([_ratio(found, key, name) for name in ("per_s", "cpu_us") for key in keys])
    return [
        Entry(*key, _median(found[key], "per_s"), _median(found[key], "cpu_us"), rate, cpu)
        for key, rate, cpu in zip(keys, ratios, ratios[len(keys) :])
    ]


def _ratio(found: dict, key: tuple[str, int, str], name: str) -> stats.Estimate | None:
    server, c, generator = key
    own = {figure.block: getattr(figure, name) for figure in found.get((server, c, OWN), [])}
    other = {figure.block: getattr(figure, name) for figure in found[key]}
    blocks = sorted(own.keys() & other.keys())
    if generator == OWN or not blocks:
        return None
    return stats.paired([own[block] for block in blocks], [other[block] for block in blocks])


def _median(figures: list[Figure], name: str) -> float:
    return stats.median_interval([getattr(figure, name) for figure in figures])[0]


def _field(column: str, text: str) -> object:
    return text if column == "generator" else reading.field(column, text)


def read(path: Path) -> list[Figure]:
    """Raises Failure, with file and line."""
    return figure_table.read(path, Figure, _field)


def write(path: Path, figures: Iterable[Figure]) -> None:
    figure_table.write(path, Figure, figures)
