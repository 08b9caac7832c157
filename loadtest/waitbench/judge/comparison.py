"""Two results folders compared: B in relation to A, point by point, server by server.

First by ratios to the baseline: in each folder a server is paired with the baseline inside the blocks, so that what
the host does to all servers alike, its speed above all, cancels. The blocks of two folders are independent of
each other: the log ratios of B against those of A, by Welch's test. Then by absolute figures, which show a
change that all servers share, and with it whatever differs between the two sessions.

All ratios of all measures are one family (stats.family), because the exit status speaks for all of them at once:
two folders of the same thing give a false "something differs" at most one time in twenty. So are all absolute ones.
"""

import dataclasses
import math
import re
from typing import Any

from ..base import reading
from ..plan import matrix
from . import capacities, stats, summary

# Conditions that must be alike, as paths into environment.json. Not: the programs that are compared, their git
# revision, the time, the load, the seed of the order, or where the servers listen.
MUST_MATCH = (
    [f"machine.{name}" for name in "cpu_model architecture cpus cpus_usable governor turbo smt clock".split()]
    + ["kernel", "system", "placement", "cpu_groups", "machine.cpu_limit", "ran.load_test", "ran.database"]
    + [
        f"settings.{name}"
        for name in "DURATION WARMUP POOL PIN TARGETS GENERATORS MIX MODE GENERATOR ARRIVALS SLO".split()
    ]
    + [f"versions.{name}" for name in "wrk nginx libpq libuv libllhttp".split()]
    + [
        f"database.{name}"
        for name in "server_version shared_buffers fsync synchronous_commit jit socket".split()
    ]
)

# Settings of older versions, which did not record them.
BEFORE = {"settings.MODE": reading.CLOSED, "settings.GENERATOR": reading.WRK}
# Of these another release is alike as long as only its last number differs: 15.18 and 15.20, 1.44.1 and 1.44.2.
RELEASES = ("versions.", "database.server_version", "kernel")


CAPACITY = summary.Measure("capacity", "capacity_rps", True, "verdict_capacity")


@dataclasses.dataclass
class Line:
    point: matrix.Point  # of a capacity a configuration, without a load
    server: str
    measure: summary.Measure
    a: float | None  # ratios to the baseline, or medians
    b: float | None
    estimate: stats.Estimate | None  # of b / a
    verdict: str | None = None


@dataclasses.dataclass
class Comparison:
    baseline: str  # of the ratios: the first server of A that B has, too
    relative: list[Line]
    absolute: list[Line]

    @property
    def differs(self) -> bool:
        """By ratios; by absolute figures only where there is no other server to take a ratio to."""
        found = self.relative or self.absolute
        return any(line.verdict in (stats.FASTER, stats.SLOWER) for line in found)


def compare(a: summary.Summary, b: summary.Summary) -> Comparison | None:
    """The figures that both summaries have: one Line for each point, server and measure. None: nothing."""
    both = [name for name in a.servers if name in b.servers]
    keys = [
        (point, server)
        for point in summary.in_order(set(a.points) & set(b.points))
        for server in both
        if (point, server) in a.entries and (point, server) in b.entries
    ]
    if not keys:
        return None
    relative = [
        _relative(a, b, key, both[0], measure)
        for key in keys
        if key[1] != both[0] and (key[0], both[0]) in keys
        for measure in a.measures
    ]
    absolute = [_absolute(a.entries[key], b.entries[key], measure) for key in keys for measure in a.measures]
    of_capacity = _capacities(a.capacities, b.capacities, both)
    return Comparison(both[0], _judged(of_capacity[0] + relative), _judged(of_capacity[1] + absolute))


def _capacities(
    a: capacities.Entries, b: capacities.Entries, servers: list[str]
) -> tuple[list[Line], list[Line]]:
    """(ratios to the first of the servers, absolute figures) of the capacities that both have."""
    relative, absolute = [], []
    for point in summary.in_order({point for point, _ in a.keys() & b.keys()}):
        for server in servers:
            key, base = (point, server), (point, servers[0])
            if key in a and key in b:
                absolute.append(_of_capacity(key, *(list(each[key].logs.values()) for each in (a, b))))
                if server != servers[0] and base in a and base in b:
                    ratios = (capacities.log_ratios(each[key], each[base]) for each in (a, b))
                    relative.append(_of_capacity(key, *ratios))
    return relative, absolute


