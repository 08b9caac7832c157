"""The rates of an open loop: each is a percentage of what the slowest server does in a closed loop, and so the same for
all servers. rates.csv has the closed-loop rates, so that an experiment that is continued keeps its rates."""

from typing import Iterable, Mapping, NamedTuple

from ..base import reading, results
from ..plan import matrix

FILE = "rates.csv"
TRIES = 2  # closed-loop runs of each server at each configuration, of which the best counts


class Run(NamedTuple):
    """A closed-loop run that is needed."""

    point: matrix.Point  # without a load
    server: str
    number: int  # from 1


class Rates:
    """The rates known so far."""

    def __init__(self, rows: Iterable[Mapping[str, str]] = ()):
        """`rows`: of rates.csv, as texts."""
        self._found: dict[Run, float] = {}
        for row in rows:
            values = {name: reading.field(name, row[name]) for name in results.RATES}
            of_point = {name: values[name] for name in results.CONFIGURATION}
            self.add(Run(matrix.Point(**of_point), values["server"], values["try"]), values["rps"])

    def add(self, run: Run, rps: float) -> None:
        self._found[run] = rps

    def missing(self, points: Iterable[matrix.Point], servers: Iterable[str]) -> list[Run]:
        """In the order of the configurations, then of the servers."""
        runs = [
            Run(point, server, number)
            for point in dict.fromkeys(point.configuration for point in points)
            for server in servers
            for number in range(1, TRIES + 1)
        ]
        return [run for run in runs if run not in self._found]

    def closed(self, point: matrix.Point, server: str) -> float:
        """The best rate of that server in a closed loop."""
        return max(
            rps
            for run, rps in self._found.items()
            if (run.point, run.server) == (point.configuration, server)
        )

    def reference(self, point: matrix.Point) -> float:
        """The best rate of the slowest server in a closed loop at that configuration: 100% of LOAD."""
        servers = {run.server for run in self._found if run.point == point.configuration}
        return min(self.closed(point, server) for server in servers)


def row(run: Run, rps: float) -> dict:
    """Of rates.csv."""
    return run.point._asdict() | {"server": run.server, "try": run.number, "rps": rps}
