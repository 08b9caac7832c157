"""Findings of a run with servers in several languages: what the model changes inside one language, and what the
language changes inside one model.

Which servers are compared follows from language and model (judge/languages.py), never from a name. All ratios are
paired in blocks. A family (stats.family) is one measure of all comparisons that one table shows: what is said of the
largest of them, or of how many there are, holds with 95% confidence, too.
"""

import dataclasses
import math
from typing import Iterable, NamedTuple, Sequence

from ..plan import matrix
from . import soundness, stats, summary
from .languages import THREADS, plain

TENFOLD = 10.0
# Where the other language has no server of that model: what is nearest to it. Any other async model comes after these.
NEAREST = {
    "stackful coroutines": "virtual threads",
    "virtual threads": "stackful coroutines",
    "async/await": "event loop",
    "event loop": "async/await",
    "event loop and threads": "event loop",
}


class Couple(NamedTuple):
    server: str
    base: str


@dataclasses.dataclass
class Comparison:
    """One server with another at one point."""

    point: matrix.Point
    couple: Couple
    bound: tuple[bool, bool]  # whether the generator was the bottleneck of the server, and of the other one
    logs: dict[str, list[float]]  # measure -> paired log ratios
    estimates: dict[str, stats.Estimate | None] = dataclasses.field(default_factory=dict)
    verdicts: dict[str, str | None] = dataclasses.field(default_factory=dict)


class Tally(NamedTuple):
    """Of so many comparisons, those whose interval lies beyond ten times, those whose interval lies within, and those
    that do not tell."""

    total: int
    beyond: int
    within: int
    open: int


class Behind(NamedTuple):
    """The same comparison without nginx and behind it. The two share no block, so `change` is not paired."""

    direct: Comparison
    proxied: Comparison
    change: dict[str, stats.Estimate | None]  # measure -> ratio behind nginx to ratio without


class Discarded(NamedTuple):
    """The unsound runs of one server that were so by themselves, not because another's in their block was."""

    server: str
    runs: int
    words: dict[str, int]  # of soundness.REASONS -> how many
    example: str


def measures(found: summary.Summary) -> tuple[summary.Measure, summary.Measure]:
    """The measures compared: throughput (of an open loop p99), and CPU per request."""
    return found.lead, summary.MEASURES[1]


def reference(found: summary.Summary) -> str:
    """The language that others are compared with: the baseline's, or else the first."""
    return next((found.kinds[server].language for server in found.servers if server in found.kinds), "none")


def inside(found: summary.Summary) -> list[Couple]:
    """Each async server with the first one of its language that waits by threads."""
    threads: dict[str, str] = {}
    for server in _plain(found):
        if found.kinds[server].model == THREADS:
            threads.setdefault(found.kinds[server].language, server)
    return [
        Couple(server, threads[kind.language])
        for server, kind in ((server, found.kinds[server]) for server in _plain(found))
        if kind.model != THREADS and kind.language in threads
    ]


def between(found: summary.Summary) -> list[Couple]:
    """Each server of another language with that one of the reference language whose model is the same or nearest."""
    own = [server for server in _plain(found) if found.kinds[server].language == reference(found)]
    couples = []
    for server in _plain(found):
        if server not in own and (base := _nearest(found, found.kinds[server].model, own)):
            couples.append(Couple(server, base))
    return couples


def variants(found: summary.Summary) -> list[Couple]:
    """Each variant with the same server without it."""
    return [
        Couple(server, plain(server))
        for server in found.servers
        if plain(server) != server and plain(server) in found.servers
    ]


def _plain(found: summary.Summary) -> list[str]:
    return [server for server in found.servers if server in found.kinds and plain(server) == server]


def _nearest(found: summary.Summary, model: str, servers: Iterable[str]) -> str | None:
    """Threads are compared with threads only."""
    by_model: dict[str, str] = {}
    for server in servers:
        by_model.setdefault(found.kinds[server].model, server)
    if model == THREADS or model in by_model:
        return by_model.get(model)
    by_model.pop(THREADS, None)
    return by_model.get(NEAREST.get(model, "")) or next(iter(by_model.values()), None)


def direct(found: summary.Summary) -> list[matrix.Point]:
    """The points without nginx; all, where each had nginx in front."""
    return [point for point in found.points if point.proxy == "none"] or found.points


def compare(
    found: summary.Summary, couples: Sequence[Couple], points: Sequence[matrix.Point]
) -> list[Comparison]:
    """By point, then by couple, where the two share a block; one family for each measure."""
    made = []
    for point in points:
        for couple in couples:
            entry, base = (found.entries.get((point, server)) for server in couple)
            if entry and base:
                made.append(_one(found, couple, entry, base))
    made = [one for one in made if any(one.logs.values())]
    for measure in measures(found):
        estimates = stats.family([stats.of_logs(one.logs[measure.name]) for one in made])
        for one, estimate in zip(made, estimates):
            one.estimates[measure.name] = estimate
            one.verdicts[measure.name] = stats.verdict(estimate, measure.more_is_better)
    return made


