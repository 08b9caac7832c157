"""The table of loadtest/generators-compared, for a terminal and for Markdown."""

from typing import Iterable

from ..judge import generators_compared, stats
from . import formatting

HEAD = (
    "server",
    "c",
    "generator",
    "requests/s",
    "pace's requests/s, of these [joint 95%]",
    "CPU of the generator, µs per request",
    "pace's CPU, of this [joint 95%]",
)


def _ratio(estimate: stats.Estimate | None) -> str:
    return f"{estimate.ratio:.3f} {formatting.interval(estimate)}" if estimate else ""


def rows(figures: Iterable[generators_compared.Figure]) -> list[tuple[str, ...]]:
    return [
        (
            entry.server,
            str(entry.c),
            entry.generator,
            f"{entry.per_s:,.0f}",
            _ratio(entry.rate),
            f"{entry.cpu_us:.2f}",
            _ratio(entry.cpu),
        )
        for entry in generators_compared.entries(figures)
    ]


def text(figures: Iterable[generators_compared.Figure]) -> str:
    return "\n".join(formatting.columns([HEAD, *rows(figures)], (1, 3, 5)))
