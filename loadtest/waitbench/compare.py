"""Two results folders held against each other: B in relation to A, point by point, server by server.

The runs of two folders share no block, so nothing is paired: Welch's test on logarithms. All ratios of
all measures are one family (Holm), because the exit status speaks for all of them at once: two folders
of the same thing give a false "something differs" at most one time in twenty. What differs from one
session to the next for every run in it (placement in memory, a busier host) is no noise that blocks
inside a session can show; the words at the end say so.
"""

import argparse
import dataclasses
import sys
import textwrap
from pathlib import Path

from . import Failure, matrix, stats, summary, table, words

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
HEADS = ("point", "server", "measure", "A", "B", "B / A [95%]", "verdict", "80% power")
LEFT = (0, 1, 2, 5, 6)
UNITS = {"rps": "req/s", "cpu": "CPU us/req", "p99": "p99 us"}


@dataclasses.dataclass
class Line:
    point: matrix.Point
    server: str
    measure: summary.Measure
    a: float | None  # medians
    b: float | None
    estimate: stats.Estimate | None
    verdict: str | None = None


def lines(a, b):
    """What both summaries have, one Line for each point, server and measure."""
    found = []
    for point in summary.in_order(set(a.points) & set(b.points)):
        for server in a.servers:
            left, right = a.entries.get((point, server)), b.entries.get((point, server))
            if left and right:
                found += [_line(left, right, measure) for measure in summary.MEASURES]
    better = [line.measure.more_is_better for line in found]
    adjusted = stats.holm([line.estimate and line.estimate.p for line in found])
    for line, p, more_is_better in zip(found, adjusted, better):
        if line.estimate:
            line.verdict = stats.verdict(line.estimate, p, more_is_better)
    return found


def _line(left, right, measure):
    column = measure.column
    comparable = measure.name != "p99" or not (left.latencies_spoilt or right.latencies_spoilt)
    values = [[run[column] for run in entry.runs if run[column]] for entry in (right, left)]
    estimate = stats.unpaired(*values) if comparable else None
    return Line(left.point, left.server, measure, left.median(column), right.median(column), estimate)


def differences(a, b):
    """What must be alike and is not, as sentences; a fact that neither folder knows is alike."""
    found = []
    for path in MUST_MATCH:
        left, right = _fact(a.environment, path), _fact(b.environment, path)
        if not _alike(left, right):
            found.append(f"{path} is {_told(left)} in A and {_told(right)} in B")
    ran = [_fact(summary_.environment, "ran.servers") or {} for summary_ in (a, b)]
    for name in sorted(set(a.servers) & set(b.servers)):
        left, right = ran[0].get(name), ran[1].get(name)
        if left != right:
            found.append(f"where server {name} ran is {_told(left)} in A and {_told(right)} in B")
    specs = [_specs(summary_) for summary_ in (a, b)]
    for name in sorted(set(specs[0]) & set(specs[1])):
        left, right = specs[0][name], specs[1][name]
        if left != right:
            found.append(f"server {name} is {left} in A and {right} in B")
    return found


def _fact(facts, path):
    for name in path.split("."):
        facts = facts.get(name) if isinstance(facts, dict) else None
    return facts


def _alike(left, right):
    """2 and 2.0 seconds are, and an empty setting and one that was not known yet."""
    try:
        return left == right or {left, right} == {None, ""} or float(left) == float(right)
    except (TypeError, ValueError):
        return False


def _told(value):
    return "unknown" if value is None else repr(value) if value == "" else value


def _specs(found):
    """name -> how it was asked for in SERVERS, where that is recorded."""
    texts = str(_fact(found.environment, "settings.SERVERS") or "").split()
    try:
        return {matrix.parse_server(text).name: text for text in texts}
    except ValueError:
        return {}


