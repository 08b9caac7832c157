"""The progress of a run: one line that stays current on a terminal, plain lines elsewhere."""

import os
import sys
import time
from typing import TextIO

from ..plan import matrix

OVERHEAD_S = 0.4  # of a run: start, proof, stop; used until KNOWN_RUNS runs have been timed
START_S = 3  # of the database
KNOWN_RUNS = 10  # from which on the runs so far predict how long the others take
PLAIN_EVERY_S = 30


def duration(seconds: float) -> str:
    minutes, seconds = divmod(round(max(0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


class Progress:
    def __init__(self, runs: int, seconds_each: float, extra_s: float = 0.0, stream: TextIO | None = None):
        """`seconds_each`: of load in a run; `extra_s`: of everything that happens once."""
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.total, self.done = runs, 0
        self.expected = seconds_each + OVERHEAD_S
        self.extra = START_S + extra_s
        self.begin = time.monotonic()
        self.last_plain = self.begin
        self.shown = False

    def estimate(self) -> float:
        """Seconds that are left, as the runs so far predict."""
        spent = time.monotonic() - self.begin
        if self.done < KNOWN_RUNS:
            return self.extra + self.expected * self.total - spent
        return spent / self.done * (self.total - self.done)

    def running(self, block: matrix.Block, server: str, attempt: int) -> None:
        again = f", attempt {attempt}" if attempt > 1 else ""
        words = f"run {self.done + 1} of {self.total}: {server} at {block.point}{again};"
        words += f" {duration(self.estimate())} left"
        if self.live:
            columns = os.get_terminal_size(self.stream.fileno()).columns or 80
            self.stream.write("\r\x1b[K" + words[: columns - 1])
            self.stream.flush()
            self.shown = True
        elif time.monotonic() - self.last_plain >= PLAIN_EVERY_S:
            self.last_plain = time.monotonic()
            self.say(words)

    def finished(self) -> None:
        self.done += 1

    def more(self, runs: int) -> None:
        self.total += runs

    def say(self, words: str) -> None:
        self.clear()
        print(words, file=self.stream, flush=True)

    def clear(self) -> None:
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self.shown = False
