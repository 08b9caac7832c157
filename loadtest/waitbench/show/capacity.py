"""The capacities at an objective, as a table: on the terminal, in the report and in documents."""

import re
import textwrap
from typing import Callable

from ..judge import capacities, capacity, summary
from ..plan.matrix import Point
from . import formatting, wording

HEADS = ("configuration", "server", "capacity, req/s [95%]", "ratio", "verdict")
LEFT = (0, 1, 2, 3, 4)


def title(found: summary.Summary) -> str:
    return f"capacity, the highest rate with a p99 of at most {objective(found)}"


def objective(found: summary.Summary) -> str:
    """10 ms"""
    return (
        " or ".join(f"{ms:g}" for ms in sorted({entry.slo_ms for entry in found.capacities.values()})) + " ms"
    )


def rows(
    found: summary.Summary, has: Callable[[Point, str], bool] = lambda point, server: True
) -> list[tuple[str, ...]]:
    """A row for each configuration and server that is wanted; [] where no capacity was searched for."""
    points = summary.in_order({point for point, _ in found.capacities})
    axes = formatting.varying(points) or ["n", "c"]
    return [
        (formatting.label(point, axes), server, figure(entry), ratio(entry), verdict(found, entry))
        for point in points
        for server in found.servers
        if (entry := found.capacities.get((point, server))) and has(point, server)
    ]


def figure(entry: capacities.Entry) -> str:
    """8120 [7990, 8250]; `at least` where only a bound is known, `none` where no rate met the objective."""
    mean = entry.mean
    if mean is None:
        word, blocks = "none" if capacity.NONE in entry.bounds else "not known", len(entry.found)
        return f"{word} in {blocks - len(entry.values)} of {blocks} blocks" if entry.values else word
    least = "at least " if entry.bounds else ""
    low, high = mean.interval()
    reach = "one block" if low is None else ", ".join(map(formatting.significant, (low, high)))
    return f"{least}{formatting.significant(mean.ratio)} [{reach}]"


def ratio(entry: capacities.Entry) -> str:
    estimate = entry.estimate
    return f"{formatting.ratio(estimate.ratio)} {formatting.interval(estimate)}" if estimate else ""


def verdict(found: summary.Summary, entry: capacities.Entry) -> str:
    if entry.estimate is None and entry.server == found.baseline:
        return ""
    return formatting.decision("capacity", entry.estimate, entry.verdict)


def notes(found: summary.Summary) -> list[str]:
    """The meaning of the bounds: which server ended at one, and where."""
    points = list({point for point, _ in found.capacities})
    axes = formatting.varying(points) or ["n", "c"]
    said: dict[str, list[str]] = {}
    for (point, server), entry in found.capacities.items():
        for bound in entry.bounds:
            where = f"{server} at {formatting.label(point, axes)}"
            said.setdefault(capacities.MEANING.get(bound, bound), []).append(where)
    return [
        f"{meaning}: {', '.join(places[:3])}{', ...' if len(places) > 3 else ''}; not compared there"
        for meaning, places in said.items()
    ]


def text(found: summary.Summary) -> list[str]:
    """Lines for the terminal; [] where no capacity was searched for."""
    shown = rows(found)
    if not shown:
        return []
    points = summary.in_order({point for point, _ in found.capacities})
    same = formatting.fixed(points)
    heading = f"{title(found)[0].upper()}{title(found)[1:]}{f'; all at {same}' if same else ''}"
    lines = [("configuration", "server", "requests/s [95%]", f"vs {wording.short(found, found.baseline)}")]
    for point in points:
        for server in found.servers:
            if entry := found.capacities.get((point, server)):
                own = shown[len(lines) - 1]
                lines.append((own[0], server, _narrow(figure(entry)), _cell(found, entry)))
    table = formatting.narrow(lines, (0, 1, 2, 3), 2, formatting.WIDTH)
    notes_ = [line for note in notes(found) for line in _wrapped(f"{note[0].upper()}{note[1:]}.")]
    return ["", *_wrapped(heading), *table, *notes_]


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, formatting.WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _narrow(text: str) -> str:
    """With its thousands apart, and its interval without a comma."""
    return re.sub(r"\d{4,}", lambda found: f"{int(found[0]):,}", text.replace(",", ""))


def _cell(found: summary.Summary, entry: capacities.Entry) -> str:
    if entry.estimate is None:
        return verdict(found, entry)
    return " ".join(formatting.cell(entry.estimate, entry.verdict))


def explained(found: summary.Summary) -> list[str]:
    """An open loop explained, for the heading of the findings; [] for a closed one."""
    if not found.is_open:
        return []
    arrivals = (found.environment.get("settings") or {}).get("ARRIVALS") or "poisson"
    return [
        f"Open loop: requests arrive at a set rate ({arrivals}), whatever the server does, and their latency counts from"
        " the moment they were due. LOAD is in percent of what the slowest server does in a closed loop. All servers get the"
        " same rate, so what is compared is latency, CPU and capacity."
    ]


def sentences(found: summary.Summary, server: str) -> list[str]:
    """The findings about one server's capacities; [] where none was searched for."""
    entries = [entry for entry in found.capacities.values() if entry.server == server]
    if not entries:
        return []
    axes = formatting.varying(sorted({entry.point for entry in entries}, key=str)) or ["n", "c"]
    known = [entry for entry in entries if entry.estimate]
    said = [_compared(found, known, axes)] if known else []
    apart = [formatting.label(entry.point, axes) for entry in entries if not entry.estimate]
    if apart:
        said.append(
            f"not compared at {', '.join(apart)}, where only a bound of a capacity is known, or no block has both"
        )
    return [f"{title(found)[0].upper()}{title(found)[1:]}: {'; '.join(said)}"]


def _compared(found, entries, axes):
    """One configuration: both capacities and the ratio. Several: the extremes, and how many have which verdict."""
    if len(entries) == 1:
        (entry,) = entries
        both = (found.capacities[entry.point, server] for server in (entry.server, found.baseline))
        own, other = (formatting.significant(each.mean.ratio) for each in both)
        word = formatting.decision("capacity", entry.estimate, entry.verdict)
        return f"{own} for {other} requests per second, {ratio(entry)}, {word}"
    ordered = sorted(entries, key=lambda entry: entry.estimate.ratio)
    ends = (f"{ratio(entry)} ({formatting.label(entry.point, axes)})" for entry in (ordered[0], ordered[-1]))
    tally = formatting.tally("capacity", [entry.verdict for entry in entries], "configurations")
    return f"{' to '.join(ends)}; {tally}"
