"""The output of loadtest/estimate: a sentence, a table for each measure, and how far to trust them. 80 columns."""

import textwrap
from typing import Iterator, Sequence

from ..judge.cost_data import DATABASE, GENERATOR, MEMORY, RATE, SERVER
from ..judge.cost_model import Estimate, Model
from ..judge.cost_terms import Configuration
from ..observe.deployment import listed
from . import aligned, estimate_notes, formatting
from .estimate_words import LIMITS, MIB, SURE, WORDS, error, limit, named, number, ratio, shown

WIDTH = 80
Estimates = dict[str, Estimate]


def text(model: Model, asked: Configuration) -> tuple[str, bool]:
    """(what is printed, whether no figure is missing because it lies outside of what was measured)"""
    estimates = {name: model.estimate(name, asked) for name in model.servers}
    refused = list(refusals(model, asked))
    paragraphs = [sentence(model.baseline, asked, estimates), *refused]
    out = [line for paragraph in paragraphs if paragraph for line in wrapped(paragraph)]
    for table in _tables(model, estimates):
        out += ["", *table]
    out += [""] + [line for note in estimate_notes.notes(model, asked, estimates) for line in wrapped(note)]
    return "\n".join(out), not refused


def wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, WIDTH, break_long_words=False, break_on_hyphens=False)


def sentence(base: str, asked: Configuration, estimates: Estimates) -> str:
    """Which servers would answer more than the baseline, for what CPU, and what bounds them. Empty where nothing
    is known."""
    rates = {name: each.figures[RATE] for name, each in estimates.items() if RATE in each.figures}
    if not rates:
        return ""
    lead = f"At {named(asked)}, "
    if base in rates and len(rates) > 1:
        lead += against(estimates, RATE, base, "answer more requests per second than", "answer fewer than")
        cpu = against(estimates, SERVER, base, "need more than", "need less than")
        lead += f". Of CPU per request, {cpu}."
    else:
        each = [
            f"{name} would answer {number(figure.value)} requests per second"
            for name, figure in rates.items()
        ]
        lead += f"{listed(each)}."
    met = dict.fromkeys(limit(each.bound, asked) for each in estimates.values() if each.bound)
    return f"{lead} Throughput would be bound by {listed(list(met))}."


def against(estimates: Estimates, measure: str, base: str, more: str, less: str) -> str:
    groups: dict[str, list[str]] = {}
    for name, estimate in estimates.items():
        if found := estimate.ratios.get(measure):
            words = more if found.low > 1 else less if found.high < 1 else ""
            groups.setdefault(words, []).append(f"{name} ({formatting.ratio(found.value)})")
    parts = [f"{listed(names)} would {words} {base}" for words, names in groups.items() if words]
    if "" in groups:
        parts.append(f"the model cannot tell for {listed(groups[''])}")
    return "; ".join(parts)


def refusals(model: Model, asked: Configuration) -> Iterator[str]:
    """A sentence for each axis on which nothing was measured so far out."""
    lost: dict[tuple[str, int, int], dict[str, list[str]]] = {}
    for name, server in model.servers.items():
        for measure in server.spreads:
            for axis in server.outside(asked, measure):
                key = axis, server.axes[axis][0], server.axes[axis][-1]
                lost.setdefault(key, {}).setdefault(name, []).append(measure)
    for (axis, low, high), servers in lost.items():
        measures = list(dict.fromkeys(measure for some in servers.values() for measure in some))
        of = "" if len(servers) == len(model.servers) else f" for {listed(list(servers))}"
        but = "" if MEMORY in measures else " but of memory"
        reach = f"was only {low}" if low == high else f"reached from {low} to {high}"
        yield (
            f"{axis.upper()}={getattr(asked, axis)} is outside of the measured range: {WORDS[axis]} {reach}:"
            f" no estimate{of}{but}."
        )


def _tables(model: Model, estimates: Estimates) -> Iterator[list[str]]:
    for measure, head in ((RATE, "requests/s"), (SERVER, "server CPU, us")):
        yield from _table(
            ["server", f"{head} [{SURE}]", f"vs {model.baseline} [{SURE}]", "limit", "error"],
            list(_compared(model, estimates, measure)),
        )
    parts = (DATABASE, GENERATOR)
    rows: list[tuple[str, ...]] = []
    for name, each in estimates.items():
        spreads = model.servers[name].spreads
        known = [(m, each.figures.get(m)) for m in parts]
        cells = [cell for m, found in known for cell in (shown(found), error(spreads[m]) if found else "")]
        if any(m in each.figures for m in parts):
            rows.append((name, *cells))
    yield from _table(["server", *(each for m in parts for each in (f"{m} CPU [{SURE}]", "error"))], rows)
    rows = [
        (
            name,
            shown(each.latency, 1000),
            shown(each.figures[MEMORY], MIB),
            error(model.servers[name].spreads[MEMORY]),
            number(per_connection(model, name)),
        )
        for name, each in estimates.items()
        if MEMORY in each.figures
    ]
    heads = ["server", f"mean latency, ms [{SURE}]", f"memory, MiB [{SURE}]", "error", "KiB/connection"]
    yield from _table(heads, rows)


def _compared(model: Model, estimates: Estimates, measure: str) -> Iterator[tuple[str, ...]]:
    stars = measure == RATE and any(each.generator_bound for each in estimates.values())
    for name, each in estimates.items():
        if measure in each.figures:
            star = ("*" if each.generator_bound else " ") if stars else ""
            limit = LIMITS[each.bound][0] if each.bound and measure == RATE else ""
            spread = model.servers[name].spreads[measure]
            yield name, shown(each.figures[measure]) + star, ratio(each.ratios.get(measure)), limit, error(
                spread
            )


def per_connection(model: Model, name: str) -> float:
    costs = model.servers[name].costs[MEMORY]
    return float(costs.each[costs.terms.index("connection")]) if "connection" in costs.terms else 0.0


def _table(head: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Iterator[list[str]]:
    """Without the columns that are empty."""
    if rows:
        kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
        yield aligned.columns([tuple(line[i] for i in kept) for line in [head, *rows]], (0,))
