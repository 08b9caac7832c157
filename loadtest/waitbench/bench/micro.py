"""Runs the programs of micro/: each several times, in random order, so that drift hits all alike."""

import os
import random
import subprocess
from pathlib import Path
from typing import Any, Iterator, NamedTuple

from .. import ROOT, Failure
from ..base import process
from ..judge import micro, reference
from . import environment

TIMEOUT_S = 300
PLACED = (
    "call",
    "switch_coroutine",
    "switch_thread",
    "switch_callback",
    "step_machine",
    "brigade",
    "create",
    "await",
)
MODELS = "thread", "coroutine", "callback"
MOST_EVERY = 5  # repetitions: how many tasks there can be hardly varies, and takes seconds to find out
DEPTHS = "0", "4096", "32768"  # bytes of the call that each task makes once
ONCE: tuple[tuple[str, ...], ...] = (
    ("channel",),
    ("handoff",),
    ("await", "frame"),
    ("create", "--not-pinned", "many"),
)


class Plan(NamedTuple):
    repeats: int
    quick: bool
    seed: int

    def jobs(self, repetition: int) -> list[tuple[str, ...]]:
        """The jobs of that repetition, counted from 1: a program and its words each."""
        placed = [(name, option) for name in PLACED for option in ("--pinned", "--not-pinned")]
        memory = [("memory", model, depth) for model in MODELS for depth in DEPTHS]
        if repetition % MOST_EVERY == 1:
            memory += [("memory", model, "most") for model in MODELS]
        jobs: list[tuple[str, ...]] = [*placed, *ONCE, *memory]
        return [(name, "--quick", *words) for name, *words in jobs] if self.quick else jobs

    @property
    def total(self) -> int:
        return sum(len(self.jobs(repetition)) for repetition in range(1, self.repeats + 1))


def folder_of_programs() -> Path:
    return ROOT / (os.environ.get("BUILD") or "build") / "micro"


def run(plan: Plan) -> Iterator[list[micro.Measured]]:
    """The figures of each job, as each ends. Raises Failure."""
    chance = random.Random(plan.seed)
    for repetition in range(1, plan.repeats + 1):
        jobs = plan.jobs(repetition)
        chance.shuffle(jobs)
        for job in jobs:
            yield micro.parsed(_printed(job), repetition)


def _printed(job: tuple[str, ...]) -> str:
    program = folder_of_programs() / job[0]
    try:
        child = process.start([str(program), *job[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise Failure(f"{program} is not there: make micro builds it") from None
    except OSError as error:
        raise Failure(f"cannot run {program}: {error.strerror}") from None
    try:
        printed, said = (text.decode() for text in child.communicate(timeout=TIMEOUT_S))
    except subprocess.TimeoutExpired:
        raise Failure(f"{' '.join(job)} has not ended after {TIMEOUT_S} s") from None
    if child.returncode:
        raise Failure(f"{' '.join(job)} has failed: {said.strip() or f'exit status {child.returncode}'}")
    return printed


def describe(plan: Plan) -> dict[str, Any]:
    """The contents of environment.json."""
    facts = environment.of_machine()
    busy = reference.busy(facts["machine"])
    compilers = {name: environment.of_compiler(name) for name in ("cc", "g++")}
    return facts | {
        "versions": environment.of_libraries() | compilers,
        "settings": {
            "REPEATS": str(plan.repeats),
            "QUICK": "yes" if plan.quick else "no",
            "SEED": str(plan.seed),
        },
        "warnings": [f"{busy}: this run is no reference"] if busy else [],
    }
