"""The effect of nginx in front of a server: each server without nginx and with it, side by side."""

from typing import Callable, NamedTuple

from ..judge import stats, summary
from . import formatting

HEADS = (
    "point", "server", "req/s direct", "nginx", f"nginx / direct {formatting.JOINT}",
    f"ratio direct {formatting.JOINT}", f"nginx {formatting.JOINT}", f"CPU ratio direct {formatting.JOINT}",
    f"nginx {formatting.JOINT}",
)  # fmt: skip


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
    rates = [_rate(entry, formatting.significant) for entry in both]
    ratios = [_ratio(entry.estimates.get(measure)) for measure in ("rps", "cpu") for entry in both]
    return formatting.label(pair.direct.point, axes), pair.direct.server, *rates, _ratio(pair.change), *ratios


def _rate(entry: summary.Entry, number: Callable[[float | None], str]) -> str:
    return number(entry.median("rps")) + ("*" if entry.generator_bound else "")


def _ratio(estimate: stats.Estimate | None) -> str:
    return f"{formatting.ratio(estimate.ratio)} {formatting.interval(estimate)}" if estimate else ""


def text(found: summary.Summary) -> list[str]:
    """Lines for a terminal; none when there is nothing to show."""
    made = pairs(found)
    if not made:
        return []
    axes = [axis for axis in formatting.varying(found.points) if axis != "proxy"] or ["n", "c"]
    lines: list[tuple] = [("point", "server", "direct", "nginx", "nginx / direct")]
    lines += [
        (
            formatting.label(pair.direct.point, axes),
            pair.direct.server,
            *(_rate(entry, formatting.grouped) for entry in (pair.direct, pair.proxied)),
            _cell(pair.change, stats.verdict(pair.change)),
        )
        for pair in made
    ]
    out = ["", "What nginx in front changes: requests per second of each server"]
    out += formatting.narrow(lines, (0, 1, 4), 2, formatting.WIDTH)
    for measure, title in (("rps", "Requests per second"), ("cpu", "Server CPU per request")):
        lines = [("point", "server", "direct", "nginx")]
        lines += [
            (formatting.label(pair.direct.point, axes), pair.direct.server, *_cells(pair, measure))
            for pair in made
            if any(_cells(pair, measure))
        ]
        if len(lines) > 1:
            out += ["", f"{title}, ratio to {found.baseline}, without and with nginx"]
            out += formatting.narrow(lines, (0, 1, 2, 3), 2, formatting.WIDTH)
    return out


def _cells(pair: Pair, measure: str) -> list[str]:
    return [
        _cell(entry.estimates.get(measure), entry.verdicts.get(measure))
        for entry in (pair.direct, pair.proxied)
    ]


def _cell(estimate: stats.Estimate | None, word: str | None) -> str:
    return " ".join(formatting.cell(estimate, word)) if estimate else ""
