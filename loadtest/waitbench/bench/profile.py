"""The CPU time of a server, by group of code: all of its processes, under load, sampled by perf."""

import dataclasses
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Iterator

from .. import Failure
from ..base import kernel, results
from ..observe import groups, python_code, stacks
from ..observe.parts import Frame
from ..plan import matrix
from ..show.profile import FILES, Part, columns
from . import servers, where
from .subject import Bench, Subject

LARGEST = 3  # functions or files that are named of each group
LEAST = 0.005  # of the time: a package with less has no line on the terminal


class Files:
    """The tables of a new folder."""

    def __init__(self, folder: Path):
        self.tables = {by: results.Table(folder / name, columns(by)) for by, name in FILES.items()}


def measure(
    bench: Bench, spec: matrix.Server, point: matrix.Point, seconds: float, files: Files
) -> list[str]:
    """Appends to profile.csv and, of a server in Python, to profile_python.csv. The lines of a table. Raises Failure."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)  # a server may give up its rights
        own = dict(spec.variables) | python_code.variables(Path(folder))
        counting = dataclasses.replace(spec, variables=tuple(own.items()))
        samples, cpu_us = where.under(bench, counting, point, [], lambda subject: _sample(subject, seconds))
        packages = python_code.read(Path(folder))
    counts, inside = groups.count(samples, servers.command(spec, bench.chosen)[0])
    if not counts:
        raise Failure(f"perf saw no sample of {spec.name}: did it have any load?")
    total = sum(counts.values())
    lines = [f"{spec.name} n={point.n} c={point.c}: {cpu_us:.1f} us of CPU per request, {total} samples"]
    for part in _divide(files, "group", counts, spec, point, cpu_us):
        lines.append(f"{_line(part)}   {_largest(inside[part.name], total)}")
    if packages:
        lines.append("  the same by the Python package that ran, or called what ran:")
    for part in _divide(files, "package", packages, spec, point, cpu_us):
        if part.share >= LEAST:
            lines.append(_line(part))
    return lines


def _divide(
    files: Files, by: str, counts: Counter, spec: matrix.Server, point: matrix.Point, cpu_us: float
) -> Iterator[Part]:
    """Appends a row for each group or package, the largest first."""
    total = sum(counts.values())
    for name, count in counts.most_common():
        part = Part(spec.name, name, count / total, count / total * cpu_us)
        row = {"server": spec.name, "n": point.n, "c": point.c, by: name, "samples": count}
        files.tables[by].append(row | {"share": part.share, "us_per_req": part.us})
        yield part


def _line(part: Part) -> str:
    return f"  {part.name:16} {part.share:6.1%} {part.us:8.1f} us"


def _sample(subject: Subject, seconds: float) -> tuple[list[Frame], float]:
    """The samples, and the microseconds of CPU per request meanwhile."""
    pids = _family(where.pid_of(subject))
    before = subject.server.stats()
    with tempfile.TemporaryDirectory() as folder:
        output = stacks.record_flat(pids, seconds, Path(folder) / "perf.data")
    after = subject.server.stats()
    return list(groups.parse(output.splitlines())), where.cpu_us(before, after)


def _family(pid: int) -> list[int]:
    """The process and its children, their children and so on."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*"):
            children = kernel.read(f"proc/{one}/task/{task.name}/children", str.split) or []
            found += [int(child) for child in children]
    return found


def _largest(inside: Counter, total: int) -> str:
    """Functions, and files where functions have no names."""
    names: Counter = Counter()
    for frame, count in inside.items():
        names[frame.symbol or frame.object.rpartition("/")[2]] += count
    return ", ".join(f"{name} {count / total:.0%}" for name, count in names.most_common(LARGEST))
