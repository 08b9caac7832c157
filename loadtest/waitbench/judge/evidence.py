"""All that a results folder holds about its runs: what the pictures show and the cost model is fitted to."""

import dataclasses
import functools
import statistics
from pathlib import Path
from typing import Any

from ..base import reading
from . import series, spectra, summary

Detail = dict[str, Any]  # a row of detail.csv: numbers, None where a value is missing, texts


@dataclasses.dataclass
class Evidence:
    folder: Path
    found: summary.Summary
    seconds: series.Runs  # of series.csv
    details: dict[tuple[int, str], Detail]  # (block, server) -> its row of detail.csv
    syscalls: list[Detail]  # rows of syscalls.csv

    @functools.cached_property
    def spectra(self) -> "spectra.Spectra":
        """Of histogram.csv, read when it is first asked for. Raises Failure."""
        return spectra.load(self.folder)

    def values(self, entry: summary.Entry, column: str) -> list[float]:
        """The known values of a column of detail.csv, in the order of the blocks."""
        rows = (self.details.get((run["block"], entry.server), {}) for run in entry.runs)
        return [value for value in (row.get(column) for row in rows) if value is not None]

    def median(self, entry: summary.Entry, column: str) -> float | None:
        """Over the blocks, of a column of detail.csv or runs.csv."""
        if column in entry.runs[0]:
            return entry.median(column)
        values = self.values(entry, column)
        return statistics.median(values) if values else None

    def syscalls_per_request(self, entry: summary.Entry) -> float | None:
        """As counted once for each point and server, beside the measured runs."""
        for row in self.syscalls:
            if row["server"] == entry.server and summary.point_of(row) == entry.point:
                return row["syscalls_per_req"]
        return None


def load(folder: str | Path) -> Evidence:
    """Raises Failure. Of the files only runs.csv must be there."""
    folder = Path(folder)
    details = _rows(folder / "detail.csv", ("block", "server"))
    return Evidence(
        folder,
        summary.load(folder),
        series.load(folder),
        {(row["block"], row["server"]): row for row in details},
        _rows(folder / "syscalls.csv", ("server", "syscalls_per_req")),
    )


def _rows(path: Path, columns: tuple[str, ...]) -> list[Detail]:
    if not path.exists():
        return []
    return [
        {name: reading.field(name, text) for name, text in row.items()}
        for row in reading.table(path, columns)
    ]