def _one(found, couple, entry, base):
    logs = {}
    for measure in measures(found):
        values, bases = summary.pairs(entry, base, measure)
        logs[measure.name] = [math.log(a / b) for a, b in zip(values, bases)]
    return Comparison(entry.point, couple, (entry.generator_bound, base.generator_bound), logs)


def means(comparisons: Iterable[Comparison], measure: summary.Measure) -> dict[Couple, stats.Estimate]:
    """The geometric mean over the points of each couple; all couples are one family."""
    groups: dict[Couple, list[list[float]]] = {}
    for one in comparisons:
        if logs := one.logs[measure.name]:
            groups.setdefault(one.couple, []).append(logs)
    estimates = stats.family([stats.combined(logs) for logs in groups.values()])
    return {couple: estimate for couple, estimate in zip(groups, estimates) if estimate}


def tally(comparisons: Iterable[Comparison], measure: summary.Measure) -> Tally:
    """How many are ten times apart. With the generator as the bottleneck a server does more than was measured, so a
    ratio that it makes nearer to 1 says nothing of what lies within."""
    beyond = within = total = 0
    for one in comparisons:
        if not (estimate := one.estimates[measure.name]):
            continue
        total += 1
        low, high = estimate.low, estimate.high
        if low is None or high is None:
            continue
        upper, lower = one.bound if measure == summary.THROUGHPUT else (False, False)
        if low >= TENFOLD and not lower or high <= 1 / TENFOLD and not upper:
            beyond += 1
        elif 1 / TENFOLD < low and high < TENFOLD and not upper and not lower:
            within += 1
    return Tally(total, beyond, within, total - beyond - within)


def extremes(
    comparisons: Iterable[Comparison], measure: summary.Measure
) -> tuple[Comparison, Comparison] | None:
    """(lowest, highest) ratio; None where nothing was compared."""
    known = [one for one in comparisons if one.estimates[measure.name]]
    if not known:
        return None
    known.sort(key=lambda one: one.estimates[measure.name].mean)  # type: ignore[union-attr]
    return known[0], known[-1]


def furthest(comparisons: Iterable[Comparison], measure: summary.Measure) -> Comparison | None:
    """The one whose ratio is furthest from 1, in either direction."""
    known = [one for one in comparisons if one.estimates[measure.name]]
    return max(known, key=lambda one: abs(one.estimates[measure.name].mean), default=None)  # type: ignore[union-attr]


def behind(found: summary.Summary, couples: Sequence[Couple]) -> list[Behind]:
    """Where both were measured; one family for each measure."""
    without = [point for point in found.points if point.proxy == "none"]
    twins = {one._replace(proxy="nginx"): one for one in without}
    proxied = {
        (twins[one.point], one.couple): one
        for one in compare(found, couples, [point for point in found.points if point in twins])
    }
    both = [
        (one, proxied[one.point, one.couple])
        for one in compare(found, couples, without)
        if (one.point, one.couple) in proxied
    ]
    changes: list[dict[str, stats.Estimate | None]] = [{} for _ in both]
    for measure in measures(found):
        estimates = [
            stats.apart(after.logs[measure.name], before.logs[measure.name]) for before, after in both
        ]
        for change, estimate in zip(changes, stats.family(estimates)):
            change[measure.name] = estimate
    return [Behind(before, after, change) for (before, after), change in zip(both, changes)]


def discarded(found: summary.Summary) -> list[Discarded]:
    """By server, in the order of the run."""
    rows: dict[str, list[str]] = {}
    for row in found.discarded:
        word = row["reason"].partition(":")[0]
        if word in soundness.REASONS and word != "interrupted":
            rows.setdefault(row["server"], []).append(row["reason"])
    return [
        Discarded(server, len(reasons), _words(reasons), reasons[0].partition(": ")[2])
        for server, reasons in rows.items()
    ]


def _words(reasons: list[str]) -> dict[str, int]:
    words = [reason.partition(":")[0] for reason in reasons]
    return {word: words.count(word) for word in dict.fromkeys(words)}


def without_a_run(found: summary.Summary) -> list[str]:
    """Servers of the run that have no sound run at any point."""
    return [name for name in found.environment.get("servers", ()) if name not in found.servers]


def left_out(found: summary.Summary) -> list[str]:
    """Servers of the list that were not asked for."""
    asked = {plain(name) for name in [*found.environment.get("servers", ()), *found.servers]}
    return [e["name"] for e in found.environment.get("server_list", ()) if e["name"] not in asked]
