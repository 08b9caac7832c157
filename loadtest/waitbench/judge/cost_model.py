"""Estimates of servers at a configuration that nobody measured: a cost model, fitted to the runs of results folders.

Of each server it knows what a request costs (cost_fit.py: CPU of server, database, generator and the whole machine;
memory), and how many requests per second follow from that (cost_queue.py). Each estimate has an interval that is to hold
95% of what is measured afterwards, as far as the configurations left out of the fit can tell. Between what was measured
it interpolates; outside it says nothing.
"""

import dataclasses
import math
import statistics
from typing import NamedTuple, Sequence

from . import cost_data, cost_fit, cost_queue, cost_terms
from .cost_data import BUSY, DATABASE, GENERATOR, MEASURES, MEMORY, RATE, SERVER, Measured, Quantities
from .cost_fit import Costs, Spread
from .cost_queue import Waits
from .cost_terms import Configuration, Span

COMPARED = RATE, SERVER  # of which there is a ratio to the baseline
OF_REQUEST = "bare_few bare_many bare_bytes request_few request_many bytes read read_waiting update delayed idle".split()
TERMS = {
    SERVER: OF_REQUEST,
    DATABASE: OF_REQUEST[3:],
    GENERATOR: [*OF_REQUEST, "gap"],
    MEMORY: ["process", "connection"],
    BUSY: [*OF_REQUEST, "gap"],
}
AXES = Configuration._fields
NEEDS: dict[str, tuple[str, ...]] = {
    MEMORY: ("c",)
}  # the axes that a measure depends on, where these are not all


class Figure(NamedTuple):
    value: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


class Estimate(NamedTuple):
    """Of one server: what can be said."""

    figures: dict[str, Figure]  # by measure
    ratios: dict[str, Figure]  # to the baseline, of COMPARED; none of the baseline itself
    latency: Figure | None  # us in the mean, by Little's law
    bound: str | None  # of throughput, as in cost_queue
    generator_bound: Configuration | None  # the nearest that was measured, where the generator was the bottleneck


@dataclasses.dataclass(frozen=True)
class Server:
    costs: dict[str, Costs]  # measure or BUSY -> what a request costs
    spreads: dict[str, Spread]  # measure -> how far estimates are from what was measured
    ratios: dict[str, Spread]  # the same of the ratio to the baseline
    waits: Waits
    cpus: float  # that requests use at most: the rest of them idles even where nothing waits
    measured: list[Measured]  # throughput
    axes: dict[str, list[int]]  # axis -> values that were measured

    def outside(self, asked: Configuration, measure: str) -> list[str]:
        """The axes on which nothing was measured so far out."""
        needed = NEEDS.get(measure, AXES)
        return [
            axis for axis in needed if not self.axes[axis][0] <= getattr(asked, axis) <= self.axes[axis][-1]
        ]


@dataclasses.dataclass(frozen=True)
class Model:
    folders: list[str]
    servers: dict[str, Server]  # the baseline first
    span: Span
    runs: tuple[int, int]  # fewest and most of a server at a configuration
    notes: list[str]  # sentences: what of the folders is not used

    @property
    def baseline(self) -> str:
        return next(iter(self.servers))

    @property
    def configurations(self) -> set[Configuration]:
        return {each.asked for server in self.servers.values() for each in server.measured}

    def estimate(self, name: str, asked: Configuration) -> Estimate:
        """Of the measures that the model knows at that configuration."""
        server, base = self.servers[name], self.servers[self.baseline]
        known = [measure for measure in server.spreads if not server.outside(asked, measure)]
        values = {each: self.value(server, each, asked) for each in known}
        doubts = {each: self.doubt(server, each, asked) for each in known}
        figures = {each: _figure(values[each], server.spreads[each], doubts[each]) for each in known}
        ratios = {
            each: _figure(
                values[each] / self.value(base, each, asked),
                spread,
                (doubts[each] + self.doubt(base, each, asked)) / 2,
            )
            for each, spread in server.ratios.items()
            if each in known
        }
        rate = figures.get(RATE)
        latency = rate and Figure(*(asked.c * 1e6 / each for each in (rate.value, rate.high, rate.low)))
        bound = None
        if rate:
            bound = cost_queue.bound(
                asked, server.costs[BUSY].value(self.has(asked)), server.waits, server.cpus
            )
        return Estimate(figures, ratios, latency, bound, self._generator_bound(server, asked))

    def has(self, asked: Configuration) -> dict[str, float]:
        return cost_terms.of(asked, self.span)

    def value(self, server: Server, measure: str, asked: Configuration) -> float:
        if measure != RATE:
            return server.costs[measure].value(self.has(asked))
        busy = server.costs[BUSY].value(self.has(asked))
        return cost_queue.throughput(asked, busy, server.waits, server.cpus)

    def doubt(self, server: Server, measure: str, asked: Configuration) -> float:
        return server.costs[BUSY if measure == RATE else measure].doubt(self.has(asked))

    def _generator_bound(self, server: Server, asked: Configuration) -> Configuration | None:
        nearest = min(server.measured, key=lambda each: _distance(each.asked, asked))
        return nearest.asked if nearest.generator_bound else None


