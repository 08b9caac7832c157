"""loadtest/compare: what it prints, and its exit status."""

import argparse
import sys
import textwrap
from pathlib import Path

from .. import Failure
from ..judge import comparison, stats, summary
from . import formatting

HEADS = ("point", "server", "measure", "A", "B", "B / A [95%]", "verdict", "MDE")
LEFT = (0, 1, 2, 5, 6)
CHANGES = {True: ", with changes", False: "", None: ", perhaps with changes"}
UNITS = {"rps": "req/s", "cpu": "CPU us/req", "p99": "p99 us"}


def report(a: summary.Summary, b: summary.Summary, found: list[comparison.Line]) -> str:
    """The table, and how many ratios have which verdict."""
    axes = formatting.varying([line.point for line in found]) or ["n", "c"]
    rows = [HEADS] + [_row(line, axes) for line in found]
    verdicts = [line.verdict for line in found]
    counted = ((word, verdicts.count(key)) for key, word in (
        (stats.FASTER, "better"), (stats.SLOWER, "worse"), (stats.SAME, "equivalent"),
        (stats.INCONCLUSIVE, "cannot tell"), (None, "not compared"),
    ))  # fmt: skip
    out = formatting.columns(rows, LEFT)
    out.append("")
    for sentence in comparison.missing(a, b):
        out += textwrap.wrap(sentence, formatting.WIDTH, subsequent_indent="  ")
    out.append(f"B against A: {', '.join(f'{word} {count}' for word, count in counted if count)}")
    if min(a.blocks[0], b.blocks[0]) < stats.BLOCKS:
        out.append(f"exploratory: fewer than {stats.BLOCKS} blocks at some point of A or B")
    out.append("MDE: minimum detectable effect, in a single test at 5%, with 80% power")
    out.append(
        "Nothing pairs two sessions: a machine that was slower throughout one of them looks like a slower server."
    )
    return "\n".join(out)


def _row(line: comparison.Line, axes: list[str]) -> tuple:
    estimate = line.estimate
    return (
        formatting.label(line.point, axes),
        line.server,
        UNITS[line.measure.name],
        formatting.significant(line.a),
        formatting.significant(line.b),
        f"{formatting.ratio(estimate.ratio)} {formatting.interval(estimate)}" if estimate else "",
        formatting.verdict(line.measure.name, line.verdict),
        formatting.detectable(estimate),
    )


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="loadtest/compare",
        description="Compares two results folders: the ratio B / A of throughput, server CPU per request and p99 at every"
        " point, with its 95% interval, a verdict, and the minimum detectable effect (MDE) at 80% power.",
        epilog="Exit status: 0 no difference was found, 1 some ratio differs from 1 (better or worse), 2 the folders"
        " cannot be read or must not be compared.",
    )
    parser.add_argument("a", metavar="DIR_A", help="results folder to compare with (it holds runs.csv)")
    parser.add_argument("b", metavar="DIR_B", help="results folder that is compared")
    parser.add_argument("--anyway", action="store_true", help="compare although machine or settings differ")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """The command; returns its exit status. Never raises Failure."""
    given = parse(arguments)
    if not given.a or not given.b:
        return _refuse("name two results folders: make compare A=results/... B=results/...")
    try:
        a, b = summary.load(given.a), summary.load(given.b)
    except Failure as error:
        return _refuse(str(error))
    differ = comparison.differences(a, b)
    for sentence in differ:
        print(f"differs: {sentence}", file=sys.stderr)
    if differ and not given.anyway:
        return _refuse("these results are not comparable; --anyway compares them nevertheless")
    found = comparison.lines(a, b)
    if not found:
        return _refuse("the two folders have no point and server in common")
    print(f"A: {_whence(given.a, a)}\nB: {_whence(given.b, b)}")
    print(report(a, b, found))
    return 1 if any(line.verdict in (stats.FASTER, stats.SLOWER) for line in found) else 0


def _refuse(sentence: str) -> int:
    print(f"loadtest/compare: {sentence}", file=sys.stderr)
    return 2


def _whence(path: str, found: summary.Summary) -> str:
    fewest, most = found.blocks
    blocks = fewest if fewest == most else f"{fewest} to {most}"
    return f"{Path(path)}: {_revision(found.environment)}, {blocks} blocks"


def _revision(environment: dict) -> str:
    revision = comparison.fact(environment, "git.revision")
    if not revision:
        return "revision unknown"
    changed = comparison.fact(environment, "git.changed")
    return f"revision {str(revision)[:12]}" + CHANGES[changed if isinstance(changed, bool) else None]
