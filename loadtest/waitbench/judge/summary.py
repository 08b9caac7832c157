"""From runs.csv to summary.csv: what each server did at each point, and how it compares with the baseline.

The baseline is the first server of the list (servers.csv), or else the first of the run. A ratio is paired:
both servers in the same block, at the same point. A block that lacks either server (interrupted, given up) is
dropped, and nothing takes its place: the columns `pairs_*` show how many are left.

A family (stats.family) is one measure of one server over all points of the run.

In an open loop (points with a load) all servers have the same throughput, which is not compared; capacities are
(judge/capacities.py).
"""

import csv
import dataclasses
import io
import math
from pathlib import Path
import statistics
from typing import Iterable, Mapping

from .. import Failure
from ..base import reading, results
from ..plan import matrix, server_list
from . import capacities, languages, measures, stats
from .measures import COLUMNS, CPU, MEASURED, MEASURES, P99, THROUGHPUT, Measure

GENERATOR_BOUND, TOO_SHORT, MACHINE_BUSY = "generator-bound", "too-short", "machine-busy"  # soundness.FLAGS
OVERLOADED = "overloaded"  # one of them, too
SPOILS_LATENCY = {GENERATOR_BOUND, TOO_SHORT, OVERLOADED}
Capacities = capacities.Entries


@dataclasses.dataclass
class Entry:
    """One server at one point."""

    point: matrix.Point
    server: str
    runs: list  # of dicts, in order of their blocks
    logs: dict = dataclasses.field(default_factory=dict)  # measure -> paired log ratios to the baseline
    estimates: dict = dataclasses.field(
        default_factory=dict
    )  # measure -> stats.Estimate in its family, or None
    verdicts: dict = dataclasses.field(default_factory=dict)  # measure -> word, None: not compared

    def median(self, column: str) -> float | None:
        values = [run[column] for run in self.runs if run[column] is not None]
        return statistics.median(values) if values else None

    @property
    def flags(self) -> list[str]:
        return sorted({word for run in self.runs for word in run["flags"].split()})

    @property
    def generator_bound(self) -> bool:
        return GENERATOR_BOUND in self.flags

    @property
    def latencies_spoilt(self) -> bool:
        """In any run. Keeping only the runs with good latencies would be a choice by result."""
        return not SPOILS_LATENCY.isdisjoint(self.flags)


@dataclasses.dataclass
class Summary:
    servers: list[str]  # names, the baseline first
    points: list[matrix.Point]
    entries: dict[tuple[matrix.Point, str], Entry]  # (point, server) -> Entry, where there is any run
    environment: dict  # as in environment.json, {} when there is none
    colours: dict[str, str]  # name of a listed server -> #rrggbb
    capacities: Capacities = dataclasses.field(default_factory=dict)  # of an open loop
    kinds: dict[str, languages.Kind] = dataclasses.field(
        default_factory=dict
    )  # of the servers that were asked for, where known
    discarded: list[dict[str, str]] = dataclasses.field(default_factory=list)  # rows of unsound.csv

    @property
    def is_open(self) -> bool:
        return any(point.load is not None for point in self.points)

    @property
    def several_languages(self) -> bool:
        return languages.several(self.kinds)

    @property
    def measures(self) -> list[Measure]:
        """That are compared."""
        return [measure for measure in MEASURES if measure != THROUGHPUT or not self.is_open]

    @property
    def lead(self) -> Measure:
        """The measure that the answer begins with."""
        return P99 if self.is_open else THROUGHPUT

    @property
    def baseline(self) -> str:
        return self.servers[0]

    @property
    def compared(self) -> list[Entry]:
        """The entries of the other servers that share a block with the baseline."""
        return [e for e in self.entries.values() if e.estimates.get(self.lead.name)]

    @property
    def blocks(self) -> tuple[int, int]:
        """(fewest, most) pairs behind a ratio of the leading measure; of runs, when only one server ran."""
        counts = [e.estimates[self.lead.name].count for e in self.compared]
        counts = counts or [len(e.runs) for e in self.entries.values()]
        return min(counts), max(counts)

    @property
    def exploratory(self) -> bool:
        return self.blocks[0] < stats.BLOCKS

    def at(self, server: str) -> list[Entry]:
        """The entries of one server, in the order of the points."""
        found = (self.entries.get((point, server)) for point in self.points)
        return [entry for entry in found if entry]


def read_runs(path: str | Path) -> list[dict]:
    """The rows of a runs.csv, numbers as numbers and a missing value as None. Raises Failure."""
    return [_typed(row) for row in reading.table(Path(path), results.COLUMNS)]


def _typed(row: dict[str, str]) -> dict:
    typed = {name: reading.field(name, row[name]) for name in results.COLUMNS}
    parts = typed["cpu_user_us_per_req"], typed["cpu_sys_us_per_req"]
    return typed | {CPU: None if None in parts else sum(parts)}


def point_of(run: dict) -> matrix.Point:
    return matrix.Point(**{name: run[name] for name in matrix.Point._fields if name in run})


def in_order(points: Iterable[matrix.Point]) -> list[matrix.Point]:
    """Sorted; points without a proxy come first, and what a workload does not have before any value."""
    return sorted(
        points,
        key=lambda point: (point.proxy != "none", *(-1 if value is None else value for value in point)),
    )


