"""Measures pgbench, nginx and the servers in random order within blocks: loadtest/yardstick."""

import random
import re
import resource
from typing import Iterator, NamedTuple

from .. import Failure
from ..base import command_line, process
from ..judge.yardstick import NGINX, PGBENCH, PIPELINED, Figure
from ..plan import matrix, settings
from . import database_url, load_program, measure, proxy, servers, wrk
from .subject import Bench

SELECT = "\\set id random(1, 100000)\nSELECT value FROM world WHERE id = :id;\n"
# Twenty single-row selects, each with a Sync of its own: 20 transactions, as in a server with DB_PIPELINE=1.
PIPELINE = "\\startpipeline\n" + SELECT * 20 + "\\endpipeline\n"
SCRIPTS = {PGBENCH: (1, SELECT), PIPELINED: (20, PIPELINE)}
ATTEMPTS = 4


class Job(NamedTuple):
    """One measurement of a block."""

    what: str
    c: int
    n: int
    m: int
    spec: matrix.Server | None = None


def jobs(chosen: settings.Settings) -> list[Job]:
    """pgbench where there are queries, nginx where there are none, and every server."""
    points = sorted({(point.c, point.n or 0, point.m or 0) for point in chosen.points})
    found = [
        Job(what, chosen.pool, n, 0) for what, (n, _) in SCRIPTS.items() if any(n > 0 for _, n, _ in points)
    ]
    found += [Job(NGINX, c, n, m) for c, n, m in points if n == 0]
    return found + [Job(spec.name, c, n, m, spec) for spec in chosen.servers for c, n, m in points]


def run(bench: Bench, blocks: int, chance: random.Random) -> Iterator[list[Figure]]:
    """The figures of one block after the other. Raises Failure."""
    planned = jobs(bench.chosen)
    for number in range(1, blocks + 1):
        yield [
            Figure(number, job.c, job.what, job.n, job.m, *_measure(bench, job))
            for job in chance.sample(planned, len(planned))
        ]


def _measure(bench: Bench, job: Job) -> tuple[float, float]:
    """Per second, and microseconds of CPU for each."""
    if job.what in SCRIPTS:
        return _pgbench(bench, SCRIPTS[job.what][1])
    point = matrix.Point("none", job.n, job.m, 0, 0, job.c)
    if job.spec is None:
        return _nginx(bench, point)
    return _server(bench, job.spec, point)


def _pgbench(bench: Bench, script: str) -> tuple[float, float]:
    chosen, cpus = bench.chosen, bench.cpus
    assert bench.db is not None
    # The script comes by standard input: pgbench splits a file's name at an @.
    words = ["pgbench", "-n", "-M", "prepared", "-c", chosen.pool, "-j", min(cpus, chosen.pool)]
    words += ["-T", int(chosen.duration), "-f", "-"]
    address, secret = database_url.for_program(bench.db.url)
    before = _children_s()
    try:
        done = process.run(
            [*map(str, words), address],
            bench.place("server"),
            input=script,
            capture_output=True,
            text=True,
            env=process.environment() | secret,
        )
    except FileNotFoundError:
        raise Failure("pgbench is not installed: apt-get install postgresql") from None
    used = _children_s() - before
    rate = re.search(r"^tps = ([\d.]+) \(without initial", done.stdout, re.M)
    count = re.search(r"^number of transactions actually processed: (\d+)", done.stdout, re.M)
    if not rate or not count:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"]
        raise Failure(f"pgbench: {said[-1]}")
    return float(rate[1]), used * 1e6 / int(count[1])


def _children_s() -> float:
    """CPU time of the children that have been waited for: of pgbench, between two calls of ours."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _nginx(bench: Bench, point: matrix.Point) -> tuple[float, float]:
    chosen, place = bench.chosen, bench.place("wrk")
    spec = matrix.Server(NGINX, NGINX)
    front = proxy.FixedResponse(chosen.port + 1, point.m or 0, point.c, bench.place("server"))
    front.start()
    try:
        threads = load_program.threads(point.c, bench.cpus)
        wrk.run(wrk.command(wrk.job(front.url, spec, point, chosen.warmup), threads), chosen.warmup, place)
        before = front.cpu_s() or 0.0
        job = wrk.job(front.url, spec, point, chosen.duration)
        result = wrk.run(wrk.command(job, threads), job.seconds, place)
        used = (front.cpu_s() or 0.0) - before
        return result.requests / (result.duration_us / 1e6), used * 1e6 / result.requests
    finally:
        front.stop()


def _server(bench: Bench, spec: matrix.Server, point: matrix.Point) -> tuple[float, float]:
    """Soundness is judged as in loadtest/run, and nothing unsound is averaged."""
    for _ in range(ATTEMPTS):
        done = measure.run(bench, spec, point)
        if not done.reasons:
            return done.row["rps"], done.row["cpu_user_us_per_req"] + done.row["cpu_sys_us_per_req"]
    raise Failure(f"{spec.name} at {point} was unsound in {ATTEMPTS} runs: {done.reasons[0]}")


def settings_for(given: dict[str, str | None]) -> settings.Settings:
    """The load test's own settings, with every server and its pipeline unless some are named. Raises Usage."""
    fixed = {
        "W": "0",
        "D": "0",
        "SYSCALLS": "none",
        "PROXY": "none",
    }
    texts = fixed | {name: text for name, text in given.items() if text}
    words = command_line.flags(texts)
    chosen = settings.load(words)
    if "SERVERS" in texts:
        return chosen
    return settings.load([*words, "--servers", " ".join(servers.with_variants(chosen))])
