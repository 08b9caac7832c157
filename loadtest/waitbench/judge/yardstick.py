"""How far the servers are from what the machine can do: queries per second beside pgbench's, CPU per request beside
nginx's, paired in the blocks of one run."""

import csv
from pathlib import Path
from typing import Iterable, NamedTuple

from .. import Failure
from ..base import reading
from . import stats

PGBENCH, PIPELINED, NGINX = "pgbench", "pgbench pipelined", "nginx"
N = (0, 1, 20)  # queries per request


class Figure(NamedTuple):
    """What one measurement gave; a row of yardstick.csv."""

    block: int
    c: int  # connections of wrk; of pgbench to the database
    server: str  # pgbench, nginx, or the name of a server
    n: int  # queries per request; with pgbench per transaction
    per_s: float  # requests per second; with pgbench transactions
    cpu_us: float  # of CPU per request or transaction, user and kernel, of the server's or pgbench's processes


class Entry(NamedTuple):
    """A line of the table: the medians of the blocks, and the ratio to the yardstick."""

    c: int
    n: int
    server: str
    per_s: float
    cpu_us: float
    queries: stats.Estimate | None  # queries per second, of pgbench's with one query per transaction
    cpu: stats.Estimate | None  # CPU per request, of nginx's; at n=0 alone


def entries(figures: Iterable[Figure]) -> list[Entry]:
    """One for each c, n and what is measured; the intervals of all ratios hold jointly."""
    found: dict[tuple[int, int, str], list[Figure]] = {}
    for figure in sorted(figures, key=lambda figure: figure.block):
        found.setdefault((figure.c, figure.n, figure.server), []).append(figure)
    plain = next((group for (_, n, server), group in found.items() if (n, server) == (1, PGBENCH)), [])
    keys = list(found)
    queries = [_queries(found[key], plain) for key in keys]
    cpu = [_cpu(found[key], found.get((key[0], 0, NGINX), [])) for key in keys]
    joint = stats.family([*queries, *cpu])
    return [Entry(*key, *_medians(found[key]), *both) for key, *both in zip(keys, joint, joint[len(keys) :])]


def _queries(figures: list[Figure], plain: list[Figure]) -> stats.Estimate | None:
    if figures[0].n == 0 or figures is plain:
        return None
    return stats.paired([f.per_s * f.n for f in figures], [f.per_s for f in plain])


def _cpu(figures: list[Figure], nginx: list[Figure]) -> stats.Estimate | None:
    if figures[0].n > 0 or figures is nginx:
        return None
    return stats.paired([f.cpu_us for f in figures], [f.cpu_us for f in nginx])


def _medians(figures: list[Figure]) -> tuple[float, float]:
    per_s, cpu_us = ([getattr(f, name) for f in figures] for name in ("per_s", "cpu_us"))
    return stats.median_interval(per_s)[0], stats.median_interval(cpu_us)[0]


def read(path: Path) -> list[Figure]:
    """Raises Failure, with file and line."""
    figures = []
    for number, row in enumerate(reading.table(path, Figure._fields), 2):
        try:
            figures.append(
                Figure(
                    int(row["block"]),
                    int(row["c"]),
                    row["server"],
                    int(row["n"]),
                    float(row["per_s"]),
                    float(row["cpu_us"]),
                )
            )
        except ValueError as error:
            raise Failure(f"{path}, line {number}: {error}") from None
    return figures


def write(path: Path, figures: Iterable[Figure]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(Figure._fields)
        writer.writerows(
            figure._replace(per_s=round(figure.per_s, 1), cpu_us=round(figure.cpu_us, 3))
            for figure in figures
        )
