"""capacity.csv: the capacities at an objective that the searches found, over the blocks, and how they compare with the
baseline's.

A capacity that is only bounded (the generator could not go higher; no rate met the objective) is no number to take a
mean or a ratio of. To leave out the blocks that have one would be a choice by result: so such a server is not compared
at that configuration.
"""

import dataclasses
import math
from pathlib import Path
from typing import Sequence

from .. import Failure
from ..base import reading, results
from ..plan import matrix
from . import capacity, stats

FILE, STEPS_FILE = "capacity.csv", "capacity_steps.csv"
# Of summary.csv.
COLUMNS = (
    "capacity_rps capacity_low capacity_high ratio_capacity ratio_capacity_low ratio_capacity_high verdict_capacity"
    " joint_capacity_low joint_capacity_high blocks_needed_capacity capacity_bound"
).split()
MEANING = {
    capacity.GENERATOR: "the generator could not go higher",
    capacity.CEILING: f"every rate up to {capacity.MOST:g} times the closed-loop rate met the objective",
    capacity.NONE: f"not even {capacity.LEAST:.0%} of the closed-loop rate met the objective",
}


@dataclasses.dataclass
class Entry:
    """One server at one configuration, a point without a load."""

    point: matrix.Point
    server: str
    slo_ms: float
    found: dict[int, float | None]  # block -> requests/s, None: no rate met the objective
    bounds: list[str]  # that any search ended at, sorted
    estimate: stats.Estimate | None = None  # of the ratio, in its family
    verdict: str | None = None  # None: not compared

    @property
    def values(self) -> list[float]:
        return [value for value in self.found.values() if value]

    @property
    def mean(self) -> stats.Estimate | None:
        """The geometric mean over the blocks, as a ratio to 1; where a search ended at a bound of the generator's,
        the capacity is so much or more. None: some block has none."""
        whole = len(self.values) == len(self.found)
        return stats.geometric_mean(self.values) if whole else None

    @property
    def logs(self) -> dict[int, float]:
        """Of the values, by block; none where any search ended at a bound."""
        return {} if self.bounds else {block: math.log(value) for block, value in self.found.items() if value}


Entries = dict[tuple[matrix.Point, str], Entry]


def read(folder: Path, servers: Sequence[str]) -> Entries:
    """Of a results folder, compared with the first of the servers; {} where no capacity was searched. Raises Failure."""
    return compared(_rows(folder), servers)


def servers(folder: Path) -> list[str]:
    """That a capacity was searched for."""
    return [row["server"] for row in _rows(folder)]


def _rows(folder: Path) -> list[dict]:
    path = folder / FILE
    rows = reading.table(path, results.CAPACITY) if path.exists() else []
    return [{name: reading.field(name, row[name]) for name in results.CAPACITY} for row in rows]


def compared(rows: list[dict], servers: Sequence[str]) -> Entries:
    """From the rows of capacity.csv. All configurations of a server are a family."""
    made: Entries = {}
    for row in sorted(rows, key=lambda row: row["block"]):
        point = matrix.Point(**{name: row[name] for name in matrix.Point._fields if name in row})
        key = point.configuration, row["server"]
        entry = made.setdefault(key, Entry(*key, row["slo_ms"], {}, []))
        if row["block"] in entry.found:
            raise Failure(
                f"{FILE}: block {row['block']} has two rows of {row['server']}: are these two runs in one file?"
            )
        entry.found[row["block"]] = row["capacity_rps"]
        entry.bounds = sorted({*entry.bounds, row["bound"]} - {""})
    for server in servers[1:]:
        own = [entry for entry in made.values() if entry.server == server]
        logs = [log_ratios(entry, made.get((entry.point, servers[0]))) for entry in own]
        for entry, estimate in zip(own, stats.family([stats.of_logs(each) for each in logs])):
            entry.estimate, entry.verdict = estimate, stats.verdict(estimate)
    return made


def log_ratios(entry: Entry, baseline: Entry | None) -> list[float]:
    """Paired in the blocks that have both; none where a search of either ended at a bound."""
    own, other = entry.logs, baseline.logs if baseline else {}
    return [value - other[block] for block, value in own.items() if block in other]


def columns(entry: Entry | None) -> dict:
    """Of summary.csv, repeated at each load of the configuration."""
    if entry is None:
        return {}
    found: dict = {"capacity_bound": " ".join(entry.bounds)}
    if mean := entry.mean:
        low, high = mean.interval()
        found |= {"capacity_rps": mean.ratio, "capacity_low": low, "capacity_high": high}
    if estimate := entry.estimate:
        low, high = estimate.interval()
        found |= {
            "ratio_capacity": estimate.ratio,
            "ratio_capacity_low": low,
            "ratio_capacity_high": high,
            "verdict_capacity": entry.verdict,
            "joint_capacity_low": estimate.low,
            "joint_capacity_high": estimate.high,
            "blocks_needed_capacity": estimate.blocks_needed,
        }
    return found
