"""The tables of loadtest/saturation, for a terminal and for documents."""

from typing import Iterable, Sequence

from .. import ROOT, Failure
from ..judge import saturation, stats
from ..plan import server_list
from . import formatting
from .words import split

KNEES = [
    "t, ms",
    "server",
    "T_io, ms",
    "T_cpu, light load, µs",
    "1 + T_io / T_cpu",
    "T_cpu, busy, µs",
    "1 + T_io / T_cpu, busy",
    "measured: 95% of the best throughput at",
    "measured / predicted, busy",
    "best requests/s on one CPU",
]
WAITING = [
    "waiting requests",
    "server",
    "requests/s",
    "of {} [95%]",
    "server CPU, µs per request",
    "of {} [95%]",
    "mean, ms",
    "p99, ms",
    "of {} [95%]",
    "resident, MiB",
    "kernel, MiB",
    "threads",
]


def _with_interval(estimate: stats.Estimate, places: int = 0, unit: float = 1.0) -> str:
    value, low, high = estimate.ratio, estimate.low, estimate.high
    if low is None or high is None:
        return f"{value / unit:,.{places}f} [one block]"
    return f"{value / unit:,.{places}f} [{low / unit:,.{places}f}, {high / unit:,.{places}f}]"


def _ratio(estimate: stats.Estimate | None) -> str:
    return _with_interval(estimate, 2) if estimate else ""


def knees(figures: Sequence[saturation.Figure]) -> tuple[list[str], list[list[str]]]:
    """Head and rows."""
    names = in_order(figure.server for figure in figures)
    found = sorted(saturation.knees(figures), key=lambda knee: (knee.t, names.index(knee.server)))
    return KNEES, [
        [
            str(knee.t),
            knee.server,
            _with_interval(knee.wait_us, 2, 1000),
            _with_interval(knee.cpu_us, 1),
            _with_interval(knee.predicted),
            _with_interval(knee.busy_cpu_us, 1),
            _with_interval(knee.busy_predicted),
            _with_interval(knee.measured),
            _with_interval(knee.ratio, 2),
            _with_interval(knee.best_per_s),
        ]
        for knee in found
    ]


def in_order(names: Iterable[str]) -> list[str]:
    """As servers.csv has them, the baseline first."""
    listed = server_list.read(None).names
    return sorted(
        set(names), key=lambda name: (name not in listed, listed.index(name) if name in listed else 0)
    )


def waiting(figures: Sequence[saturation.Figure]) -> tuple[list[str], list[list[str]]]:
    """Head and rows."""
    names = in_order(figure.server for figure in figures)
    lines = saturation.waiting(figures, names[0] if names else "")
    found = sorted(lines, key=lambda line: (line.t, line.c, names.index(line.server)))
    return [head.format(names[0] if names else "") for head in WAITING], _rows(found)


def _rows(found: Iterable[saturation.Waiting]) -> list[list[str]]:
    return [
        [
            f"{line.c:,}",
            line.server,
            f"{line.per_s:,.0f}",
            _ratio(line.rate),
            f"{line.cpu_us:.1f}",
            _ratio(line.cpu),
            f"{line.mean_us / 1000:,.0f}",
            f"{line.p99_us / 1000:,.0f}",
            _ratio(line.p99),
            f"{line.rss_kib / 1024:,.0f}",
            f"{line.kernel_kib / 1024:,.0f}",
            f"{line.threads:,.0f}",
        ]
        for line in found
    ]


def text(figures: list[saturation.Figure]) -> str:
    both = [knees(figures), waiting(figures)]
    return "\n\n".join(
        "\n".join(formatting.columns([tuple(line) for line in [head, *rows]], (1,)))
        for head, rows in both
        if rows
    )


def cells(words: Iterable[str]) -> tuple[list[str], list[list[str]]]:
    """For loadtest/tables: FOLDER table=knee or table=waiting. Raises Failure."""
    folders, chosen = split(words, ("table",))
    table = chosen.get("table")
    if table not in saturation.PARTS or len(folders) != 1:
        raise Failure(
            f"a table of saturation names one folder, and table={' or table='.join(saturation.PARTS)}"
        )
    figures = saturation.read(ROOT / folders[0] / saturation.FILE)
    return knees(figures) if table == saturation.KNEE else waiting(figures)
