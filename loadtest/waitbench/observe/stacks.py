"""Samples of a process by perf's clock of its CPU time, a software event: the kernel's part is seen without hardware
counters, which a virtual machine seldom has."""

import re
from collections import Counter
from pathlib import Path
from typing import Iterable, Iterator

from .. import Failure
from ..base import process
from .parts import Frame

HERTZ = 1999  # not a multiple of the timer's rate
STACK_BYTES = (
    4096  # of the user's stack, in which DWARF finds the callers: the libraries have no frame pointers
)
_FRAME = re.compile(r"^\s+[0-9a-f]+ (.*) \((\S.*)\)$")

Stack = tuple[Frame, ...]  # the innermost first


def record(pid: int, seconds: float, file: Path) -> Counter:
    """Stack -> how many samples. Blocks for that time. Raises Failure."""
    graph = f"dwarf,{STACK_BYTES}"
    words = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HERTZ), "--call-graph", graph]
    _perf([*words, "-p", str(pid), "-o", str(file), "--", "sleep", str(seconds)])
    return Counter(
        parse(_perf(["perf", "script", "-i", str(file), "--no-inline", "-F", "ip,sym,dso"]).splitlines())
    )


def record_flat(pids: list[int], seconds: float, file: Path) -> str:
    """What perf says of the innermost frames of these processes, without call chains: of code whose stack cannot be
    unwound, and at less cost. Blocks for that time. Raises Failure."""
    words = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HERTZ), "-p", ",".join(map(str, pids))]
    _perf([*words, "-o", str(file), "--", "sleep", str(seconds)])
    return _perf(["perf", "script", "-i", str(file), "-F", "ip,sym,dso"])


def _perf(words: list[str]) -> str:
    try:
        done = process.run(words, capture_output=True, text=True, errors="replace")
    except FileNotFoundError:
        raise Failure("perf is not installed: apt-get install linux-perf") from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"status {done.returncode}"
        raise Failure(f"{' '.join(words[:2])}: {said[:300]}")
    return done.stdout


def parse(lines: Iterable[str]) -> Iterator[Stack]:
    """The stacks of `perf script -F ip,sym,dso`: a line a frame, an empty line after each stack."""
    frames: list[Frame] = []
    for line in lines:
        if match := _FRAME.match(line):
            symbol, place = match.groups()
            if (symbol, place) != ("[unknown]", "[unknown]"):  # beyond the stack's end
                frames.append(Frame("" if symbol == "[unknown]" else symbol.partition("+0x")[0], place))
        elif not line.strip() and frames:
            yield tuple(frames)
            frames = []
    if frames:
        yield tuple(frames)


def sources(program: str) -> dict[str, str]:
    """function -> its source file, by the program's debugging information; empty without nm or any."""
    try:
        done = process.run(["nm", "-l", "--defined-only", program], capture_output=True, text=True)
    except FileNotFoundError:
        return {}
    found = {}
    for line in done.stdout.splitlines():
        symbol, tab, place = line.partition("\t")
        if tab and len(symbol.split()) == 3:
            found[symbol.split()[2]] = place.rpartition(":")[0]
    return found


def folded(stacks: Counter) -> Counter:
    """The same as "outermost;...;innermost" -> samples, which flame graphs are made of. Functions without names have
    their library's, once for those that call each other."""
    found: Counter = Counter()
    for stack, count in stacks.items():
        names: list[str] = []
        for frame in reversed(stack):
            name = frame.symbol or f"[{frame.object.rpartition('/')[2]}]"
            if frame.symbol or names[-1:] != [name]:
                names.append(name)
        found[";".join(name.replace(";", ":") for name in names)] += count
    return found
