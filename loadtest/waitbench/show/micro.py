"""Tables of micro.csv, which micro/run writes: for the terminal, and for documents.

    <!-- loadtest/tables micro results/one metric=context_switch -->          rows of these metrics (a space is _)
    <!-- loadtest/tables micro results/one metric=task_creation model=thread -->
    <!-- loadtest/tables task-memory results/one -->                         models down, kinds of memory across
    <!-- loadtest/tables published results/one -->                            what others have published, beside it
"""

import sys
import time
from pathlib import Path
from typing import Iterable, Sequence, TextIO

from .. import ROOT, Failure
from ..judge import micro
from . import formatting, progress
from .words import split

HEAD = ["", "model", "variant", "unit", "value", "95% interval", "published", "source"]
LEFT = {0, 1, 2, 3, 7}  # columns of words
PUBLISHED_HEAD = ["claim", "published", "measured here", "is", "why"]
WORDS = ("metric", "model")
STATES = ("its frame", "idle", "after a call 4 KiB deep", "after a call 32 KiB deep", "as many as possible")
RESIDENT = "resident"  # where a variant of memory names no kind
Cells = tuple[list[str], list[list[str]]]


def number(value: float | None) -> str:
    """Three significant digits, and thousands with commas."""
    text = formatting.significant(value)
    return f"{float(text):,.0f}" if value is not None and abs(value) >= 1000 else text


def interval(row: micro.Row) -> str:
    return "" if row.low is None else f"[{number(row.low)}, {number(row.high)}]"


def figure(row: micro.Row) -> str:
    """The value with its unit, and the interval."""
    if row.unit == "1 or 0":
        return "yes" if row.value else "no"
    value = f"{number(row.value)}x" if row.unit == "ratio" else f"{number(row.value)} {row.unit}"
    return f"{value} {interval(row)}".strip()


def text(rows: Sequence[micro.Row]) -> str:
    """For the terminal."""
    lines = [tuple(HEAD)]
    for row in rows:
        lines.append(
            (row.metric, row.model, row.variant, row.unit, number(row.value), interval(row))
            + (row.published, row.source)
        )
    return "\n".join(formatting.columns(lines, LEFT))


def parse(words: Iterable[str], known: Sequence[str]) -> tuple[Path, dict[str, list[str]]]:
    """Raises Failure."""
    folders, given = split(words, known)
    if len(folders) != 1:
        raise Failure("such a table takes one folder" + "".join(f", and {name}=..." for name in known))
    return ROOT / folders[0], {name: value.replace("_", " ").split(",") for name, value in given.items()}


def cells(words: Iterable[str]) -> Cells:
    """Head and rows of a table of kind `micro`, a column for each placement. Raises Failure."""
    folder, chosen = parse(words, WORDS)
    found = [
        row
        for row in micro.read(folder)
        if all(getattr(row, name) in wanted for name, wanted in chosen.items())
    ]
    if not found:
        raise Failure(f"{folder / micro.FILE} has no row of {chosen}")
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    several = len({row.metric for row in found}) > 1
    for row in found:
        placement = next((end for end in micro.PLACEMENTS if row.variant.endswith(end)), "")
        first = (row.metric,) if several else ()
        line = lines.setdefault((*first, row.model, row.variant.removesuffix(placement)), {})
        line[placement] = figure(row)
    across = [name for name in ("", *micro.PLACEMENTS) if any(name in line for line in lines.values())]
    head = (["metric"] if several else []) + ["model", "variant"]
    head += [name.removeprefix(", ") or "value" for name in across]
    return head, [[*first, *(line.get(name, "") for name in across)] for first, line in lines.items()]


def task_memory(words: Iterable[str]) -> Cells:
    """Head and rows of a table of kind `task-memory`. Raises Failure."""
    folder, _ = parse(words, ())
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row in micro.read(folder):
        if row.metric == micro.MEMORY:
            state, _, kind = row.variant.partition(": ")
            line = lines.setdefault((row.model, state), {})
            line[kind or RESIDENT] = f"{number(row.value)} {interval(row)}"
    across = list(dict.fromkeys([RESIDENT, *(kind for line in lines.values() for kind in line)]))
    known = {state: place for place, state in enumerate(STATES)}
    order = sorted(lines, key=lambda line: (line[0], known.get(line[1], len(known)), line[1]))
    head = ["model", "state", *(f"{name}, bytes" for name in across)]
    return head, [[*first, *(lines[first].get(name, "") for name in across)] for first in order]


def published(words: Iterable[str]) -> Cells:
    """Head and rows of a table of kind `published`. Raises Failure."""
    folder, _ = parse(words, ())
    known = {(row.metric, row.model, row.variant): row for row in micro.read(folder)}
    lines = []
    for claim in micro.read_claims():
        if not claim.measured_metric or claim.value is None:
            continue  # a macro benchmark's, or a formula
        row = known.get(claim.measured)
        if row is None:
            raise Failure(f"{folder / micro.FILE} has no {', '.join(claim.measured)}: run micro/run again")
        lines.append([_claimed(claim), _figure(claim), _measured(row), _verdict(claim, row), claim.why])
    return PUBLISHED_HEAD, lines


def _claimed(claim: micro.Claim) -> str:
    said = f" ({claim.setting})" if claim.setting else ""
    return f"{claim.metric}: {claim.model}{said}"


def _figure(claim: micro.Claim) -> str:
    reach = "" if claim.low is None else f" [{number(claim.low)}, {number(claim.high)}]"
    unit = "x" if claim.unit == "ratio" else f" {claim.unit}"
    return f"{number(claim.value)}{unit}{reach}, {claim.source}"


def _measured(row: micro.Row) -> str:
    return f"{figure(row)}: {row.model}, {row.variant}"


def _verdict(claim: micro.Claim, row: micro.Row) -> str:
    word, factor = micro.agreement(claim, row)
    return f"{word}: {formatting.ratio(factor)}"


KINDS = {"micro": cells, "task-memory": task_memory, "published": published}  # of loadtest/tables


class Progress:
    """One line that stays current on a terminal, and a line every half minute elsewhere."""

    def __init__(self, total: int, stream: TextIO | None = None):
        self.stream = stream or sys.stderr
        self.total, self.done = total, 0
        self.begin = self.last_plain = time.monotonic()

    def step(self) -> None:
        self.done += 1
        now = time.monotonic()
        left = (now - self.begin) / self.done * (self.total - self.done)
        words = f"{self.done} of {self.total}, {progress.duration(left)} left"
        if self.stream.isatty():
            self.stream.write(f"\r\x1b[K{words}")
            self.stream.flush()
        elif now - self.last_plain >= progress.PLAIN_EVERY_S:
            self.last_plain = now
            print(words, file=self.stream, flush=True)

    def clear(self) -> None:
        if self.stream.isatty():
            self.stream.write("\r\x1b[K")
            self.stream.flush()
