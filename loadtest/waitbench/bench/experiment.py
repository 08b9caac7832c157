"""The experiment: every block of the plan, until each is sound or its point is given up."""

import collections
import os
import time
from pathlib import Path
from typing import Any

from .. import Failure
from ..base import process, results
from ..observe import calibration, system_calls
from ..plan import matrix, settings
from ..show import progress
from . import cpu_groups, database, environment, measure, open_loop, pace, placement, servers, wrk
from .subject import Bench

LINES_LOGGED = 10  # of what a server writes in one run
MAY_CHANGE = (
    "OUT SEED DATABASE_URL DB_RESET PORT FIGURES QUIET".split()
)  # settings, when a folder is continued


class Experiment:
    """A new run, or one that its folder OUT already began."""

    def __init__(self, chosen: settings.Settings):
        self.begin = time.monotonic()
        self.given_up: dict[matrix.Point, str] = {}  # point -> reason
        self.load_s = 0.0
        if not chosen.generators:
            nginx = "nginx" in chosen.proxy and not chosen.targets
            environment.raise_file_limit(chosen.connections_most, nginx)
            if chosen.generator == matrix.PACE:
                pace.find(chosen.build)
            else:
                wrk.find()
        for spec in chosen.servers:
            if not spec.url:
                servers.command(spec, chosen)
        self.folder = results.Folder(chosen.out)
        self.facts: dict[str, Any] | None = environment.read(self.folder)
        self.resumed = self.facts is not None
        if self.facts:
            check_same(self.folder, self.facts, chosen)
            chosen = chosen.with_seed(self.facts["settings"]["SEED"])
        self.chosen = chosen
        self.open = open_loop.OpenLoop(self.folder, chosen) if chosen.mode == matrix.OPEN else None
        points = chosen.points + (self.open.searches() if self.open else [])
        self.plan = matrix.plan(points, chosen.servers, chosen.repeats, chosen.seed)
        if self.resumed:  # half a block is not kept
            for block in self._missing():
                self._clear(block, 0, "interrupted: the block was not finished")
        self.progress = self._progress()
        self.results = progress.Results(chosen)

    def run(self) -> None:
        """The blocks that are missing. Raises Failure or interrupt.Interrupted; call finish() in any case."""
        wanted = self._missing()
        self._announce(wanted)
        db = None
        if self.chosen.database_url or not self.chosen.targets:
            db = database.Database(self.chosen.database_url, self.chosen.db_reset == "yes")
        cpus = placement.available()
        groups = cpu_groups.NONE
        try:
            if db:
                db.reset(writes=False)  # what is not possible is said before anything is measured
            groups = cpu_groups.arrange(self.chosen, db)
            bench = self._prepare(db, cpus, groups)
            if self.open:
                self._measure_rates(bench, self.open)
            for block in wanted:
                self._block(bench, block)
        finally:
            self.progress.clear()
            os.sched_setaffinity(0, cpus)
            process.kill_all()
            self._leave(db, groups)

    def finish(self) -> None:
        """Completes environment.json. Raises Failure."""
        assert self.facts is not None
        wall = time.monotonic() - self.begin
        warnings = self._speed_warnings()
        for warning in warnings:
            self.folder.log(f"warning: {warning}")
        self.facts["outcome"] = {
            "finished_at": results.now().isoformat(timespec="seconds"),
            "blocks_missing": [block.number for block in self._missing()],
            "unsound_points": [point._asdict() | {"reason": why} for point, why in self.given_up.items()],
            "wall_s": round(wall, 1),
            "load_share": round(self.load_s / wall, 3),
            "warnings": warnings,
        }
        environment.write(self.folder.path, self.facts)
        self.folder.log(
            f"{self.load_s / wall:.0%} of {progress.duration(wall)} was load, measured or warming up;"
            f" the rest: starting and stopping the database, starting, proving and stopping servers"
        )
        for point, why in self.given_up.items():
            self.folder.log(f"given up as unsound: {point} ({why})")

    def _speed_warnings(self) -> list[str]:
        """That the machine's speed moved in the course of the experiment."""
        works = {"cpu_work_ms": "one CPU's work", "hand_offs_ms": "hand-offs between processes"}
        rows, found = self.folder.detail.rows(), []
        for column, work in works.items():
            moved = calibration.moved([float(row[column]) for row in rows if row[column]])
            if moved and moved > calibration.MOVED:
                found.append(
                    f"the machine's speed moved by {moved:.0%} in the course of the run (the same {work}, timed before"
                    " every run): ratios to the baseline hold, absolute figures are an average over it"
                )
        return found

    def _prepare(self, db: database.Database | None, cpus: list[int], groups: cpu_groups.Groups) -> Bench:
        """Divides the CPUs, waits for servers that run elsewhere, and writes environment.json."""
        chosen = self.chosen
        places = placement.divide(cpus) if chosen.pin == "auto" and not chosen.targets else {}
        if places and db:
            os.sched_setaffinity(0, places["database"])  # the load test itself stays out of wrk's way
            if not db.place(places["database"]):
                self._say("the database cannot be placed from here: it runs on whatever CPUs it has")
        bench = Bench(chosen, db, places, len(cpus), groups)
        targets = servers.await_targets(chosen)
        known = placement.elsewhere(cpus, wrk_here=not chosen.generators) if chosen.targets else places
        facts = environment.describe(chosen, db, known, cpus, targets, groups)
        facts["hosts"] = bench.hosts(targets)
        if self.facts is None:
            self.facts = facts
        elif any(
            facts[name] != self.facts.get(name) for name in ("targets", "ran", "placement", "cpu_groups")
        ):
            raise Failure(
                f"{self.folder.path} was begun with other servers than those that run now, on other CPUs or in other CPU groups:"
                " choose another OUT"
            )
        self._say(facts["placement_says"])
        self._say(facts["cpu_groups_says"])
        for warning in facts["warnings"]:
            self._say(f"warning: {warning}")
        environment.write(self.folder.path, self.facts)
        return bench

    def _leave(self, db: database.Database | None, groups: cpu_groups.Groups) -> None:
        try:
            if db and (trouble := db.restore()):
                self._say(f"warning: {trouble}")
        finally:
            if db:
                db.close()
            groups.remove()

    def _block(self, bench: Bench, block: matrix.Block) -> None:
        if block.point in self.given_up:
            self.progress.more(-len(block.servers))
            return
        for attempt in range(1, self.chosen.retries + 2):
            reasons = self._attempt(bench, block, attempt)
            if not reasons:
                return
            self._clear(block, attempt, "; ".join(reasons))
            self.progress.more(len(block.servers) if attempt <= self.chosen.retries else 0)
        self.given_up[block.point] = reasons[0]
        self._say(
            f"{block.point} is given up: unsound {attempt} times, last because of {reasons[0]}", error=True
        )

    def _attempt(self, bench: Bench, block: matrix.Block, attempt: int) -> list[str]:
        """Runs a block once; the reasons for which it is unsound."""
        bench.block, searches = block.number, self._searches(block)
        first_of_point = block == next(other for other in self.plan if other.point == block.point)
        self.results.begin(block)
        for order, spec in enumerate(block.servers, 1):
            self.progress.running(block, f"capacity of {spec.name}" if searches else spec.name, attempt)
            if searches:
                run = searches.search(bench, spec, block)
            else:
                run = measure.run(bench, spec, block.point, count_syscalls=first_of_point)
            key = {"block": block.number, "order": order, "server": spec.name}
            run.detail |= key | {"attempt": attempt}
            self.load_s += run.detail["load_s"]
            self.progress.finished(self.results.words(spec.name, {} if run.reasons else run.row))
            for line in run.output[:LINES_LOGGED]:
                self.folder.log(f"block {block.number}.{order} {spec.name} said: {line}")
            if run.reasons:
                self._discard(run, block, key, attempt)
                self.progress.more(order - len(block.servers))
                return [f"{spec.name}: {reason}" for reason in run.reasons]
            run.row |= key
            self.folder.log(
                f"block {block.number}.{order} {spec.name} at {block.point}: {self._keep(run, searches)}"
            )
            if run.syscalls:
                self.folder.syscalls.append(run.syscalls)
            elif first_of_point and bench.tracer and not searches:
                self.folder.log(f"{bench.tracer} counted no system calls of {spec.name}")
        return []

    def _searches(self, block: matrix.Block) -> open_loop.OpenLoop | None:
        """The search for capacities in that block; None where its servers are run."""
        return self.open if block.point.load is None else None

    def _keep(self, run: measure.Run, searches: open_loop.OpenLoop | None) -> str:
        """Writes the rows. Returns the finding, for the log."""
        if searches:
            return searches.keep(run)
        self.folder.keep(run)
        return f"{run.row['rps']:.1f} requests per second"

    def _clear(self, block: matrix.Block, attempt: int, reason: str) -> None:
        self.folder.discard(block.number, attempt, reason)
        if searches := self._searches(block):
            searches.discard(block.number)

    def _measure_rates(self, bench: Bench, loop: open_loop.OpenLoop) -> None:
        """The closed-loop runs from which the rates follow."""
        for run, configuration, lost in loop.measure_rates(bench, self._say):
            self.load_s += run.detail["load_s"]
            if lost:
                self.given_up |= {
                    block.point: f"its closed-loop rate: {lost}"
                    for block in self.plan
                    if block.point.configuration == configuration
                }

    def _discard(self, run: measure.Run, block: matrix.Block, key: dict, attempt: int) -> None:
        why = "; ".join(run.reasons)
        self._say(f"block {block.number}, {key['server']} at {block.point}: unsound: {why}")
        # A search has no load, which a row of an open loop must have.
        how = {
            "mode": None if self._searches(block) else self.chosen.mode,
            "generator": self.chosen.generator,
        }
        row = block.point._asdict() | how | run.row | key
        self.folder.unsound.append(row | {"attempt": attempt, "reason": why})

    def _missing(self) -> list[matrix.Block]:
        """The blocks of which not every server has its row."""
        found = self.folder.runs.rows() + (self.open.rows() if self.open else [])
        rows = collections.Counter(int(row["block"]) for row in found)
        return [block for block in self.plan if rows[block.number] < len(block.servers)]

    def _progress(self) -> progress.Progress:
        chosen = self.chosen
        runs = sum(len(block.servers) for block in self._missing())
        passes = len(chosen.points) * len(chosen.servers) if chosen.syscalls == "auto" else 0
        each = chosen.duration + chosen.warmup
        extra = passes * 2 * system_calls.WINDOW_S + self._of_open_s(each)
        return progress.Progress(runs, each, extra, quiet=chosen.quiet == "1")

    def _of_open_s(self, each: float) -> float:
        """Seconds of what an open loop takes beside its runs, about."""
        if not self.open:
            return 0.0
        searches = sum(len(block.servers) for block in self._missing() if self._searches(block))
        return searches * self.open.search_s() + len(self.open.missing()) * (each + progress.OVERHEAD_S)

    def _announce(self, wanted: list[matrix.Block]) -> None:
        chosen = self.chosen
        names = " ".join(spec.name for spec in chosen.servers)
        runs = sum(len(block.servers) for block in wanted)
        self._say(
            f"{progress.count(runs, 'run')} of {chosen.duration:g} s after {chosen.warmup:g} s of warm-up:"
            f" {names} at {progress.count(len(chosen.points), 'point')},"
            f" {progress.count(chosen.repeats, 'block')} each, in about"
            f" {progress.duration(self.progress.estimate())} (seed {chosen.seed})"
        )
        if self.resumed:
            self._say(f"{len(self.plan) - len(wanted)} of {len(self.plan)} blocks were there already")
        self.folder.log(f"results: {self.folder.path}")

    def _say(self, words: str, error: bool = False) -> None:
        self.folder.log(words)
        self.progress.say(words, error)


def check_same(folder: results.Folder, facts: dict, chosen: settings.Settings) -> None:
    """Raises Failure unless the folder was begun with these settings and programs."""
    then, now = facts["settings"], environment.recorded(chosen)
    for name, text in now.items():
        if name not in MAY_CHANGE and then.get(name) != text:
            raise Failure(f"{folder.path} was begun with {name}={then.get(name)}: choose another OUT")
    programs = environment.versions(chosen), servers.tuning()
    if programs != (facts["versions"], facts["server_environment"]):
        raise Failure(
            f"{folder.path} was begun with other versions of the programs, or other variables for"
            " the servers: choose another OUT"
        )


def run(chosen: settings.Settings) -> Path:
    """The whole experiment; the folder of its results."""
    experiment = Experiment(chosen)
    try:
        experiment.run()
    finally:
        if experiment.facts:
            experiment.finish()
    return experiment.folder.path
