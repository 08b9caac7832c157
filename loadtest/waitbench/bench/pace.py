"""pace, the load generator of this project (loadtest/pace): how it is started and stopped."""

import dataclasses
import shutil
from typing import Any

from .. import ROOT, Failure
from ..base import process
from ..observe import load_result, pace_output
from ..plan import matrix, requests
from . import load_program
from .load_program import Job, Pacing, Watch

RATE_LEAST = 0.1  # requests per second
DRAIN_S = 5.0  # after the window, for what is under way
CONNECT_S = 120.0  # after which pace itself gives up
RESULTS = 0, 3  # statuses with a result: a sound one, and one that is not
# A fifth of the usual SLO: where all share the CPUs, a thread that wakes up waits for others at times.
LATE_MS = 2


def find(build: str) -> str:
    """The program, of the folder of the built ones or else of the system (in the load test's image)."""
    path = shutil.which("pace", path=str(ROOT / build)) or shutil.which("pace")
    if not path:
        raise Failure(
            "pace, the program that makes this load, is not there: `make build/pace`, or say BUILD=DIR where it is"
        )
    return path


def command(job: Job, thread_count: int, build: str) -> list[str]:
    pacing = job.pacing
    assert pacing
    words: list[Any] = [find(build), "--json", "-", "--threads", thread_count]
    words += ["--connections", job.connections, "--duration", job.seconds]
    words += ["--warmup", pacing.warmup, "--drain", pacing.drain]
    # No response is an error because it is slow.
    words += ["--timeout", job.load_s + 60, "--late", LATE_MS]
    if pacing.rate is not None:
        words += ["--rate", pacing.rate, "--arrivals", pacing.arrivals]
    words += ["--requests-per-connection", pacing.requests_per_connection, "--idle", pacing.idle]
    words += ["--crud", " ".join(map(str, job.crud.words))] if job.crud else ["--path", job.path]
    # The seed comes after the one of the mix, and so is that of both.
    return [str(word) for word in [*words, "--seed", pacing.seed, *job.injected, job.url]]


def job(
    url: str,
    server: matrix.Server,
    point: matrix.Point,
    seconds: float,
    pacing: Pacing,
    crud: requests.Crud | None = None,
) -> Job:
    """`crud` is needed at a point of that workload."""
    return Job(
        url,
        requests.path(server, point),
        point.c,
        seconds,
        requests.injected_into_pace(server, point),
        crud,
        pacing,
    )


def drain(parameters: dict[str, int]) -> float:
    """Seconds that a request with these parameters may still take after the window, unless there are too many."""
    waits_ms = parameters.get("n", 0) * parameters.get("d", 0) + parameters.get("t", 0)
    return DRAIN_S + waits_ms / 1000


def run(
    words: list[str], job: Job, place: process.Place = process.ANYWHERE, watch: Watch | None = None
) -> load_result.Result:
    """One run of pace. Raises load_result.Broken."""
    text, cpu_s = output(words, job, place, watch)
    return dataclasses.replace(pace_output.parse(text), cpu_s=cpu_s)


def output(
    words: list[str], job: Job, place: process.Place = process.ANYWHERE, watch: Watch | None = None
) -> tuple[str, float]:
    """As load_program.output."""
    return load_program.output(words, job.load_s + CONNECT_S, place, watch, results=RESULTS)