def _distance(a: Configuration, b: Configuration) -> float:
    return math.fsum(abs(math.log((1 + x) / (1 + y))) for x, y in zip(a, b))


def _figure(middle: float, spread: Spread, doubt: float) -> Figure:
    factor = math.exp(spread.reach(doubt))
    return Figure(middle, middle / factor, middle * factor)


def fit(data: cost_data.Data) -> Model:
    """Raises Failure where the runs are too few."""
    found, notes = cost_data.enough(data)
    every = [each for quantities in found.values() for each in quantities[SERVER]]
    connections = [each.asked.c for each in every]
    span = Span(min(connections), max(connections))
    servers: dict[str, Server] = {}
    for name, quantities in found.items():
        servers[name] = _server(
            quantities, span, data.cpus, next(iter(found.values())), next(iter(servers.values()), None)
        )
    counts = [len(each.runs) for each in every]
    return Model(data.folders, servers, span, (min(counts), max(counts)), data.notes + notes)


def _server(found: Quantities, span: Span, cpus: float, base: Quantities, first: Server | None) -> Server:
    """first: the baseline's, None where this is the baseline."""
    costs, left = {}, {}
    for measure, terms in TERMS.items():
        if measure in found:
            rows = [each.row for each in found[measure]]
            costs[measure] = cost_fit.costs(rows, terms, span)
            left[measure] = cost_fit.left_out(rows, terms, span)
    used = cpus * (1 - _idle(found, cpus))
    waits, left[RATE] = _rates(found, left[BUSY], used)
    spreads = {}
    for measure in MEASURES:
        if measure in found:
            errors = [math.log(each / m.row.value) for (each, _), m in zip(left[measure], found[measure])]
            doubts = [doubt for _, doubt in left[measure]]
            terms = costs[BUSY if measure == RATE else measure].terms
            spreads[measure] = cost_fit.spread(errors, doubts, cost_data.drift(found[measure]), len(terms))
    ratios = {m: _of_ratio(m, found, base, spreads[m], first.spreads[m]) for m in COMPARED} if first else {}
    axes = {axis: sorted({getattr(each.asked, axis) for each in found[RATE]}) for axis in AXES}
    return Server(costs, spreads, ratios, waits, used, found[RATE], axes)


def _of_ratio(measure: str, found: Quantities, base: Quantities, own: Spread, other: Spread) -> Spread:
    """Of what both servers left out: errors that they share cancel."""
    places = {each.asked: place for place, each in enumerate(base[measure])}
    pairs = [(i, places[each.asked]) for i, each in enumerate(found[measure]) if each.asked in places]
    errors = [own.errors[i] - other.errors[j] for i, j in pairs]
    doubts = [(own.doubts[i] + other.doubts[j]) / 2 for i, j in pairs]
    spread = cost_fit.spread(errors, doubts, cost_data.drift(found[measure], base[measure]), 0)
    return dataclasses.replace(spread, freedom=min(own.freedom, other.freedom))


def _idle(found: Quantities, cpus: float) -> float:
    """Share of the CPUs that is idle where no request waits for anything but CPUs and database connections."""
    shares = [
        1 - busy.row.value * rate.row.value / cpus / 1e6
        for busy, rate in zip(found[BUSY], found[RATE])
        if not (rate.asked.d or rate.asked.w or rate.asked.t)
    ]
    return max(0.0, statistics.median(shares)) if shares else 0.0


def _rates(
    found: Quantities, busy: Sequence[tuple[float, float]], cpus: float
) -> tuple[Waits, list[tuple[float, float]]]:
    """(waits, (throughput, doubt) of each configuration by a model that does not know it)"""
    rows = [each.row for each in found[RATE]]
    costs = [each.row.value for each in found[BUSY]]
    every = cost_queue.waits(rows, costs, cpus)
    left = []
    for row, (cost, doubt) in zip(rows, busy):
        others = [(other, known) for other, known in zip(rows, costs) if other.asked != row.asked]
        waits = every
        if row.asked.d or row.asked.w:
            waits = cost_queue.waits([other for other, _ in others], [known for _, known in others], cpus)
        left.append((cost_queue.throughput(row.asked, cost, waits, cpus), doubt))
    return every, left