def load(folder: str | Path) -> Summary:
    """The Summary of a results folder. Raises Failure when there is nothing to summarise."""
    folder = Path(folder)
    if not folder.is_dir():
        raise Failure(f"{folder} is no folder: name a results folder")
    runs = read_runs(folder / "runs.csv")
    if not runs:
        raise Failure(f"{folder}/runs.csv has no rows: nothing was measured there")
    summary = summarise(runs, reading.facts(folder / "environment.json") or {})
    summary.capacities = capacities.read(folder, summary.servers)
    if summary.several_languages and (folder / "unsound.csv").exists():
        summary.discarded = reading.table(folder / "unsound.csv", ("block", "server", "reason"))
    return summary


def summarise(runs: list[dict], environment: dict) -> Summary:
    entries: dict[tuple[matrix.Point, str], Entry] = {}
    for run in sorted(runs, key=lambda run: run["block"]):
        key = point_of(run), run["server"]
        entry = entries.setdefault(key, Entry(*key, []))
        if entry.runs and entry.runs[-1]["block"] == run["block"]:
            raise Failure(
                f"block {run['block']} has two rows of {run['server']}: are these two runs in one file?"
            )
        entry.runs.append(run)
    points = in_order({point for point, _ in entries})
    servers, colours = _servers(dict.fromkeys(run["server"] for run in runs), environment)
    kinds = languages.of([*servers, *environment.get("servers", ())], environment)
    summary = Summary(servers, points, entries, environment, colours, kinds=kinds)
    for server in servers[1:]:
        _compare(summary, server)
    return summary


def of_searches(folder: str | Path) -> Summary:
    """The capacities alone, of a folder in which no run was sound. Raises Failure."""
    folder = Path(folder)
    environment = reading.facts(folder / "environment.json") or {}
    servers, colours = _servers(dict.fromkeys(capacities.servers(folder)), environment)
    return Summary(servers, [], {}, environment, colours, capacities.read(folder, servers))


def _servers(ran: Mapping[str, None], environment: dict) -> tuple[list[str], dict[str, str]]:
    """(names, the baseline first; colours of the listed servers)"""
    servers = [name for name in environment.get("servers", ()) if name in ran]
    servers += [name for name in ran if name not in servers]
    colours = listed(environment)
    first = next(iter(colours))
    baseline = first if first in servers else servers[0]
    ordered = [baseline] + [name for name in servers if name != baseline]
    return languages.grouped(ordered, languages.of(ordered, environment)), colours


def listed(environment: dict) -> dict[str, str]:
    """name -> colour of the listed servers, in order: of the list that the run had, or else of the project's."""
    recorded = environment.get("server_list")
    if recorded:
        return {entry["name"]: entry["colour"] for entry in recorded}
    return {entry.name: entry.colour for entry in server_list.read()}


def _compare(summary: Summary, server: str) -> None:
    """Fills in what one server's ratios to the baseline say; each measure over all points is a family."""
    entries = [e for e in summary.at(server) if (e.point, summary.baseline) in summary.entries]
    for measure in MEASURES:
        found = []
        for entry in entries:
            baseline = summary.entries[entry.point, summary.baseline]
            values, baselines = pairs(entry, baseline, measure)
            entry.logs[measure.name] = [math.log(a / b) for a, b in zip(values, baselines)]
            found.append(stats.paired(values, baselines))
        for entry, estimate in zip(entries, stats.family(found)):
            entry.estimates[measure.name] = estimate
            entry.verdicts[measure.name] = stats.verdict(estimate, measure.more_is_better)


def pairs(entry: Entry, baseline: Entry, measure: Measure) -> tuple[list[float], list[float]]:
    """(values, values of the baseline) of the blocks that have both; none for latencies that are spoilt, and for
    a throughput that was set."""
    if measure.column == "p99_us" and (entry.latencies_spoilt or baseline.latencies_spoilt):
        return [], []
    if measure == THROUGHPUT and entry.point.load is not None:
        return [], []
    column = measure.column
    other = {run["block"]: run[column] for run in baseline.runs}
    both = [(run[column] or 0.0, other.get(run["block"]) or 0.0) for run in entry.runs]
    both = [(a, b) for a, b in both if a > 0 and b > 0]  # a ratio needs two positive values
    return [a for a, _ in both], [b for _, b in both]


def row(entry: Entry, summary: Summary) -> dict:
    """The row of summary.csv, without what is not known."""
    found = entry.point._asdict() | {
        "server": entry.server,
        "base": summary.baseline,
        "runs": len(entry.runs),
    }
    found |= {name: entry.median(name) for name in MEASURED + [CPU]}
    for measure in MEASURES:
        if estimate := entry.estimates.get(measure.name):
            found |= measures.columns(measure, estimate, entry.verdicts[measure.name])
    found |= capacities.columns(summary.capacities.get((entry.point.configuration, entry.server)))
    compared = entry.estimates.get(summary.lead.name)
    found["exploratory"] = "yes" if (compared.count if compared else len(entry.runs)) < stats.BLOCKS else "no"
    found["flags"] = " ".join(entry.flags)
    return found


def csv_text(summary: Summary) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in summary.points:
        for server in summary.servers:
            if entry := summary.entries.get((point, server)):
                known = row(entry, summary)
                writer.writerow([results.text(known.get(name)) for name in COLUMNS])
    return out.getvalue()


def write(folder: str | Path) -> Summary:
    """Writes summary.csv into a results folder and returns its Summary."""
    summary = load(folder)
    results.replace(Path(folder) / "summary.csv", csv_text(summary).encode())
    return summary
