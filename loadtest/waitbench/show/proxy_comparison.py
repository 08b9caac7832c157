"""What nginx in front changes: each server without it and with it, side by side."""

from typing import NamedTuple

from ..judge import stats
from . import formatting

HEADS = (
    "point", "server", "req/s direct", "behind", "behind / direct [95%]",
    "ratio direct [95%]", "behind [95%]", "CPU ratio direct [95%]", "behind [95%]",
)  # fmt: skip
LEFT = (0, 1, 4, 5, 6, 7, 8)


class Pair(NamedTuple):
    """One server at two points that are alike but for the proxy, as two summary.Entry."""

    direct: object
    behind: object
    change: stats.Estimate | None  # of throughput; the two share no block, so it is not paired


def pairs(found):
    """In the order of the points; none where a run was made with nginx alone, or without."""
    made = []
    for point in found.points:
        for server in found.servers if point.proxy == "none" else ():
            direct = found.entries.get((point, server))
            behind = found.entries.get((point._replace(proxy="nginx"), server))
            if direct and behind:
                rates = ([run["rps"] for run in entry.runs if run["rps"]] for entry in (behind, direct))
                made.append(Pair(direct, behind, stats.unpaired(*rates)))
    return made


def rows(found):
    """HEADS, then a row a pair; [] when there is nothing to show."""
    axes = [axis for axis in formatting.varying(found.points) if axis != "proxy"] or ["n", "c"]
    lines = [_row(pair, axes) for pair in pairs(found)]
    return [HEADS] + lines if lines else []


def _row(pair, axes):
    both = pair.direct, pair.behind
    rates = [
        formatting.significant(entry.median("rps")) + ("*" if entry.generator_bound else "") for entry in both
    ]
    ratios = [_ratio(entry.estimates.get(measure)) for measure in ("rps", "cpu") for entry in both]
    return formatting.label(pair.direct.point, axes), pair.direct.server, *rates, _ratio(pair.change), *ratios


def _ratio(estimate):
    return f"{formatting.ratio(estimate.ratio)} {formatting.interval(estimate)}" if estimate else ""


def text(found):
    """For a terminal; lines, none when there is nothing to show."""
    shown = rows(found)
    return (
        ["", f"what nginx in front changes; ratios to {found.base}"] + formatting.columns(shown, LEFT)
        if shown
        else []
    )
