"""Warnings about a result, in words, the most important first."""

import re
from typing import Any, Iterable, Mapping

from ..judge import reference, series, stats, summary
from ..plan import matrix
from . import facts, formatting, wording

NAMED = 3  # runs that were not steady, and configurations that have a flag
FLAGS = {
    summary.MACHINE_BUSY: "Other programs kept the machine busy at {}: intervals are wider there, and ratios may be off.",
    summary.GENERATOR_BOUND: "The load generator was the bottleneck at {}: servers could have answered more there, and"
    " latencies are not compared.",
    summary.TOO_SHORT: "The runs were too short at {}: latencies look shorter than they are, and are not compared (DURATION).",
    summary.OVERLOADED: "Requests were left without a response at {}: latencies are longer than shown, and not compared.",
}


def of(found: summary.Summary, runs: series.Runs) -> list[str]:
    known = found.environment
    refused = reference.refused(known)
    said = [*_missing(known), *_exploratory(found), *flags(found, summary.MACHINE_BUSY)]
    said += flags(found, summary.GENERATOR_BOUND) + unsteady(found, runs)
    said += flags(found, summary.TOO_SHORT) + flags(found, summary.OVERLOADED)
    said += [wording.ended(refused)] if refused else []
    recorded = [*_once(facts.texts(known, "outcome", "warnings")), *facts.texts(known, "warnings")]
    # `refused` has the sentence about a machine that was busy at the start.
    return said + [
        wording.ended(text) for text in recorded if not (refused and "this run is no reference" in text)
    ]


def _once(texts: Iterable[str]) -> list[str]:
    """Of those that differ in a percentage and what follows it, the one with the largest: a run that was continued has its
    warnings again, each for a part of it."""
    largest: dict[str, tuple[int, str]] = {}
    for text in texts:
        found = re.search(r"(\d+)%", text)
        key = text[: found.start()] if found else text
        number = int(found[1]) if found else 0
        largest[key] = max(largest.get(key, (number, text)), (number, text))
    return [text for _, text in largest.values()]


def _missing(known: Mapping[str, Any]) -> list[str]:
    """Runs that were planned and are missing."""
    said = []
    for lost in facts.items(known, "outcome", "unsound_points"):
        point = matrix.Point(**{name: value for name, value in lost.items() if name in matrix.Point._fields})
        said.append(wording.ended(f"given up, for all servers: {point}: {lost['reason']}"))
    blocks = len(facts.items(known, "outcome", "blocks_missing"))
    if blocks and not said:
        said.append(
            f"The run ended before {wording.count(blocks, 'block')} of its plan {_was(blocks)} measured."
        )
    return said


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _exploratory(found: summary.Summary) -> list[str]:
    if not found.points or not found.exploratory or len(found.servers) < 2:
        return []
    fewest = wording.count(found.blocks[0], "block")
    return [
        f"Exploratory: {fewest} at a configuration, and {stats.BLOCKS} are what a result to rely on has (REPEATS)."
    ]


def unsteady(found: summary.Summary, runs: series.Runs) -> list[str]:
    """One sentence that names some of the runs whose throughput was not the same throughout."""
    odd = series.unsteady(found, runs)
    if not odd:
        return []
    axes = formatting.varying(found.points) or ["n", "c"]
    named = [
        f"{one.server} in block {one.block} ({formatting.label(one.point, axes)}): {one.words}"
        for one in odd[:NAMED]
    ]
    count = sum(len(entry.runs) for entry in found.entries.values())
    return [
        f"{len(odd)} of {wording.count(count, 'run')} {_was(len(odd))} not steady:"
        f" {'; '.join(named)}" + ("; ..." if len(odd) > NAMED else "") + ". series.csv has every second."
    ]


def flags(found: summary.Summary, flag: str) -> list[str]:
    """One sentence, where any run of any server has the flag."""
    points = [point for point in found.points if _has(found, point, flag)]
    if not points:
        return []
    axes = formatting.varying(found.points) or ["n", "c"]
    named = ", ".join(formatting.label(point, axes) for point in points[:NAMED])
    named += ", ..." if len(points) > NAMED else ""
    return [
        FLAGS[flag].format(f"{len(points)} of {wording.count(len(found.points), 'configuration')} ({named})")
    ]


def _has(found: summary.Summary, point: matrix.Point, flag: str) -> bool:
    return any(
        flag in found.entries[point, server].flags
        for server in found.servers
        if (point, server) in found.entries
    )
