"""The table of loadtest/yardstick, for a terminal and for Markdown."""

from typing import Iterable

from ..judge import stats, yardstick
from . import formatting

PGBENCHES = (yardstick.PGBENCH, yardstick.PIPELINED)
HEAD = (
    "c",
    "n",
    "m",
    "",
    "requests/s",
    "queries/s of pgbench's; n=0: requests/s of nginx's [joint 95%]",
    "CPU, µs per request",
    "of nginx's [joint 95%]",
)


def _ratio(estimate: stats.Estimate | None) -> str:
    return f"{estimate.ratio:.2f} {formatting.interval(estimate)}" if estimate else ""


def rows(figures: Iterable[yardstick.Figure]) -> list[tuple[str, ...]]:
    """pgbench first; then, for each c, n after n and m after m."""
    found = sorted(
        yardstick.entries(figures),
        key=lambda e: (e.server not in PGBENCHES, e.c, e.n, e.m, e.server != yardstick.NGINX, e.server),
    )
    return [
        (
            str(entry.c),
            str(entry.n),
            str(entry.m or ""),
            entry.server,
            f"{entry.per_s:,.0f}",
            _ratio(entry.rate),
            f"{entry.cpu_us:,.1f}",
            _ratio(entry.cpu),
        )
        for entry in found
    ]


def text(figures: Iterable[yardstick.Figure]) -> str:
    return "\n".join(formatting.columns([HEAD, *rows(figures)], (3, 5, 7)))
