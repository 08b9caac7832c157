"""Where the time of a request goes: servers under load, seen by perf and then by callgrind.

Of each server at each point, REPEATS times: perf samples its call chains, and counts its system calls. Then the same
server under callgrind, REPEATS times. A figure is the median, with the least and the greatest.
"""

import csv
import re
import shutil
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Callable, NamedTuple

from .. import Failure
from ..base import process
from ..observe import callgrind, parts, server_stats, stacks, system_calls
from ..plan import matrix
from ..show import flame, where
from . import servers
from .subject import Bench, Subject

SETTLE_S = 0.6  # of load, before anything is looked at
COUNT_S = 0.5  # of counting system calls
CALLGRIND_S = 0.8  # of load for each of callgrind's figures
MORE_TIMES = 10  # that time at most, on a busy machine
PATIENCE = 6  # callgrind makes a start so much slower, and a busy machine more
MOST_S = 120  # of load, at which a measurement must have ended it
TOOLS = {"perf": "linux-perf", "valgrind": "valgrind", "vgdb": "valgrind", "nm": "binutils"}

Figures = dict[tuple[str, str], list[float]]  # (unit, part) -> a figure a repeat


class Plan(NamedTuple):
    repeats: int
    seconds: float  # of perf's sampling, each time


def check_tools() -> None:
    missing = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if missing:
        raise Failure(f"where needs packages: apt-get install {' '.join(missing)}")


def measure(bench: Bench, spec: matrix.Server, point: matrix.Point, plan: Plan, out: Path) -> None:
    """Appends to where.csv, and writes the flame graph. Raises Failure."""
    figures: Figures = {}
    seen = under(bench, spec, point, [], lambda subject: _perf(subject, plan, figures))
    with tempfile.TemporaryDirectory() as folder:
        prefix = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        prefix.append(f"--vgdb-prefix={folder}/vgdb")
        under(bench, spec, point, prefix, lambda subject: _callgrind(subject, plan, figures, Path(folder)))
    write(out / where.FILE, spec.name, point.n or 0, figures)
    _draw(out / f"flame-{spec.name}-n{point.n}.svg", spec, point, seen, bench)


def under(bench: Bench, spec: matrix.Server, point: matrix.Point, prefix: list[str], look: Callable):
    """Calls look(subject) while the server, started by those words, is under load; what it returned."""
    if bench.db:
        bench.db.reset(writes=False)
    subject = Subject(bench, spec, point)
    subject.server.prefix, subject.server.patience = prefix, PATIENCE if prefix else 1
    returned = []

    def watch(elapsed: float) -> float | None:
        if elapsed < SETTLE_S:
            return SETTLE_S - elapsed
        returned.append(look(subject))
        return None  # ends the load

    try:
        _start(subject)
        subject.await_pool()
        subject.load(MOST_S, watch)
    except servers.Died as error:
        raise Failure(str(error)) from None
    finally:
        subject.stop()
    return returned[0]


def _start(subject: Subject) -> None:
    """A server connects to its database within five seconds or not at all: under callgrind, on a busy machine, that has
    been too short."""
    for tries_left in (2, 1, 0) if subject.server.prefix else (0,):
        try:
            return subject.start()
        except Failure:
            if not tries_left:
                raise
            subject.stop()


def _perf(subject: Subject, plan: Plan, figures: Figures) -> Counter:
    """All stacks that were seen."""
    pid = pid_of(subject)
    sources = stacks.sources(servers.command(subject.spec, subject.bench.chosen)[0])
    found: Counter = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(plan.repeats):
            before = subject.server.stats()
            samples = stacks.record(pid, plan.seconds, Path(folder) / "perf.data")
            after = subject.server.stats()
            _share_out(samples, sources, cpu_us(before, after), figures)
            found += samples
            _count_calls(subject, pid, figures)
    return found


def pid_of(subject: Subject) -> int:
    if subject.server.pid is None:
        raise Failure("where takes servers that it starts itself")
    return subject.server.pid


