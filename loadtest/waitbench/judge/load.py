"""The load of one run: one wrk, or several wrks on several hosts taken together.

Counts are added, and so are histograms, each after wrk's correction was undone for that wrk alone, since the
correction depends on its requests and connections. A percentile is read off the sum; percentiles are never
averaged. The window is the mean of the generators' windows, each weighted by its connections: then requests /
window is the rate, and Little's law is that of all connections together, even where the windows differ a little.
"""

import dataclasses
import functools
import operator
from functools import cached_property

from ..observe import hosts, wrk_output
from . import histogram


@dataclasses.dataclass(frozen=True)
class Part:
    """What one wrk did."""

    generator: str  # http://host:port; empty for a wrk that the load test started itself
    host: hosts.Host
    connections: int
    threads: int  # of wrk
    result: wrk_output.Result
    started: float  # s, by the load test's clock
    steal_share: float | None = (
        None  # of the host; None where it is not known, or the load test samples that host itself
    )

    def __str__(self) -> str:
        return f"generator {self.generator}" if self.generator else "wrk"

    @cached_property
    def latencies(self) -> histogram.Spectrum:
        """As they were measured."""
        result = self.result
        try:
            return histogram.measured(result.histogram, result.requests, result.duration_us, self.connections)
        except histogram.Damaged as error:
            raise histogram.Damaged(f"{self}: {error}") from None

    @cached_property
    def littles_ratio(self) -> float:
        return littles_ratio(self.latencies, self.result, self.connections)

    @cached_property
    def in_flight_ratio(self) -> float:
        return in_flight_ratio(self.latencies, self.result, self.connections)


class Load:
    """The parts together; a member that wrk_output.Result has too means the same here."""

    def __init__(self, parts: list[Part]):
        self.parts = parts
        results = [part.result for part in parts]
        self.requests = sum(result.requests for result in results)
        self.bytes = sum(result.bytes for result in results)
        self.errors = {kind: sum(result.errors[kind] for result in results) for kind in wrk_output.ERRORS}
        self.cpu_s = sum(result.cpu_s for result in results)
        known = [result.operations for result in results if result.operations]
        self.operations = functools.reduce(operator.add, known) if known else None
        self.connections = sum(part.connections for part in parts)
        connection_us = sum(part.connections * part.result.duration_us for part in parts)
        self.duration_us = round(connection_us / self.connections)

    @property
    def failed(self) -> bool:
        """Whether wrk counted any error. There are no latencies then."""
        return any(self.errors.values())

    @cached_property
    def latencies(self) -> histogram.Spectrum:
        return histogram.add([part.latencies for part in self.parts])

    @cached_property
    def littles_ratio(self) -> float:
        return littles_ratio(self.latencies, self, self.connections)

    @cached_property
    def in_flight_ratio(self) -> float:
        return in_flight_ratio(self.latencies, self, self.connections)

    @property
    def machines(self) -> list[hosts.Host]:
        """The hosts of the generators, each machine once."""
        return list({part.host.boot_id or part.generator: part.host for part in self.parts}.values())

    @property
    def apart_s(self) -> float:
        """By how much the generators' windows differ, in their starts or in their lengths."""
        starts = [part.started for part in self.parts]
        lengths = [part.result.duration_us / 1e6 for part in self.parts]
        return max(max(starts) - min(starts), max(lengths) - min(lengths))


def split(connections: int, generators: int) -> list[int]:
    """The connections of each generator, as even as possible: the first ones have one more."""
    each, left = divmod(connections, generators)
    return [each + (number < left) for number in range(generators)]


def littles_ratio(latencies: histogram.Spectrum, result: wrk_output.Result | Load, connections: int) -> float:
    """The share of its time that a connection had a request under way, by finished requests alone."""
    return result.requests * histogram.mean(*latencies) / (result.duration_us * connections)


def in_flight_ratio(
    latencies: histogram.Spectrum, result: wrk_output.Result | Load, connections: int
) -> float:
    """The same with the requests that were under way at the end, which no histogram holds: one per connection,
    of mean age E[L^2]/2E[L]. Without them a run of few slow requests on many connections looks as if the
    generator had been slow."""
    finished = result.requests * histogram.mean(*latencies)
    unfinished = connections * histogram.mean_age(*latencies)
    return (finished + unfinished) / (result.duration_us * connections)
