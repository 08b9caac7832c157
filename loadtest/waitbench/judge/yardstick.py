"""How far the servers are from what the machine can do: queries per second beside pgbench's, requests without queries
and their CPU beside nginx's, paired in the blocks of one run."""

from pathlib import Path
from typing import Iterable, NamedTuple

from . import figure_table, stats

PGBENCH, PIPELINED, NGINX = "pgbench", "pgbench pipelined", "nginx"


class Figure(NamedTuple):
    """The figures of one measurement; a row of yardstick.csv."""

    block: int
    c: int  # connections of wrk; of pgbench to the database
    server: str  # pgbench, nginx, or the name of a server
    n: int  # queries per request; with pgbench per transaction
    m: int  # bytes of the body; 0 with pgbench
    per_s: float  # requests per second; with pgbench transactions
    cpu_us: float  # of CPU per request or transaction, user and kernel, of the server's or pgbench's processes


class Entry(NamedTuple):
    """A line of the table: the medians of the blocks, and the ratio to the yardstick."""

    c: int
    n: int
    m: int
    server: str
    per_s: float
    cpu_us: float
    rate: stats.Estimate | None  # queries/s, of pgbench's with one query per transaction; at n=0 requests/s, of nginx's
    cpu: stats.Estimate | None  # CPU per request, of nginx's; at n=0 alone


def entries(figures: Iterable[Figure]) -> list[Entry]:
    """One for each c, n, m and what is measured; the intervals of all ratios hold jointly."""
    found: dict[tuple[int, int, int, str], list[Figure]] = {}
    for figure in sorted(figures, key=lambda figure: figure.block):
        found.setdefault((figure.c, figure.n, figure.m, figure.server), []).append(figure)
    bases = [_base(found, *key) for key in found]
    rates = [_rate(own, base) for own, base in zip(found.values(), bases)]
    cpu = [_cpu(own, base) for own, base in zip(found.values(), bases)]
    joint = stats.family([*rates, *cpu])
    return [
        Entry(*key, *_medians(found[key]), *both) for key, *both in zip(found, joint, joint[len(found) :])
    ]


def _base(found: dict, c: int, n: int, m: int, server: str) -> list[Figure]:
    """The yardstick of it: pgbench or nginx; empty for these themselves."""
    if n == 0:
        return found.get((c, n, m, NGINX), []) if server != NGINX else []
    plain = [group for (_, of_n, _, name), group in found.items() if (of_n, name) == (1, PGBENCH)]
    return plain[0] if plain and server != PGBENCH else []


def _rate(own: list[Figure], base: list[Figure]) -> stats.Estimate | None:
    return _paired([(f.block, f.per_s * max(f.n, 1)) for f in own], [(f.block, f.per_s) for f in base])


def _cpu(own: list[Figure], base: list[Figure]) -> stats.Estimate | None:
    if own[0].n > 0:
        return None
    return _paired([(f.block, f.cpu_us) for f in own], [(f.block, f.cpu_us) for f in base])


def _paired(own: list[tuple[int, float]], base: list[tuple[int, float]]) -> stats.Estimate | None:
    """In the blocks that have both."""
    of_block = dict(base)
    pairs = [(value, of_block[block]) for block, value in own if block in of_block]
    return stats.paired([one for one, _ in pairs], [other for _, other in pairs]) if pairs else None


def _medians(figures: list[Figure]) -> tuple[float, float]:
    per_s, cpu_us = ([getattr(f, name) for f in figures] for name in ("per_s", "cpu_us"))
    return stats.median_interval(per_s)[0], stats.median_interval(cpu_us)[0]


def read(path: Path) -> list[Figure]:
    """Raises Failure, with file and line."""
    return figure_table.read(path, Figure)


def write(path: Path, figures: Iterable[Figure]) -> None:
    figure_table.write(path, Figure, figures)
