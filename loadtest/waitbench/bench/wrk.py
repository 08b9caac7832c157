"""wrk: how it is started and stopped."""

import dataclasses
import math
import os
import shutil
import signal
import subprocess
import time
from typing import Any, Callable, NamedTuple

from .. import ROOT, Failure
from ..base import process
from ..observe import out_of_memory, wrk_output
from ..plan import matrix, requests

SCRIPT, CRUD_SCRIPT = (ROOT / "loadtest" / name for name in ("wrk.lua", "crud.lua"))
LINES_SAID = 2  # of a wrk that failed
PATIENCE_S = 30  # with a wrk that does not end by itself

# Called with the elapsed seconds while wrk runs. Returns in how many seconds it wants to be called again, or
# None to end the run now.
Watch = Callable[[float], float | None]


class Job(NamedTuple):
    """What a generator is asked to do."""

    url: str  # http://host:port
    path: str
    connections: int
    seconds: float
    injected: tuple = ()  # further words for the script
    crud: requests.Crud | None = None  # the mix of operations, in place of the path


def find() -> str:
    path = shutil.which("wrk")
    if not path:
        raise Failure("wrk is not installed: apt-get install wrk")
    return path


def version() -> str:
    done = process.run([find(), "-v"], capture_output=True, text=True)
    return (done.stdout or done.stderr).partition("\n")[0]


def threads(connections: int, cpus: int) -> int:
    """Two where there are two CPUs for them: one thread saturates before most servers do. Both have the same
    number of connections, since wrk rounds -c down to a multiple of -t."""
    return 2 if cpus > 1 and connections % 2 == 0 else 1


def command(job: Job, thread_count: int) -> list[str]:
    seconds = math.ceil(job.seconds)
    words: list[Any] = [find(), "-t", thread_count, "-c", job.connections, "-d", f"{seconds}s"]
    # The histogram lacks responses slower than --timeout: no response may be.
    words += ["--timeout", f"{seconds + 60}s", "-s", CRUD_SCRIPT if job.crud else SCRIPT, job.url, "--"]
    words += [*(job.crud.words if job.crud else [job.path]), *job.injected]
    return [str(word) for word in words]


def job(
    url: str,
    server: matrix.Server,
    point: matrix.Point,
    seconds: float,
    crud: requests.Crud | None = None,
) -> Job:
    """`crud` is needed at a point of that workload."""
    path = "/items" if point.is_crud else requests.work_path(server.parameters(point))
    return Job(url, path, point.c, seconds, requests.injected(server, point), crud)


def run(
    words: list[str], seconds: float, place: process.Place = process.ANYWHERE, watch: Watch | None = None
) -> wrk_output.Result:
    """One run of wrk. Raises wrk_output.Broken."""
    text, cpu_s = output(words, seconds, place, watch)
    return dataclasses.replace(wrk_output.parse(text), cpu_s=cpu_s)


def output(
    words: list[str], seconds: float, place: process.Place = process.ANYWHERE, watch: Watch | None = None
) -> tuple[str, float]:
    """(what wrk printed, s of CPU that it took). A run that `watch` ends, and a fraction of a second, end by
    SIGINT, at which wrk stops as it does at the end of -d."""
    kills = out_of_memory.kills()
    printed = os.memfd_create("wrk")  # in memory: a full disk must not cost a result
    try:
        child = process.start(words, place, stdout=printed, stderr=subprocess.STDOUT)
        try:
            usage = _wait(child, seconds, watch or (lambda elapsed: PATIENCE_S))
        finally:
            process.kill(child)
        os.lseek(printed, 0, os.SEEK_SET)
        with os.fdopen(os.dup(printed)) as stream:
            text = stream.read()
    finally:
        os.close(printed)
    if child.returncode:
        raise wrk_output.Broken(_how_it_failed(child.returncode, text, kills))
    return text, usage.ru_utime + usage.ru_stime


def _how_it_failed(status: int, text: str, kills: int | None) -> str:
    last = " / ".join(line.strip() for line in text.strip().splitlines()[-LINES_SAID:])
    return f"wrk {out_of_memory.ending(status, text, kills)}; it said: {last or 'nothing'}"


def _wait(child: subprocess.Popen, seconds: float, watch: Watch) -> Any:
    """The struct rusage of wrk."""
    begin = time.monotonic()
    interrupt = seconds if seconds % 1 else math.inf
    look = 0.0
    while True:
        elapsed = time.monotonic() - begin
        if elapsed >= interrupt and not process.catches(child, signal.SIGINT):
            interrupt = elapsed + 0.01  # on a busy machine wrk may not have started yet, and would be killed
        elif elapsed >= interrupt:
            process.send(child, signal.SIGINT)
            interrupt = math.inf
        if elapsed > seconds + PATIENCE_S:
            raise wrk_output.Broken(
                f"wrk was still running {PATIENCE_S} s after its {seconds:g} s, and was ended"
            )
        if elapsed >= look:
            again = watch(elapsed)
            look = math.inf if again is None else elapsed + again
            interrupt = elapsed if again is None else interrupt
        usage = process.reap(child, timeout=max(0.0, min(0.05, min(interrupt, look) - elapsed)))
        if usage:
            return usage
