"""Two results folders compared: B in relation to A, point by point, server by server.

The runs of two folders share no block, so nothing is paired: Welch's test on logarithms. All ratios of all
measures are one family (Holm), because the exit status speaks for all of them at once: two folders of the same
thing give a false "something differs" at most one time in twenty. What differs between two sessions for every
run (placement in memory, a busier host) is noise that the blocks inside a session cannot show; the last line
of the output says so.
"""

import dataclasses
from typing import Any

from ..plan import matrix
from . import stats, summary

# What must be alike, as paths into environment.json. Not: the programs that are compared, their git
# revision, the time, the load, the seed of the order, or where the servers listen.
MUST_MATCH = (
    [f"machine.{name}" for name in "cpu_model architecture cpus cpus_usable governor turbo smt clock".split()]
    + ["kernel", "system", "placement", "ran.load_test", "ran.database"]
    + [f"settings.{name}" for name in "DURATION WARMUP POOL PIN TARGETS GENERATORS".split()]
    + [f"versions.{name}" for name in "wrk nginx libpq libuv libllhttp".split()]
    + [
        f"database.{name}"
        for name in "server_version shared_buffers fsync synchronous_commit jit socket".split()
    ]
)


@dataclasses.dataclass
class Line:
    point: matrix.Point
    server: str
    measure: summary.Measure
    a: float | None  # medians
    b: float | None
    estimate: stats.Estimate | None
    verdict: str | None = None


def lines(a: summary.Summary, b: summary.Summary) -> list[Line]:
    """What both summaries have, one Line for each point, server and measure."""
    found = []
    for point in summary.in_order(set(a.points) & set(b.points)):
        for server in a.servers:
            left, right = a.entries.get((point, server)), b.entries.get((point, server))
            if left and right:
                found += [_line(left, right, measure) for measure in summary.MEASURES]
    better = [line.measure.more_is_better for line in found]
    adjusted = stats.holm([line.estimate.p if line.estimate else None for line in found])
    for line, p, more_is_better in zip(found, adjusted, better):
        if line.estimate:
            line.verdict = stats.verdict(line.estimate, p, more_is_better)
    return found


def _line(left: summary.Entry, right: summary.Entry, measure: summary.Measure) -> Line:
    column = measure.column
    comparable = measure.name != "p99" or not (left.latencies_spoilt or right.latencies_spoilt)
    values = [[run[column] for run in entry.runs if run[column]] for entry in (right, left)]
    estimate = stats.unpaired(*values) if comparable else None
    return Line(left.point, left.server, measure, left.median(column), right.median(column), estimate)


def differences(a: summary.Summary, b: summary.Summary) -> list[str]:
    """What must be alike and is not, as sentences; a fact that neither folder has is alike."""
    found = []
    for path in MUST_MATCH:
        left, right = fact(a.environment, path), fact(b.environment, path)
        if not _alike(left, right):
            found.append(f"{path} is {_shown(left)} in A and {_shown(right)} in B")
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
    return found


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
    """What only one of the two has, as sentences; servers that lack the same points share one."""
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
