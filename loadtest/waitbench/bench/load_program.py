"""A program that makes load, wrk or pace: what it is asked to do, and how it is started, watched and ended."""

import math
import os
import signal
import subprocess
import time
from typing import Any, Callable, NamedTuple, Sequence

from ..base import process
from ..observe import load_result, out_of_memory
from ..plan import requests

LINES_SAID = 2  # of a program that failed
PATIENCE_S = 30  # with a program that does not end by itself

# Called with the elapsed seconds while the program runs. Returns in how many seconds it wants to be called again, or
# None to end the run now.
Watch = Callable[[float], float | None]


class Pacing(NamedTuple):
    """Options that pace alone has."""

    rate: float | None  # requests per second; None: a closed loop
    arrivals: str | None  # poisson or constant; None in a closed loop
    requests_per_connection: int  # 0: any number
    idle: int  # connections
    warmup: float  # s before the window, in the same process
    drain: float  # s after it, at most
    seed: int


class Job(NamedTuple):
    """The load that a generator is asked for."""

    url: str  # http://host:port
    path: str
    connections: int
    seconds: float  # of the window
    injected: tuple = ()  # further words for the program
    crud: requests.Crud | None = None  # the mix of operations, in place of the path
    pacing: Pacing | None = None  # for pace; None: for wrk

    @property
    def load_s(self) -> float:
        """For which there is load, warm-up and drain included."""
        return self.seconds + (self.pacing.warmup + self.pacing.drain if self.pacing else 0)

    def share(self, connections: int, number: int, idle: int) -> "Job":
        """The share of one of several generators, with so many of the connections."""
        pacing = self.pacing
        if pacing:
            rate = pacing.rate and pacing.rate * connections / self.connections
            pacing = pacing._replace(rate=rate, idle=idle, seed=(pacing.seed + 1000 * number) % 2**63)
        crud = self.crud and self.crud.of_generator(number)
        return self._replace(connections=connections, crud=crud, pacing=pacing)


def threads(connections: int, cpus: int) -> int:
    """Of wrk or pace: two where there are two CPUs for them, since one saturates before most servers do. Both have the
    same number of connections: wrk rounds -c down to a multiple of -t."""
    return 2 if cpus > 1 and connections % 2 == 0 else 1


def output(
    words: Sequence[str],
    ends_s: float,
    place: process.Place = process.ANYWHERE,
    watch: Watch | None = None,
    interrupt_s: float = math.inf,
    results: Sequence[int] = (0,),
) -> tuple[str, float]:
    """(what the program printed, s of CPU that it took). It is to end by itself within `ends_s`, or by SIGINT after
    `interrupt_s`; `results` are the statuses with which it has a result. Raises load_result.Broken.

    A run that `watch` ends, ends by SIGINT, too, at which wrk and pace stop as they do at the end of their window.
    """
    name = os.path.basename(words[0])
    kills = out_of_memory.kills()
    printed = os.memfd_create(name)  # in memory: a full disk must not cost a result
    try:
        child = process.start(words, place, stdout=printed, stderr=subprocess.STDOUT)
        try:
            usage = _wait(child, name, ends_s, interrupt_s, watch or (lambda elapsed: PATIENCE_S))
        finally:
            process.kill(child)
        os.lseek(printed, 0, os.SEEK_SET)
        with os.fdopen(os.dup(printed)) as stream:
            text = stream.read()
    finally:
        os.close(printed)
    if child.returncode not in results:
        raise load_result.Broken(_how_it_failed(name, child.returncode, text, kills))
    return text, usage.ru_utime + usage.ru_stime


def _how_it_failed(name: str, status: int, text: str, kills: int | None) -> str:
    last = " / ".join(line.strip() for line in text.strip().splitlines()[-LINES_SAID:])
    return f"{name} {out_of_memory.ending(status, text, kills)}; it said: {last or 'nothing'}"


def _wait(child: subprocess.Popen, name: str, ends_s: float, interrupt: float, watch: Watch) -> Any:
    """The struct rusage of the program."""
    begin = time.monotonic()
    look = 0.0
    while True:
        elapsed = time.monotonic() - begin
        if elapsed >= interrupt and not process.catches(child, signal.SIGINT):
            interrupt = elapsed + 0.01  # on a busy machine it may not have started yet, and would be killed
        elif elapsed >= interrupt:
            process.send(child, signal.SIGINT)
            interrupt = math.inf
        if elapsed > ends_s + PATIENCE_S:
            raise load_result.Broken(
                f"{name} was still running {PATIENCE_S} s after its {ends_s:g} s, and was ended"
            )
        if elapsed >= look:
            again = watch(elapsed)
            look = math.inf if again is None else elapsed + again
            interrupt = elapsed if again is None else interrupt
        usage = process.reap(child, timeout=max(0.0, min(0.05, min(interrupt, look) - elapsed)))
        if usage:
            return usage
