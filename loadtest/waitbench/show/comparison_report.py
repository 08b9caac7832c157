"""loadtest/compare: what it prints, and its exit status."""

import argparse
import sys
import textwrap
from pathlib import Path
from typing import Callable

from .. import Failure
from ..judge import comparison, stats, summary
from . import formatting

HEADS = ("point", "server", "A", "B", f"B / A {formatting.JOINT}", "verdict", "MDE")
LEFT = (0, 1, 4, 5)
MEASURES = {  # title, unit
    "rps": ("Requests per second", ""),
    "cpu": ("Server CPU per request", "microseconds"),
    "p99": ("p99 latency", "microseconds"),
    "capacity": ("Capacity", "requests per second"),
}
COUNTED = {
    stats.FASTER: "better", stats.SLOWER: "worse", stats.SAME: "equivalent", stats.INCONCLUSIVE: "cannot tell",
    None: "not compared",
}  # fmt: skip
OPEN = (
    "Open loop: a load is a percentage of closed-loop rates that each folder measured for itself, so that its rate is"
    " nearly the same in A and B."
)
ABSOLUTE = (
    "Absolute figures differ between two hosts, and on one host between a quiet hour and a busy one: then those of all"
    " servers move together. A change that all servers share shows here alone."
)
JOINTLY = (
    f"{formatting.JOINT}: all intervals of these ratios, or of these figures, hold the truth with 95% confidence; verdicts"
    " are read off them"
)
MDE = "MDE: minimum detectable effect: the smallest that such a table shows with 80% power"
CHANGES = {True: ", with changes", False: "", None: ", perhaps with changes"}


def report(a: summary.Summary, b: summary.Summary, found: comparison.Comparison) -> str:
    """By ratios to the baseline, then by absolute figures: what was found, and the tables behind it."""
    out = _wrapped(OPEN) if a.is_open else []
    if found.relative:
        out += ["", *_wrapped(_said(f"B against A, by ratios to {found.baseline}", found.relative))]
        out += _wrapped(
            f"A and B below are ratios to {found.baseline}: what a host does to all servers alike cancels."
        )
        out += _tables(found.relative, f"ratio to {found.baseline}", formatting.ratio)
    out += ["", *_wrapped(_said("B against A, by absolute figures", found.absolute)), *_wrapped(ABSOLUTE)]
    out += [*_tables(found.absolute, "", formatting.significant), ""]
    for sentence in comparison.missing(a, b):
        out += _wrapped(sentence)
    if min(a.blocks[0], b.blocks[0]) < stats.BLOCKS:
        out.append(f"exploratory: fewer than {stats.BLOCKS} blocks at some point of A or B")
    out += _wrapped(JOINTLY) + _wrapped(MDE)
    if any(line.estimate and line.estimate.blocks_needed for line in found.relative + found.absolute):
        out += _wrapped(formatting.OPEN)
    return "\n".join(out)


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, formatting.WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _said(what: str, lines: list[comparison.Line]) -> str:
    """How many ratios have which verdict, and how far they reach."""
    verdicts = [line.verdict for line in lines]
    counts = ", ".join(f"{word} {verdicts.count(key)}" for key, word in COUNTED.items() if key in verdicts)
    ratios = [line.estimate.ratio for line in lines if line.estimate]
    reach = f"; B / A is {formatting.ratio(min(ratios))} to {formatting.ratio(max(ratios))}" if ratios else ""
    none = "" if {stats.FASTER, stats.SLOWER} & set(verdicts) else "no difference found: "
    return f"{what}: {none}{counts}{reach}"


def _tables(lines: list[comparison.Line], ratio: str, shown: Callable[[float | None], str]) -> list[str]:
    """One for each measure; `ratio`: what stands in place of its unit; `shown` makes text of a value of A or B."""
    axes, out = formatting.varying([line.point for line in lines]) or ["n", "c"], []
    for name, (title, unit) in MEASURES.items():
        rows = [_row(line, axes, shown) for line in lines if line.measure.name == name]
        if rows:
            out += ["", ", ".join(filter(None, (title, ratio or unit)))]
            out += formatting.narrow([HEADS, *rows], LEFT, 2, formatting.WIDTH)
    return out


def _row(line: comparison.Line, axes: list[str], shown: Callable[[float | None], str]) -> tuple:
    estimate = line.estimate
    return (
        # A capacity has no load, which may be all that varies.
        formatting.label(line.point, axes) or formatting.label(line.point, ["n", "c"]),
        line.server,
        shown(line.a),
        shown(line.b),
        f"{formatting.ratio(estimate.ratio)} {formatting.interval(estimate)}" if estimate else "",
        formatting.decision(line.measure.name, estimate, line.verdict),
        formatting.detectable(estimate),
    )


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="loadtest/compare",
        description="Compares two results folders at every point, by throughput, server CPU per request and p99. First the"
        " ratios to the baseline, which survive another host: B / A with its interval, a verdict, and the minimum"
        " detectable effect (MDE) at 80% power; then the absolute figures. Patch releases may differ, with a note.",
        epilog="Exit status: 0 no difference was found, 1 some ratio to the baseline differs between A and B (an absolute"
        " figure, where one server alone is in both), 2 the folders cannot be read or must not be compared. make compare"
        " succeeds with 0 and 1.",
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
    differ, patches = comparison.differences(a, b)
    for sentence in patches:
        print(f"note: {sentence}: another patch release", file=sys.stderr)
    for sentence in differ:
        print(f"differs: {sentence}", file=sys.stderr)
    if differ and not given.anyway:
        return _refuse(
            "these results are not comparable; --anyway compares them nevertheless (make compare: ANYWAY=1)"
        )
    found = comparison.compare(a, b)
    if found is None:
        return _refuse("the two folders have no point and server in common")
    print(f"A: {_whence(given.a, a)}\nB: {_whence(given.b, b)}")
    print(report(a, b, found))
    return int(found.differs)


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
