"""Values of single runs, and their means: of parts that are to add up, no medians."""

import statistics
from typing import Sequence

from ...judge import evidence, summary


def of_run(known: evidence.Evidence, entry: summary.Entry, run: dict, column: str) -> float | None:
    """A column of runs.csv or detail.csv."""
    if column in run:
        return run[column]
    return known.details.get((run["block"], entry.server), {}).get(column)


def together(
    known: evidence.Evidence, entry: summary.Entry, columns: Sequence[str]
) -> list[tuple[float, ...]]:
    """Of the runs that have a value in every one of the columns, these."""
    rows = [[of_run(known, entry, run, column) for column in columns] for run in entry.runs]
    return [tuple(value for value in row if value is not None) for row in rows if None not in row]


def mean(known: evidence.Evidence, entry: summary.Entry, column: str) -> float | None:
    values = [value for value, in together(known, entry, [column])]
    return statistics.fmean(values) if values else None
