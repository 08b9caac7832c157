"""The progress of a run: a bar that stays current on a terminal, plain lines elsewhere, nothing if it is to be quiet.

The bar is drawn when a run begins and when it ends, and not in between: to write to a terminal takes CPU time from what is
measured.
"""

import os
import re
import sys
import textwrap
import time
from typing import Any, Mapping, TextIO

from ..plan import matrix, settings
from . import formatting

OVERHEAD_S = 0.4  # of a run: start, proof, stop; used until KNOWN_RUNS runs have been timed
START_S = 3  # of the database
KNOWN_RUNS = 10  # from which on the runs so far predict how long the others take
PLAIN_EVERY_S = 30
BAR, BAR_LEAST = (
    20,
    6,
)  # characters between its brackets, where there is room; fewer than the least say nothing


def duration(seconds: float) -> str:
    minutes, seconds = divmod(round(max(0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def clock(seconds: float) -> str:
    """1:58, 1:02:05"""
    minutes, seconds = divmod(round(max(0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def line(share: float, left: str, result: str, columns: int) -> str:
    """[#########-----------] 45%  1:58 left  n=20 c=256 name 1,390/s (1.3x threads), in less than so many columns: the
    last one would move the cursor to the next line. Parts that a narrow terminal has no room for are left out: first
    the ratio, then the point, then the bar."""
    room = columns - 1
    fixed = f"{share:4.0%}  {left} left"
    short = re.sub(r" \([^()]*\)$", "", result)
    shorter = re.sub(r"\S+=\S+ ", "", short)
    for text in dict.fromkeys((result, short, shorter)):
        whole = f"{fixed}  {text}".rstrip()
        bar = min(BAR, room - len(whole) - 2)
        if bar >= BAR_LEAST:
            full = int(share * bar)
            return f"[{'#' * full}{'-' * (bar - full)}]{whole}"
    return f"{fixed}  {shorter}".strip()[: max(0, room)].rstrip()


class Results:
    """The runs of a block in words, each beside the baseline if that had its turn before."""

    def __init__(self, chosen: settings.Settings):
        names, known = [spec.name for spec in chosen.servers], chosen.server_list
        self.axes = formatting.varying(chosen.points) or ["n", "c"]
        self.baseline = known.baseline if known.baseline in names else names[0]
        models = [known.get(spec.model).model for spec in chosen.servers]
        model = models[names.index(self.baseline)]
        alone = models.count(model) == 1 and " " not in model
        self.word = model if model and alone else self.baseline

    def begin(self, block: matrix.Block) -> None:
        """A block, or the next attempt at it."""
        self.point = block.point
        self.other: float | None = None  # what the baseline does

    def words(self, server: str, row: Mapping[str, Any]) -> str:
        """n=20 c=256 name 1,390/s (1.3x threads), of a row of runs.csv or capacity.csv; an unsound run has none."""
        name = f"{formatting.label(self.point, self.axes)} {server}".strip()
        if not row:
            return f"{name} unsound"
        searched = "capacity_rps" in row
        rate = row["capacity_rps" if searched else "rps"]
        if not rate:
            return name
        said = f"{name} {formatting.grouped(rate)}/s{' capacity' if searched else ''}"
        if server == self.baseline:
            self.other = rate
        elif self.other and (searched or self.point.load is None):  # at a load all servers have the same rate
            said += f" ({formatting.brief(rate / self.other)} {self.word})"
        return said


class Progress:
    def __init__(
        self,
        runs: int,
        seconds_each: float,
        extra_s: float = 0.0,
        stream: TextIO | None = None,
        quiet: bool = False,
    ):
        """`seconds_each`: of load in a run; `extra_s`: of everything that happens once."""
        self.stream = stream or sys.stderr
        self.quiet = quiet
        self.live = not quiet and self.stream.isatty()
        self.total, self.done = runs, 0
        self.expected = seconds_each + OVERHEAD_S
        self.extra = START_S + extra_s
        self.begin = time.monotonic()
        self.last_plain = self.begin
        self.shown = False
        self.result = ""  # of the last run that ended

    def estimate(self) -> float:
        """Seconds that are left, as the runs so far predict."""
        spent = time.monotonic() - self.begin
        if self.done < KNOWN_RUNS:
            return self.extra + self.expected * self.total - spent
        return spent / self.done * (self.total - self.done)

    def running(self, block: matrix.Block, server: str, attempt: int) -> None:
        again = f", attempt {attempt}" if attempt > 1 else ""
        if self.live:
            self.result = self.result or f"{block.point} {server}"
            self._draw()
        elif not self.quiet and time.monotonic() - self.last_plain >= PLAIN_EVERY_S:
            self.last_plain = time.monotonic()
            words = f"run {self.done + 1} of {self.total}: {server} at {block.point}{again};"
            self.say(f"{words} {duration(self.estimate())} left")

    def finished(self, result: str = "") -> None:
        """`result`: n=20 c=256 name 1,390/s (1.3x threads)"""
        self.done += 1
        self.result = result
        if self.live:
            self._draw()

    def more(self, runs: int) -> None:
        self.total += runs

    def say(self, words: str, error: bool = False) -> None:
        """Above the bar. If it is to be quiet, errors alone."""
        if self.quiet and not error:
            return
        bar = self.shown
        self.clear()
        lines = textwrap.wrap(words, self._columns() - 1, break_on_hyphens=False) if self.live else [words]
        print("\n".join(lines), file=self.stream, flush=True)
        if bar:
            self._draw()

    def clear(self) -> None:
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self.shown = False

    def _draw(self) -> None:
        share = min(1.0, self.done / self.total) if self.total else 1.0
        text = line(share, clock(self.estimate()), self.result, self._columns())
        self.stream.write("\r\x1b[K" + text)
        self.stream.flush()
        self.shown = True

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80
