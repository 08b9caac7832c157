"""The runs of results folders that the cost model is fitted to, and held against."""

import dataclasses
import math
import statistics
from pathlib import Path
from typing import Callable, Iterable, Sequence

from .. import Failure
from ..observe.deployment import listed
from ..plan import matrix
from . import comparison, evidence, measures, summary
from .cost_fit import Row
from .cost_terms import Configuration
from .evidence import Evidence

RATE, SERVER, DATABASE, GENERATOR, MEMORY = MEASURES = "rate", "server", "database", "generator", "memory"
BUSY = "busy"  # us of CPU that a request costs the whole machine, whichever process used it
FEWEST = 4  # configurations


@dataclasses.dataclass(frozen=True)
class Measured:
    """One quantity of one server at one configuration."""

    asked: Configuration
    runs: dict[int, float]  # by block
    generator_bound: bool

    @property
    def row(self) -> Row:
        return Row(self.asked, statistics.median(self.runs.values()))


Quantities = dict[str, list[Measured]]  # measure or BUSY -> one for each configuration, in the same order


@dataclasses.dataclass(frozen=True)
class Data:
    folders: list[str]
    servers: dict[str, Quantities]  # the baseline first
    cpus: float
    notes: list[str]  # sentences: what of the folders is not used
    found: list[summary.Summary]  # of each folder


def read(folders: Sequence[str | Path]) -> Data:
    """Raises Failure."""
    return of([evidence.load(folder) for folder in folders])


def of(evidences: Sequence[Evidence]) -> Data:
    """Raises Failure where nothing can be used."""
    notes: list[str] = []
    servers: dict[str, Quantities] = {}
    for each in evidences:
        for name, entries in _usable(each, notes).items():
            for entry in entries:
                _add(each, entry, servers.setdefault(name, {}))
    folders = [str(each.folder) for each in evidences]
    if not any(servers.values()):
        raise Failure(
            f"{', '.join(folders)}: nothing of GET /work in a closed loop, which the model is of, is known"
        )
    known = {name: found for name, found in servers.items() if found}
    return Data(folders, known, _cpus(evidences), notes, [each.found for each in evidences])


def differences(a: Data, b: Data) -> list[str]:
    """Differences in machine and settings between the first folders of both that should not be."""
    return comparison.differences(a.found[0], b.found[0])[0]


def enough(data: Data) -> tuple[dict[str, Quantities], list[str]]:
    """(the servers that a model can be fitted to, sentences about the others). Raises Failure where there is none."""
    notes = []
    for name, found in data.servers.items():
        count = len({each.asked for each in found[SERVER]})
        if count < FEWEST:
            notes.append(f"{name} has {count} of the {FEWEST} configurations or more that a model needs")
        elif missing := [measure for measure in (DATABASE, GENERATOR) if measure not in found]:
            notes.append(f"the CPU time of {' and '.join(missing)} is not known for {name} (detail.csv)")
    fitted = {
        name: found
        for name, found in data.servers.items()
        if len({each.asked for each in found[SERVER]}) >= FEWEST
    }
    if not fitted:
        raise Failure(f"{', '.join(data.folders)}: {'; '.join(notes)}")
    return fitted, notes


def _cpus(evidences: Sequence[Evidence]) -> float:
    counts = {comparison.fact(each.found.environment, "machine.cpus_usable") for each in evidences}
    names = ", ".join(str(each.folder) for each in evidences)
    if None in counts:
        raise Failure(
            f"{names}: environment.json does not say how many CPUs there were (machine.cpus_usable)"
        )
    if len(counts) > 1:
        raise Failure(f"{names}: these ran on different numbers of CPUs, so that no model fits all of them")
    return float(counts.pop())


def _pool(found: Evidence) -> int:
    text = str(comparison.fact(found.found.environment, "settings.POOL"))
    if not text.isdecimal() or int(text) == 0:
        raise Failure(
            f"{found.folder}: environment.json does not say how many database connections there were (settings.POOL)"
        )
    return int(text)


