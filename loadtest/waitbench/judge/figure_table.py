"""A CSV with a row for each figure, a NamedTuple with per_s and cpu_us: yardstick.csv and generators.csv."""

import csv
from pathlib import Path
from typing import Any, Callable, Iterable

from .. import Failure
from ..base import reading


def read(path: Path, kind: Any, check: Callable[[str, str], Any] | None = None) -> list:
    """Figures of that kind; `check` is of a field (column, text). Raises Failure, with file and line."""
    figures = []
    types = kind.__annotations__
    for number, row in enumerate(reading.table(path, kind._fields, check), 2):
        try:
            figure = kind(**{name: types[name](row[name]) for name in kind._fields})
        except ValueError as error:
            raise Failure(f"{path}, line {number}: {error}") from None
        if not (figure.per_s > 0 and figure.cpu_us > 0):
            raise Failure(f"{path}, line {number}: per_s and cpu_us are not both above 0")
        figures.append(figure)
    return figures


def write(path: Path, kind: Any, figures: Iterable) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(kind._fields)
        writer.writerows(
            figure._replace(per_s=round(figure.per_s, 1), cpu_us=round(figure.cpu_us, 3))
            for figure in figures
        )
