"""Runs wrk, h2load and pace against one server, in random order within blocks: loadtest/generators-compared."""

import json
import math
import random
import re
import resource
import shutil
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

from .. import ROOT, Failure
from ..base import command_line, process
from ..judge import generators_compared
from ..judge.generators_compared import OWN, Figure
from ..plan import matrix, requests, settings
from . import environment, load_program, proxy, wrk
from .subject import Bench, Subject

NGINX = "nginx"
WRK, H2LOAD = "wrk", "h2load"


class Load(NamedTuple):
    """The load that a generator is asked for, in a closed loop."""

    url: str  # with the path
    c: int
    threads: int
    seconds: float


class Generator(NamedTuple):
    name: str
    words: Callable[[str, Load], list]  # of its command, the first of which is its program
    read: Callable[[str], tuple[int, float]]  # (requests, seconds), of what it printed; raises ValueError


def _wrk_words(program: str, load: Load) -> list:
    base, _, path = load.url.partition("/work")
    return wrk.command(load_program.Job(base, "/work" + path, load.c, load.seconds), load.threads)


def _wrk_read(text: str) -> tuple[int, float]:
    numbers = {name: int(number) for name, number in re.findall(r"^(\w+) (\d+)$", text, re.M)}
    errors = sum(count for name, count in numbers.items() if name.startswith("errors_"))
    if errors:
        raise ValueError(f"{errors} errors")
    return numbers["requests"], numbers["duration_us"] / 1e6


def _h2load_words(program: str, load: Load) -> list:
    words = [program, "--h1", "-t", load.threads, "-c", load.c, "-D", math.ceil(load.seconds)]
    return [*words, "--warm-up-time=0", load.url]


def _h2load_read(text: str) -> tuple[int, float]:
    rate = re.search(r"^finished in .*, ([\d.]+) req/s", text, re.M)
    counts = re.search(r"^requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", text, re.M)
    if not rate or not counts:
        raise ValueError("it printed no result")
    done, _, failed, errored = map(int, counts.groups())
    if failed or errored:
        raise ValueError(f"{failed} requests failed, {errored} had errors")
    return done, done / float(rate[1])


def _pace_words(program: str, load: Load) -> list:
    words = [program, "--rate", "max", "-t", load.threads, "-c", load.c, "-d", math.ceil(load.seconds)]
    return [*words, "--warmup", 0, "--json", "-", load.url]


def _pace_read(text: str) -> tuple[int, float]:
    result = json.loads(text)
    if not result["sound"]:
        raise ValueError(result["unsound"][0])
    return result["requests"], result["duration_us"] / 1e6


GENERATORS = (
    Generator(OWN, _pace_words, _pace_read),
    Generator(WRK, _wrk_words, _wrk_read),
    Generator(H2LOAD, _h2load_words, _h2load_read),
)


def find(build: str) -> dict[str, str]:
    """Generator -> program, of those that are there. Raises Failure without pace or wrk."""
    programs = {
        OWN: shutil.which(str(ROOT / build / OWN)),
        WRK: wrk.find(),
        H2LOAD: shutil.which(H2LOAD),
    }
    if not programs[OWN]:
        raise Failure(f"{build}/pace is missing: make BUILD={build} {build}/pace")
    return {name: program for name, program in programs.items() if program}


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(generator: Generator, program: str, load: Load, place: process.Place) -> tuple[float, float]:
    """(requests per second, microseconds of CPU for each). Raises Failure."""
    words: list[Any] = generator.words(program, load)
    before = _children_s()
    done = process.run([str(word) for word in words], place, capture_output=True, text=True)
    used = _children_s() - before
    try:
        count, seconds = generator.read(done.stdout)
        return count / seconds, used * 1e6 / count
    except (ValueError, KeyError, ZeroDivisionError) as error:
        said = (done.stderr or done.stdout).strip().splitlines() or [str(error)]
        raise Failure(f"{generator.name} gave no result that counts ({error}): {said[-1]}") from None


def run(bench: Bench, blocks: int, chance: random.Random, programs: dict[str, str]) -> Iterator[list[Figure]]:
    """The figures of one block after the other: each server is started once in a block for each number of connections,
    and the generators meet it in random order. Raises Failure."""
    chosen = bench.chosen
    targets: list[matrix.Server | None] = list(chosen.servers)
    if proxy_is_there():
        targets.append(None)
    cases = [(target, point) for target in targets for point in chosen.points]
    for block in range(1, blocks + 1):
        yield [
            figure
            for target, point in chance.sample(cases, len(cases))
            for figure in _case(bench, block, target, point, chance, programs)
        ]


def proxy_is_there() -> bool:
    return bool(shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin"))


def _case(
    bench: Bench,
    block: int,
    spec: matrix.Server | None,
    point: matrix.Point,
    chance: random.Random,
    programs: dict[str, str],
) -> list[Figure]:
    chosen, place = bench.chosen, bench.place("wrk")
    parameters = (spec or chosen.servers[0]).parameters(point)
    threads = load_program.threads(point.c, bench.cpus)
    present = [generator for generator in GENERATORS if generator.name in programs]
    figures = []
    with _started(bench, spec, point) as url:
        load = Load(url + requests.work_path(parameters), point.c, threads, chosen.duration)
        if chosen.warmup:
            measure(present[0], programs[present[0].name], load._replace(seconds=chosen.warmup), place)
        for order, generator in enumerate(chance.sample(present, len(present)), 1):
            found = measure(generator, programs[generator.name], load, place)
            name = spec.name if spec else NGINX
            figures.append(Figure(block, order, name, point.c, threads, generator.name, *found))
    return figures


class _started:
    """A context manager: a server, or nginx (None), that is up; its URL."""

    def __init__(self, bench: Bench, spec: matrix.Server | None, point: matrix.Point):
        chosen = bench.chosen
        self.subject = Subject(bench, spec, point) if spec else None
        self.nginx = proxy.FixedResponse(chosen.port + 1, point.m or 0, point.c, bench.place("server"))

    def __enter__(self) -> str:
        if not self.subject:
            self.nginx.start()
            return self.nginx.url
        self.subject.start()
        self.subject.prove()
        return self.subject.url

    def __exit__(self, *_: Any) -> None:
        if self.subject:
            self.subject.stop()
        else:
            self.nginx.stop()


def settings_for(given: dict[str, str | None]) -> settings.Settings:
    """The load test's own settings at n=0. Raises Usage."""
    fixed = {"N": "0", "W": "0", "D": "0", "SYSCALLS": "none", "PROXY": "none"}
    texts = fixed | {name: text for name, text in given.items() if text}
    return settings.load(command_line.flags(texts))


def keep(folder: Path, figures: list[Figure], facts: dict) -> None:
    """Writes generators.csv and environment.json into a new folder."""
    folder.mkdir(parents=True)
    environment.write(folder, facts)
    generators_compared.write(folder / "generators.csv", figures)