def _usable(found: Evidence, notes: list[str]) -> dict[str, list[summary.Entry]]:
    """server -> its entries that the model is of."""
    runs = found.found
    special = sorted(set(_special(runs)))
    points = [point for point in runs.points if _plain(point)]
    if others := len(runs.points) - len(points):
        notes.append(
            f"{others} of the {len(runs.points)} points of {found.folder} are left out: the model is of GET /work in a"
            " closed loop, without a proxy, with connections that stay open"
        )
    if special:
        verb = "is" if len(special) == 1 else "are"
        notes.append(f"{listed(special)} {verb} left out: options of SERVERS change the work or the pool")
    return {
        name: [runs.entries[point, name] for point in points if (point, name) in runs.entries]
        for name in runs.servers
        if name not in special
    }


def _special(runs: summary.Summary) -> Iterable[str]:
    """Servers whose work or pool is not the point's."""
    for text in str(comparison.fact(runs.environment, "settings.SERVERS") or "").split():
        try:
            server = matrix.parse_server(text)
        except ValueError:
            continue
        if (server.work or server.fault or server.variables) and server.name in runs.servers:
            yield server.name


def _plain(point: matrix.Point) -> bool:
    usual = point.proxy == "none" and point.workload == matrix.USUAL and point.load is None
    return usual and not point.k and not point.i


def _add(found: Evidence, entry: summary.Entry, quantities: Quantities) -> None:
    numbers = {axis: getattr(entry.point, axis) or 0 for axis in "nmwdtc"}
    asked = Configuration(**numbers, pool=_pool(found))
    known = _quantities(found, entry)
    if not all(known[name] for name in (RATE, BUSY, SERVER, MEMORY)):
        return
    for name, runs in known.items():
        if runs:
            quantities.setdefault(name, []).append(Measured(asked, runs, entry.generator_bound))


def _quantities(found: Evidence, entry: summary.Entry) -> dict[str, dict[int, float]]:
    """Of each measure, the runs in which it is known; of the database none at n=0."""

    def known(value: Callable[[dict], float | None]) -> dict[int, float]:
        values = {run["block"]: value(run) for run in entry.runs}
        return {block: each for block, each in values.items() if each is not None and each > 0}

    def detail(column: str) -> Callable[[dict], float | None]:
        return lambda run: found.details.get((run["block"], entry.server), {}).get(column)

    cpus = _cpus([found])
    return {
        RATE: known(lambda run: run["rps"]),
        SERVER: known(lambda run: run[measures.CPU]),
        DATABASE: known(detail("db_cpu_us_per_req")) if entry.point.n else {},
        GENERATOR: known(detail("wrk_cpu_us_per_req")),
        MEMORY: known(_memory),
        BUSY: known(lambda run: _busy(run, cpus)),
    }


def _memory(run: dict) -> float | None:
    """KiB of the server, and of the kernel for it."""
    parts = run["rss_kib"], run["kernel_kib"]
    return None if None in parts else sum(parts)


def _busy(run: dict, cpus: float) -> float | None:
    return (
        cpus * 1e6 * (1 - run["idle_share"]) / run["rps"]
        if run["rps"] and run["idle_share"] is not None
        else None
    )


def drift(measured: Sequence[Measured], base: Sequence[Measured] | None = None) -> float:
    """How much the machine's speed changes from one repeat of the experiment to the next: the standard deviation of the
    repeats' mean deviations from what is usual at each configuration. With base: of the ratio to it. 0 with one repeat.
    """
    others = {each.asked: each.runs for each in base or ()}
    deviations: dict[int, list[float]] = {}
    for each in measured:
        against = others.get(each.asked, {}) if base is not None else dict.fromkeys(each.runs, 1.0)
        logs = [
            math.log(value / against[block]) for block, value in sorted(each.runs.items()) if block in against
        ]
        for repeat, log in enumerate(logs):
            deviations.setdefault(repeat, []).append(log - statistics.fmean(logs))
    means = [statistics.fmean(some) for some in deviations.values()]
    return statistics.stdev(means) if len(means) > 1 else 0.0
