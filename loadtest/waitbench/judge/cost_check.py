"""The cost model against what was measured afterwards."""

import dataclasses
import statistics
from typing import Iterator

from . import cost_data
from .cost_data import SERVER, Data
from .cost_model import Figure, Model
from .cost_terms import Configuration

SHARE = 0.80  # of the values that are to lie in their intervals, at least
ERROR = 0.15  # in the median, of the server's CPU per request, at most


@dataclasses.dataclass(frozen=True)
class Line:
    asked: Configuration
    server: str
    measure: str
    estimate: Figure
    measured: float

    @property
    def inside(self) -> bool:
        return self.estimate.holds(self.measured)

    @property
    def error(self) -> float:
        return abs(self.estimate.value / self.measured - 1)


@dataclasses.dataclass(frozen=True)
class Check:
    lines: list[Line]
    known: list[Configuration]  # the fit used them: they prove nothing
    outside: list[Configuration]  # beyond what was measured: there is no estimate

    @property
    def inside(self) -> int:
        return sum(line.inside for line in self.lines)

    @property
    def error(self) -> float:
        """In the median, of the server's CPU per request."""
        return statistics.median(line.error for line in self.lines if line.measure == SERVER)

    @property
    def holds(self) -> bool:
        return bool(self.lines) and self.inside >= SHARE * len(self.lines) and self.error < ERROR


def check(model: Model, data: Data) -> Check:
    """Of the configurations that the fit did not use; there may be none."""
    every = list(dict.fromkeys(each.asked for found in data.servers.values() for each in found[SERVER]))
    known = [asked for asked in every if asked in model.configurations]
    new = {asked: list(_lines(model, data, asked)) for asked in every if asked not in known}
    outside = [asked for asked, lines in new.items() if not any(line.measure == SERVER for line in lines)]
    return Check([line for asked in new if asked not in outside for line in new[asked]], known, outside)


def _lines(model: Model, data: Data, asked: Configuration) -> Iterator[Line]:
    for name in model.servers:
        figures = model.estimate(name, asked).figures
        for measure in cost_data.MEASURES:
            for measured in data.servers.get(name, {}).get(measure, ()):
                if measured.asked == asked and measure in figures:
                    yield Line(asked, name, measure, figures[measure], measured.row.value)