def missing(a, b):
    """What only one of the two has, as sentences; servers that lack the same points share one."""
    found = []
    for name, own, other in (("A", a, b), ("B", b, a)):
        lacking = {}
        for server in own.servers:
            points = tuple(
                p for p in own.points if (p, server) in own.entries and (p, server) not in other.entries
            )
            if points:
                lacking.setdefault(points, []).append(server)
        for points, servers in lacking.items():
            found.append(f"only in {name}: {', '.join(servers)} at {', '.join(map(str, points))}")
    return found


def report(a, b, found):
    """The table and what it amounts to."""
    axes = words.varying([line.point for line in found]) or ["n", "c"]
    rows = [HEADS] + [_row(line, axes) for line in found]
    said = [line.verdict for line in found]
    counted = ((word, said.count(key)) for key, word in (
        (stats.FASTER, "better"), (stats.SLOWER, "worse"), (stats.SAME, "no difference"),
        (stats.INCONCLUSIVE, "cannot tell"), (None, "not compared"),
    ))  # fmt: skip
    out = table.columns(rows, LEFT)
    out.append("")
    for sentence in missing(a, b):
        out += textwrap.wrap(sentence, words.WIDTH, subsequent_indent="  ")
    out.append(f"B against A: {', '.join(f'{word} {count}' for word, count in counted if count)}")
    if min(a.blocks[0], b.blocks[0]) < stats.BLOCKS:
        out.append(f"exploratory: fewer than {stats.BLOCKS} blocks at some point of A or B")
    out.append(
        "Nothing pairs two sessions: a machine that was slower throughout one of them looks like a slower server."
    )
    return "\n".join(out)


def _row(line, axes):
    estimate = line.estimate
    return (
        words.label(line.point, axes),
        line.server,
        UNITS[line.measure.name],
        words.significant(line.a),
        words.significant(line.b),
        f"{words.ratio(estimate.ratio)} {words.interval(estimate)}" if estimate else "",
        words.verdict(line.measure.name, line.verdict),
        words.smallest_seen(estimate),
    )


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="loadtest/compare",
        description="Holds two results folders against each other: the ratio B / A of throughput, server CPU a"
        " request and p99 at every point, with its 95% interval, a verdict, and the smallest difference that the"
        " runs would have shown with 80% power.",
        epilog="Exit status: 0 no difference was found, 1 some ratio differs from 1 (better or worse), 2 the folders"
        " cannot be read or must not be compared.",
    )
    parser.add_argument("a", metavar="DIR_A", help="results folder to compare with (it holds runs.csv)")
    parser.add_argument("b", metavar="DIR_B", help="results folder that is compared")
    parser.add_argument("--anyway", action="store_true", help="compare although machine or settings differ")
    return parser.parse_args(arguments)


def main(arguments):
    """The command; returns its exit status. Prints, never raises Failure."""
    given = parse(arguments)
    if not given.a or not given.b:
        return _refuse("name two results folders: make compare A=results/... B=results/...")
    try:
        a, b = summary.load(given.a), summary.load(given.b)
    except Failure as error:
        return _refuse(str(error))
    differ = differences(a, b)
    for sentence in differ:
        print(f"differs: {sentence}", file=sys.stderr)
    if differ and not given.anyway:
        return _refuse("these results are not comparable; --anyway compares them nevertheless")
    found = lines(a, b)
    if not found:
        return _refuse("the two folders have no point and server in common")
    print(f"A: {_whence(given.a, a)}\nB: {_whence(given.b, b)}")
    print(report(a, b, found))
    return 1 if any(line.verdict in (stats.FASTER, stats.SLOWER) for line in found) else 0


def _refuse(sentence):
    print(f"loadtest/compare: {sentence}", file=sys.stderr)
    return 2


def _whence(path, found):
    fewest, most = found.blocks
    revision = (_fact(found.environment, "git.revision") or "unknown")[:12]
    changed = ", with changes" if _fact(found.environment, "git.changed") else ""
    return f"{Path(path)}: revision {revision}{changed}, {fewest if fewest == most else f'{fewest} to {most}'} blocks"
