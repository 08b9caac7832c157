"""The base of an estimate, and how far to trust it: the sentences below the tables of loadtest/estimate."""

import statistics
from typing import Iterator

from ..judge.cost_data import MEASURES, RATE
from ..judge.cost_model import AXES, Estimate, Model
from ..judge.cost_terms import Configuration
from ..observe.deployment import listed
from .estimate_words import NAMES, SURE, named, path


def notes(model: Model, asked: Configuration, estimates: dict[str, Estimate]) -> Iterator[str]:
    if any(each.figures for each in estimates.values()):
        yield (
            f"[{SURE}]: the interval that is to hold what a run would measure. CPU: us per request. error: median and"
            f" worst, on the {len(model.configurations)} configurations of the fit, each left out of it in turn. The"
            " worst are at the ends of the range, since the others do not reach that far."
        )
        yield accuracy(model)
        yield from doubts(model, asked)
    if any(each.bound for each in estimates.values()):
        yield (
            "limit: what throughput meets first: the CPUs, the database connections (pool) or the connections (C)."
            " Latency follows from throughput by Little's law."
        )
    starred = [name for name, each in estimates.items() if each.generator_bound and RATE in each.figures]
    if starred:
        yield (
            "*: a lower bound. At the nearest configuration that was measured, the load generator was the bottleneck of"
            f" {listed(starred)}."
        )
    fewest, most = model.runs
    runs = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    yield f"Fitted to {folders(model)}: POOL={asked.pool}, {runs} runs of each server at each configuration."
    yield from (f"{note}." for note in model.notes)


def folders(model: Model) -> str:
    """As a reader would name them."""
    return ", ".join(map(path, model.folders))


def accuracy(model: Model) -> str:
    """The error, over all servers."""
    parts = []
    for measure in MEASURES:
        spreads = [each.spreads[measure] for each in model.servers.values() if measure in each.spreads]
        if spreads:
            errors = [found for spread in spreads for found in spread.relative]
            within = sum(spread.within for spread in spreads) / len(errors)
            parts.append(f"{NAMES[measure]} {statistics.median(errors):.0%} ({within:.0%} inside)")
    return (
        "Median error on what was left out, and the share of it inside the interval that the rest states: "
        + ", ".join(parts)
        + "."
    )


def doubts(model: Model, asked: Configuration) -> Iterator[str]:
    """The base of an estimate, where that is small."""
    measured = sorted(model.configurations)
    if asked in measured:
        yield f"{named(asked)} was measured: its own runs say more than this model."
    for axis in AXES:
        value = getattr(asked, axis)
        found = sorted({getattr(each, axis) for each in measured} - ({0} if axis == "n" else set()))
        if len(found) == 2 and found[0] < value < found[1]:
            yield f"{axis.upper()}={value} rests on a line between {found[0]} and {found[1]}, the only values measured."
    for axis in "wdt":
        where = [each for each in measured if getattr(each, axis)]
        places = list(dict.fromkeys(f"N={each.n} M={each.m} C={each.c}" for each in where))
        if getattr(asked, axis) and f"N={asked.n} M={asked.m} C={asked.c}" not in places and len(places) < 4:
            yield f"{axis.upper()} was measured at {listed(places)} alone: elsewhere the estimate rests on the model's form."