def cpu_us(before: dict, after: dict) -> float:
    """Microseconds of CPU per request between two looks at GET /stats."""
    first, last = server_stats.cpu_s(before), server_stats.cpu_s(after)
    if first is None or last is None:
        raise Failure("GET /stats does not say what CPU the server has taken")
    return (last - first) * 1e6 / max(1, after["requests"] - before["requests"])


def _share_out(samples: Counter, sources: dict[str, str], cpu_us: float, figures: Figures) -> None:
    """The server says what CPU it took; the samples say which share of that each part has."""
    shares: Counter = Counter()
    for stack, count in samples.items():
        shares[parts.of_stack(stack, sources)] += count
    total = max(1, sum(shares.values()))
    _add(figures, "us", {part: cpu_us * count / total for part, count in shares.items()})


def _count_calls(subject: Subject, pid: int, figures: Figures) -> None:
    counter = system_calls.ByName(pid)
    if not counter.begin():
        return
    before = subject.server.stats()
    time.sleep(COUNT_S)
    after = subject.server.stats()
    requests = max(1, after["requests"] - before["requests"])
    counts = counter.counts()
    if counts:  # else perf counted nothing, which is not 0
        _add(figures, "calls", {name: count / requests for name, count in counts.items()})


def _callgrind(subject: Subject, plan: Plan, figures: Figures, folder: Path) -> None:
    pid = pid_of(subject)
    _dump(pid, folder)
    for number in range(2, plan.repeats + 2):
        _let_pass(subject)
        _dump(pid, folder)
        with (folder / f"out.{number}").open(errors="replace") as lines:
            found, requests = callgrind.read(lines)
        if not requests:
            raise Failure(f"{subject.spec.name} handles no request under callgrind: is the machine busy?")
        _add(figures, "instructions", {part: count / requests for part, count in found.items()})


def _let_pass(subject: Subject) -> None:
    """Some time, or on a busy machine some requests."""
    before = subject.server.stats()["requests"]
    for _ in range(MORE_TIMES):
        time.sleep(CALLGRIND_S)
        if subject.server.stats()["requests"] - before >= 2 * subject.point.c:
            return


def _dump(pid: int, folder: Path) -> None:
    words = ["vgdb", f"--vgdb-prefix={folder}/vgdb", f"--pid={pid}", "dump"]
    env = process.environment() | {"HOST": servers.HOST}  # vgdb's files have that in their names
    done = process.run(words, capture_output=True, text=True, env=env)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise Failure(f"vgdb cannot reach the server under callgrind: {said[-1]}")


def _add(figures: Figures, unit: str, found: dict[str, float]) -> None:
    for part, value in (found | {where.TOTAL: sum(found.values())}).items():
        figures.setdefault((unit, part), []).append(value)


def write(path: Path, server: str, n: int, figures: Figures) -> None:
    """Of a part that some repeats did not see it was 0 in those; a repeat that could not count has no total."""
    is_new = not path.exists()
    with path.open("a", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if is_new:
            writer.writerow(where.COLUMNS)
        for (unit, part), values in figures.items():
            values = values + [0.0] * (len(figures[unit, where.TOTAL]) - len(values))
            numbers = (statistics.median(values), min(values), max(values))
            writer.writerow([server, n, part, unit, *(f"{number:.6g}" for number in numbers)])


def _draw(path: Path, spec: matrix.Server, point: matrix.Point, seen: Counter, bench: Bench) -> None:
    program = re.escape(servers.command(spec, bench.chosen)[0])
    kernel, own = set(), set()
    for frame in {frame for stack in seen for frame in stack}:
        if frame.object == "[kernel.kallsyms]":
            kernel.add(frame.symbol)
        elif re.fullmatch(program, frame.object):
            own.add(frame.symbol)
    title = f"{spec.name}, {point}: where its CPU time goes"
    path.write_text(flame.svg(stacks.folded(seen), title, kernel, own))
