"""The effect of nginx in front of a server: each server without nginx and with it, side by side."""

from typing import NamedTuple

from ..judge import stats, summary
from . import formatting

HEADS = (
    "point", "server", "req/s direct", "nginx", f"nginx / direct {formatting.JOINT}",
    f"ratio direct {formatting.JOINT}", f"nginx {formatting.JOINT}", f"CPU ratio direct {formatting.JOINT}",
    f"nginx {formatting.JOINT}",
)  # fmt: skip
LEFT = (0, 1, 4, 5, 6, 7, 8)


class Pair(NamedTuple):
    """One server at two points that differ in nothing but the proxy."""

    direct: summary.Entry
    proxied: summary.Entry
    change: stats.Estimate | None  # of throughput; the two share no block, so it is not paired


def pairs(found: summary.Summary) -> list[Pair]:
    """In the order of the points; none where every run had nginx, or none had."""
    made = []
    for point in found.points:
        for server in found.servers if point.proxy == "none" else ():
            direct = found.entries.get((point, server))
            proxied = found.entries.get((point._replace(proxy="nginx"), server))
            if direct and proxied:
                rates = ([run["rps"] for run in entry.runs if run["rps"]] for entry in (proxied, direct))
                made.append(Pair(direct, proxied, stats.unpaired(*rates)))
    changes = stats.family([pair.change for pair in made])
    return [pair._replace(change=change) for pair, change in zip(made, changes)]


def rows(found: summary.Summary) -> list[tuple]:
    """HEADS, then a row per pair; [] when there is nothing to show."""
    axes = [axis for axis in formatting.varying(found.points) if axis != "proxy"] or ["n", "c"]
    lines = [_row(pair, axes) for pair in pairs(found)]
    return [HEADS] + lines if lines else []


def _row(pair: Pair, axes: list[str]) -> tuple:
    both = pair.direct, pair.proxied
    rates = [
        formatting.significant(entry.median("rps")) + ("*" if entry.generator_bound else "") for entry in both
    ]
    ratios = [_ratio(entry.estimates.get(measure)) for measure in ("rps", "cpu") for entry in both]
    return formatting.label(pair.direct.point, axes), pair.direct.server, *rates, _ratio(pair.change), *ratios


def _ratio(estimate: stats.Estimate | None) -> str:
    return f"{formatting.ratio(estimate.ratio)} {formatting.interval(estimate)}" if estimate else ""


def text(found: summary.Summary) -> list[str]:
    """Lines for a terminal; none when there is nothing to show."""
    shown = rows(found)
    return (
        ["", f"what nginx in front changes; ratios to {found.baseline}"] + formatting.columns(shown, LEFT)
        if shown
        else []
    )
