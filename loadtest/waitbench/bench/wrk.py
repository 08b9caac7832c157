"""wrk: how it is started and stopped."""

import dataclasses
import math
import shutil
from typing import Any

from .. import ROOT, Failure
from ..base import process
from ..observe import load_result, wrk_output
from ..plan import matrix, requests
from . import load_program
from .load_program import Job, Watch

SCRIPT, CRUD_SCRIPT = (ROOT / "loadtest" / name for name in ("wrk.lua", "crud.lua"))


def find() -> str:
    path = shutil.which("wrk")
    if not path:
        raise Failure("wrk is not installed: apt-get install wrk")
    return path


def version() -> str:
    done = process.run([find(), "-v"], capture_output=True, text=True)
    return (done.stdout or done.stderr).partition("\n")[0]


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
    return Job(url, requests.path(server, point), point.c, seconds, requests.injected(server, point), crud)


def run(
    words: list[str], seconds: float, place: process.Place = process.ANYWHERE, watch: Watch | None = None
) -> load_result.Result:
    """One run of wrk. Raises load_result.Broken."""
    text, cpu_s = output(words, seconds, place, watch)
    return dataclasses.replace(wrk_output.parse(text), cpu_s=cpu_s)


def output(
    words: list[str], seconds: float, place: process.Place = process.ANYWHERE, watch: Watch | None = None
) -> tuple[str, float]:
    """As load_program.output. wrk knows whole seconds, so that a fraction of one ends by SIGINT."""
    return load_program.output(words, seconds, place, watch, seconds if seconds % 1 else math.inf)
