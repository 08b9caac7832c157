"""Runs servers whose requests wait, at so many connections that they are idle, busy and beyond: loadtest/saturation."""

import dataclasses
import random
from typing import Callable, Iterator, NamedTuple, Sequence

from ..judge.saturation import KNEE, WAITING, Figure, predicted
from ..plan import matrix, settings
from . import cpu_groups, database, measure
from .subject import Bench

# Of the number of connections that the formula gives for the light load. CPU per request is up to twice as much there as
# at the best throughput, so that the knee is expected above 1.
AROUND = (0.6, 0.85, 1.2, 1.7, 2.4, 3.4)
LIGHT_PER_MS = 4  # connections for each ms of waiting: at most so many thousand requests a second
ATTEMPTS = 3
# Connecting takes a while, in which there is less load than later: a run is longer by a second for so many connections. A
# thread that accepts, beside thousands that are ready on the same CPU, accepted 1,200 a second.
CONNECTIONS_PER_S = 1000


class Plan(NamedTuple):
    waits: Sequence[int]  # t, for the knee
    t: int  # for the many waiting requests
    connections: Sequence[int]
    most: int  # connections
    blocks: int
    seconds: float  # of a run, at least


class Runner:
    """Runs the plan; `say` is told of each step."""

    def __init__(
        self,
        chosen: settings.Settings,
        db: database.Database,
        groups: cpu_groups.Groups,
        cpus: Sequence[int],
        plan: Plan,
        say: Callable[[str], None],
    ):
        self.chosen, self.db, self.groups = chosen, db, groups
        self.cpus, self.plan, self.say = cpus, plan, say
        self.chance = random.Random(chosen.seed)
        self.grids: dict[tuple[str, int], list[int]] = {}
        self.unsound: list[str] = []  # what was left out, and why

    def run(self) -> Iterator[Figure]:
        """One figure after the other."""
        for block in range(1, self.plan.blocks + 1):
            jobs = [(spec, t) for spec in self.chosen.servers for t in self.plan.waits]
            for spec, t in self.chance.sample(jobs, len(jobs)):
                self.say(f"block {block} of {self.plan.blocks}: the knee of {spec.name} at t={t}")
                yield from self._knee(block, spec, t)
            for c in self.chance.sample(list(self.plan.connections), len(self.plan.connections)):
                self.say(f"block {block} of {self.plan.blocks}: {c} waiting requests")
                for spec in self.chance.sample(self.chosen.servers, len(self.chosen.servers)):
                    yield from self._measure(WAITING, block, spec, self.plan.t, c)

    def _knee(self, block: int, spec: matrix.Server, t: int) -> Iterator[Figure]:
        for light in self._measure(KNEE, block, spec, t, min(self.plan.most, LIGHT_PER_MS * t)):
            yield light
            # The same connections in each block.
            grid = self.grids.setdefault((spec.name, t), self._grid(light))
            for c in self.chance.sample(grid, len(grid)):
                yield from self._measure(KNEE, block, spec, t, c)

    def _grid(self, light: Figure) -> list[int]:
        number = predicted(light.cpu_us, light.mean_us - light.cpu_us)
        return sorted({min(self.plan.most, max(light.c + 1, round(number * part))) for part in AROUND})

    def _measure(self, part: str, block: int, spec: matrix.Server, t: int, c: int) -> Iterator[Figure]:
        """One figure. Soundness is judged as in loadtest/run; nothing unsound is averaged, and what stays unsound is
        left out."""
        point = matrix.Point("none", 0, 64, 0, 0, c, t=t)
        bench = self._bench(part, self.plan.seconds + c / CONNECTIONS_PER_S)
        for _ in range(ATTEMPTS):
            done = measure.run(bench, spec, point)
            if not done.reasons:
                row = done.row
                cpu_us = row["cpu_user_us_per_req"] + row["cpu_sys_us_per_req"]
                names = "mean_us p99_us rss_kib kernel_kib threads flags".split()
                yield Figure(block, part, spec.name, t, c, row["rps"], cpu_us, *(row[name] for name in names))
                return
        self.unsound.append(f"block {block}: {spec.name} at {point}: {done.reasons[0]}")
        self.say(f"left out, unsound {ATTEMPTS} times: {self.unsound[-1]}")

    def _bench(self, part: str, seconds: float) -> Bench:
        """For the knee the server has the first CPU for itself, and wrk the others."""
        values = self.chosen.values | {"DURATION": seconds}
        chosen = dataclasses.replace(self.chosen, values=values)
        if part == WAITING:
            return Bench(chosen, self.db, {}, len(self.cpus), self.groups)
        places = {"server": {self.cpus[0]}, "wrk": set(self.cpus[1:])}
        return Bench(chosen, self.db, places, len(self.cpus) - 1, self.groups)
