"""The parts of an experiment with MODE=open beside its runs: closed-loop runs before the first block, from which its
rates follow, and searches for capacities, in blocks among the others."""

import random
from typing import Callable, Iterator

from ..base import results
from ..judge import capacities, capacity, rates
from ..plan import matrix, settings
from . import capacity as capacity_search
from . import measure
from .subject import Bench

STEPS = 8  # of a search, about


class OpenLoop:
    def __init__(self, folder: results.Folder, chosen: settings.Settings):
        self.folder, self.chosen = folder, chosen
        self.names = [spec.name for spec in chosen.servers]
        self.of_rates = results.Table(folder.path / rates.FILE, results.RATES)
        self.capacities = results.Table(folder.path / capacities.FILE, results.CAPACITY)
        self.steps = results.Table(folder.path / capacities.STEPS_FILE, results.CAPACITY_STEPS)
        self.rates = rates.Rates(self.of_rates.rows())

    @property
    def configurations(self) -> list[matrix.Point]:
        return list(dict.fromkeys(point.configuration for point in self.chosen.points))

    def searches(self) -> list[matrix.Point]:
        """The points of the blocks that search."""
        return self.configurations if self.chosen.slo else []

    def search_s(self) -> float:
        """Seconds of load in a search, about, beyond those of a run."""
        of_step = capacity.seconds(1e9, self.chosen.duration) + capacity_search.STEP_WARMUP_S
        return STEPS * of_step - self.chosen.duration

    # Reference rates.

    def missing(self) -> list[rates.Run]:
        """The closed-loop runs that are to be made, in random order."""
        missing = self.rates.missing(self.configurations, self.names)
        return random.Random(self.chosen.seed).sample(missing, len(missing))

    def measure_rates(
        self, bench: Bench, say: Callable[[str], None]
    ) -> Iterator[tuple[measure.Run, matrix.Point, str | None]]:
        """Each run, its configuration, and why that is given up (None: it is not)."""
        specs = {spec.name: spec for spec in self.chosen.servers}
        lost: set[matrix.Point] = set()
        for wanted in self.missing():
            for attempt in range(self.chosen.retries + 1):
                if wanted.point in lost:
                    break
                run = measure.run(bench, specs[wanted.server], wanted.point)
                why = "; ".join(run.reasons)
                if why:
                    say(f"closed loop of {wanted.server} at {wanted.point}: unsound: {why}")
                    if attempt == self.chosen.retries:
                        lost.add(wanted.point)
                else:
                    self._keep_rate(wanted, run)
                yield run, wanted.point, why if wanted.point in lost else None
                if not why:
                    break
        bench.references |= {
            point: self.rates.reference(point) for point in self.configurations if point not in lost
        }

    def _keep_rate(self, wanted: rates.Run, run: measure.Run) -> None:
        rps = run.row["rps"]
        self.rates.add(wanted, rps)
        self.of_rates.append(rates.row(wanted, rps))
        flags = f" ({run.row['flags']})" if run.row["flags"] else ""
        self.folder.log(
            f"closed loop of {wanted.server} at {wanted.point}, {wanted.number} of {rates.TRIES}: {rps:.1f} requests per"
            f" second{flags}"
        )

    # Searches.

    def search(self, bench: Bench, spec: matrix.Server, block: matrix.Block) -> measure.Run:
        """One server's in a block. Its rows are in `row`: of capacity.csv, and `steps` of capacity_steps.csv."""
        closed = self.rates.closed(block.point, spec.name)
        search = capacity.Search(closed, capacity.shift(self.chosen.seed, block.number, spec.name))
        run = capacity_search.run(bench, spec, block.point, search)
        if not run.reasons:
            found = search.found
            of_point = block.point._asdict()
            run.row = of_point | {
                "slo_ms": self.chosen.slo,
                "capacity_rps": found.rps,
                "steps": found.steps,
                "bound": found.bound,
                "tried": [of_point | _row(number, step) for number, step in enumerate(search.steps, 1)],
            }
        return run

    def keep(self, run: measure.Run) -> str:
        """Writes the rows of a search. Returns its finding, for the log."""
        key = {name: run.row[name] for name in results.KEY}
        for step in run.row["tried"]:
            self.steps.append(key | step)
        self.capacities.append(run.row)
        rps, bound = run.row["capacity_rps"], run.row["bound"]
        found = "no capacity" if rps is None else f"a capacity of {rps:.1f} requests per second"
        return f"{found} in {run.row['steps']} steps" + (f" ({capacities.MEANING[bound]})" if bound else "")

    def rows(self) -> list[dict[str, str]]:
        return self.capacities.rows()

    def discard(self, block: int) -> None:
        for table in (self.capacities, self.steps):
            table.remove_block(block)


def _row(number: int, step: capacity.Step) -> dict:
    """Of capacity_steps.csv."""
    return {
        "step": number,
        "offered_rps": step.rate,
        "achieved_rps": step.achieved,
        "p99_us": step.p99_us,
        "met": "yes" if step.met else "no",
        "note": "; ".join(filter(None, (step.why, step.note))),
    }
