"""The load of one run: what one wrk did, or what several on as many hosts did, as one.

Sums are added, and so are histograms, each after its own correction was undone, since the correction
depends on the requests and connections of that one wrk. A percentile is read off the sum; percentiles are
never averaged. The window is the mean of the generators' windows, each weighted by its connections: then
requests / window is the rate, and Little's law is that of all connections together, even where the
windows differ a little.
"""

import dataclasses
from functools import cached_property

from ..observe import hosts, wrk_output
from . import histogram, soundness


@dataclasses.dataclass(frozen=True)
class Part:
    """What one wrk did."""

    generator: str  # http://host:port, or empty for our own wrk
    host: hosts.Host
    connections: int
    threads: int  # of wrk
    result: wrk_output.Result
    started: float  # s, on our own clock
    steal_share: float | None = None  # of its machine; None where the load test sees that itself

    def __str__(self):
        return f"generator {self.generator}" if self.generator else "wrk"

    @cached_property
    def latencies(self):
        """(values in microseconds, counts), as they were measured."""
        result = self.result
        try:
            return histogram.measured(result.histogram, result.requests, result.duration_us, self.connections)
        except histogram.Damaged as error:
            raise histogram.Damaged(f"{self}: {error}") from None

    @cached_property
    def littles_ratio(self):
        return _littles_ratio(self.latencies, self.result, self.connections)

    @cached_property
    def in_flight_ratio(self):
        return _in_flight_ratio(self.latencies, self.result, self.connections)


class Load:
    """The parts as one; what it has in common with wrk_output.Result means the same."""

    def __init__(self, parts):
        self.parts = parts
        results = [part.result for part in parts]
        self.requests = sum(result.requests for result in results)
        self.bytes = sum(result.bytes for result in results)
        self.errors = {kind: sum(result.errors[kind] for result in results) for kind in wrk_output.ERRORS}
        self.cpu_s = sum(result.cpu_s for result in results)
        self.connections = sum(part.connections for part in parts)
        connection_us = sum(part.connections * part.result.duration_us for part in parts)
        self.duration_us = round(connection_us / self.connections)

    @property
    def failed(self):
        """Whether wrk counted any error. There are no latencies then."""
        return any(self.errors.values())

    @cached_property
    def latencies(self):
        return histogram.add([part.latencies for part in self.parts])

    @cached_property
    def littles_ratio(self):
        return _littles_ratio(self.latencies, self, self.connections)

    @cached_property
    def in_flight_ratio(self):
        return _in_flight_ratio(self.latencies, self, self.connections)

    @property
    def machines(self):
        """The hosts of the generators, each machine once."""
        return list({part.host.boot_id or part.generator: part.host for part in self.parts}.values())

    @property
    def apart_s(self):
        """By how much the generators' windows differ, in their starts or in their lengths."""
        starts = [part.started for part in self.parts]
        lengths = [part.result.duration_us / 1e6 for part in self.parts]
        return max(max(starts) - min(starts), max(lengths) - min(lengths))


def split(connections, generators):
    """As evenly as can be: so many connections for each, the first ones get one more."""
    each, left = divmod(connections, generators)
    return [each + (number < left) for number in range(generators)]


def _littles_ratio(latencies, result, connections):
    mean = histogram.mean(*latencies)
    return soundness.littles_ratio(result.requests, mean, result.duration_us, connections)


def _in_flight_ratio(latencies, result, connections):
    mean, age = histogram.mean(*latencies), histogram.mean_age(*latencies)
    return soundness.in_flight_ratio(result.requests, mean, age, result.duration_us, connections)