def _of_capacity(key: tuple[matrix.Point, str], logs_a: list[float], logs_b: list[float]) -> Line:
    a, b = (math.exp(math.fsum(logs) / len(logs)) if logs else None for logs in (logs_a, logs_b))
    return Line(*key, CAPACITY, a, b, stats.apart(logs_b, logs_a))


def _judged(lines: list[Line]) -> list[Line]:
    """The lines as one family, with their verdicts."""
    for line, estimate in zip(lines, stats.family([line.estimate for line in lines])):
        line.estimate, line.verdict = estimate, stats.verdict(estimate, line.measure.more_is_better)
    return lines


def _relative(a, b, key, baseline, measure):
    point, server = key
    logs = []
    for found in (a, b):
        values, baselines = summary.pairs(found.entries[key], found.entries[point, baseline], measure)
        logs.append([math.log(value / other) for value, other in zip(values, baselines)])
    ratio_a, ratio_b = (math.exp(math.fsum(each) / len(each)) if each else None for each in logs)
    return Line(point, server, measure, ratio_a, ratio_b, stats.apart(logs[1], logs[0]))


def _absolute(left, right, measure):
    column = measure.column
    comparable = measure.name != "p99" or not (left.latencies_spoilt or right.latencies_spoilt)
    values = [[run[column] for run in entry.runs if run[column]] for entry in (right, left)]
    estimate = stats.unpaired(*values) if comparable else None
    return Line(left.point, left.server, measure, left.median(column), right.median(column), estimate)


def differences(a: summary.Summary, b: summary.Summary) -> tuple[list[str], list[str]]:
    """(what must be alike and is not, what differs by a patch release only), as sentences. A fact that neither
    folder has is alike."""
    found: list[str] = []
    patches: list[str] = []
    for path in MUST_MATCH:
        left, right = (fact(each.environment, path) or BEFORE.get(path) for each in (a, b))
        if not _alike(left, right):
            patch = path.startswith(RELEASES) and _series(left) == _series(right) is not None
            (patches if patch else found).append(f"{path} is {_shown(left)} in A and {_shown(right)} in B")
    ran = [fact(summary_.environment, "ran.servers") or {} for summary_ in (a, b)]
    for name in sorted(set(a.servers) & set(b.servers)):
        left, right = ran[0].get(name), ran[1].get(name)
        if left != right:
            found.append(f"where server {name} ran is {_shown(left)} in A and {_shown(right)} in B")
    specs = [_specs(summary_) for summary_ in (a, b)]
    for name in sorted(set(specs[0]) & set(specs[1])):
        left, right = specs[0][name], specs[1][name]
        if left != right:
            found.append(f"server {name} is {left} in A and {right} in B")
    return found, patches


def fact(facts: Any, path: str) -> Any:
    """The value at a path into environment.json (`machine.cpus`); None where there is none."""
    for name in path.split("."):
        facts = facts.get(name) if isinstance(facts, dict) else None
    return facts


def _alike(left, right):
    """2 and 2.0 seconds are alike, and so are an empty setting and one that an older version did not have."""
    try:
        return left == right or {left, right} == {None, ""} or float(left) == float(right)
    except (TypeError, ValueError):
        return False


def _series(text):
    """The part that patch releases of a program have in common: the numbers of its version but the last one, and the
    words beside it (a kernel's flavour). None where there is no such version."""
    version = re.search(r"\d+(\.\d+)+", str(text))
    return version and (version[0].split(".")[:-1], re.findall("[A-Za-z]{2,}", str(text)))


def _shown(value):
    return "unknown" if value is None else repr(value) if value == "" else value


def _specs(found):
    """name -> its words in SERVERS, where they are recorded."""
    texts = str(fact(found.environment, "settings.SERVERS") or "").split()
    try:
        return {matrix.parse_server(text).name: text for text in texts}
    except ValueError:
        return {}


def missing(a: summary.Summary, b: summary.Summary) -> list[str]:
    """Points and servers that only one of the two has, as sentences; servers that lack the same points share one."""
    found = []
    for name, own, other in (("A", a, b), ("B", b, a)):
        lacking: dict[tuple, list[str]] = {}
        for server in own.servers:
            points = tuple(
                p for p in own.points if (p, server) in own.entries and (p, server) not in other.entries
            )
            if points:
                lacking.setdefault(points, []).append(server)
        for points, servers in lacking.items():
            found.append(f"only in {name}: {', '.join(servers)} at {', '.join(map(str, points))}")
    return found
