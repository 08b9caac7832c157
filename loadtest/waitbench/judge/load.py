"""The load of one run: one wrk or pace, or several of them on several hosts taken together.

Counts are added, and so are histograms, those of wrk each after its correction was undone for that wrk alone, since the
correction depends on its requests and connections. A percentile is read off the sum; percentiles are never
averaged. The window is the mean of the generators' windows, each weighted by its connections: then requests /
window is the rate, and Little's law is that of all connections together, even where the windows differ a little.
"""

import dataclasses
import functools
import operator
from functools import cached_property

from ..base import reading
from ..observe import hosts, load_result, wrk_output
from . import histogram


@dataclasses.dataclass(frozen=True)
class Part:
    """The result of one wrk or pace."""

    generator: str  # http://host:port; empty for one that the load test started itself
    host: hosts.Host
    connections: int
    threads: int
    result: load_result.Result
    started: float  # s, by the load test's clock: the begin of the window
    steal_share: float | None = (
        None  # of the host; None where it is not known, or the load test samples that host itself
    )

    def __str__(self) -> str:
        return f"generator {self.generator}" if self.generator else self.result.generator

    @cached_property
    def latencies(self) -> histogram.Spectrum:
        """As they were measured."""
        result = self.result
        if result.paced:
            return histogram.spectrum(result.histogram)
        try:
            return histogram.measured(result.histogram, result.requests, result.duration_us, self.connections)
        except histogram.Damaged as error:
            raise histogram.Damaged(f"{self}: {error}") from None

    @property
    def cpu_share(self) -> float:
        """Of the time of its threads; of pace in the window alone."""
        paced = self.result.paced
        return (
            paced.cpu_share if paced else self.result.cpu_s * 1e6 / (self.threads * self.result.duration_us)
        )

    @cached_property
    def littles_ratio(self) -> float:
        return littles_ratio(self.latencies, self.result, self.connections)

    @cached_property
    def in_flight_ratio(self) -> float:
        return in_flight_ratio(self.latencies, self.result, self.connections)


class Load:
    """The parts together; a member that load_result.Result has too means the same here."""

    def __init__(self, parts: list[Part]):
        self.parts = parts
        results = [part.result for part in parts]
        self.requests = sum(result.requests for result in results)
        self.bytes = sum(result.bytes for result in results)
        self.errors = {kind: sum(result.errors[kind] for result in results) for kind in results[0].errors}
        self.cpu_s = sum(result.cpu_s for result in results)
        known = [result.operations for result in results if result.operations]
        self.operations = functools.reduce(operator.add, known) if known else None
        self.connections = sum(part.connections for part in parts)
        self.paced = [result.paced for result in results if result.paced]
        self.generator = results[0].generator
        self.mode = self.paced[0].mode if self.paced else reading.CLOSED
        self.all_requests = sum(result.all_requests for result in results)
        self.all_bytes = sum(result.all_bytes for result in results)
        self.all_connections = sum(  # of wrk with those by which it finds out whether the address works
            paced.all_connections if (paced := part.result.paced) else part.connections + wrk_output.PROBES
            for part in parts
        )
        connection_us = sum(part.connections * part.result.duration_us for part in parts)
        self.duration_us = round(connection_us / self.connections)

    @property
    def is_open(self) -> bool:
        return self.mode == reading.OPEN

    @property
    def failed(self) -> bool:
        """Whether any error was counted. There are no latencies then."""
        return any(self.errors.values())

    @cached_property
    def latencies(self) -> histogram.Spectrum:
        return histogram.add([part.latencies for part in self.parts])

    @cached_property
    def service(self) -> histogram.Spectrum | None:
        """Latencies from the actual moment of sending; None of wrk, and where nothing that was due was sent."""
        known = [histogram.spectrum(each.service) for each in self.paced if each.service]
        return histogram.add(known) if known else None

    @property
    def due(self) -> int:
        """Arrivals in the window."""
        return sum(each.due for each in self.paced)

    @property
    def unfinished(self) -> int:
        return sum(each.unfinished for each in self.paced)

    @property
    def offered_rps(self) -> float | None:
        """None in a closed loop, as the next."""
        return self.due * 1e6 / self.duration_us if self.is_open else None

    @property
    def achieved_rps(self) -> float | None:
        return self.requests * 1e6 / self.duration_us if self.is_open else None

    def share_of_due(self, what: str) -> float | None:
        """Of `late` or `waited` arrivals; None of wrk."""
        return sum(getattr(each, what) for each in self.paced) / self.due if self.due else None

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


def part(
    generator: str,
    host: hosts.Host,
    connections: int,
    threads: int,
    result: load_result.Result,
    began: float,
    steal_share: float | None = None,
) -> Part:
    """`began`: when the program was started, by the load test's clock."""
    before = result.paced.before_s if result.paced else 0
    return Part(generator, host, connections, threads, result, began + before, steal_share)


def split(connections: int, generators: int) -> list[int]:
    """The connections of each generator, as even as possible: the first ones have one more."""
    each, left = divmod(connections, generators)
    return [each + (number < left) for number in range(generators)]


def littles_ratio(
    latencies: histogram.Spectrum, result: load_result.Result | Load, connections: int
) -> float:
    """The share of its time that a connection had a request under way, by finished requests alone."""
    return result.requests * histogram.mean(*latencies) / (result.duration_us * connections)


def in_flight_ratio(
    latencies: histogram.Spectrum, result: load_result.Result | Load, connections: int
) -> float:
    """The same with the requests that were under way at the end, which no histogram holds: one per connection,
    of mean age E[L^2]/2E[L]. Without them a run of few slow requests on many connections looks as if the
    generator had been slow."""
    finished = result.requests * histogram.mean(*latencies)
    unfinished = connections * histogram.mean_age(*latencies)
    return (finished + unfinished) / (result.duration_us * connections)
