"""The tables of report.html: a table for each measure, and the other medians."""

from ..judge import summary
from . import by_language, formatting, html_parts
from .pictures import groups

HEADS = {"rps": "Requests per second", "cpu": "Server CPU per request, µs", "p99": "p99 latency, ms"}
DIVIDE = {"p99": 1000}
OTHERS = (
    ("p50, ms", "p50_us", 1000), ("p99, ms", "p99_us", 1000), ("p99.9, ms", "p999_us", 1000),
    ("resident, MiB", "rss_kib", 1024), ("kernel, MiB", "kernel_kib", 1024), ("threads", "threads", 1),
    ("voluntary switches per request", "ctx_voluntary_per_req", 1),
)  # fmt: skip


def section(found: summary.Summary) -> str:
    parts = []
    for measure in found.measures:
        parts.append(f"<h3>{html_parts.text(HEADS[measure.name])}</h3>{_ratios(found, measure)}")
    parts.append(f"<h3>Latencies, memory, switches</h3>{_others(found)}")
    note = (
        f"Medians over the blocks; ratios to {html_parts.text(found.baseline)} with their joint 95% interval. In brackets:"
        " about how many blocks would tell. <code>summary.csv</code> has more columns, <code>runs.csv</code> every run."
    )
    if any(entry.generator_bound for entry in found.entries.values()):
        note += " * the load generator was the bottleneck: throughput is a lower bound, and latencies are not compared."
    return html_parts.section("Numbers", "".join(parts), note, "numbers")


def _begin(found: summary.Summary, entry: summary.Entry) -> list[str]:
    label = formatting.label(entry.point, formatting.varying(found.points) or ["n", "c"])
    return [
        label + (" *" if entry.generator_bound else ""),
        entry.server,
        *by_language.cells(found, entry.server),
    ]


def _ratios(found: summary.Summary, measure: summary.Measure) -> str:
    rows = [
        ["point", "server", *by_language.heads(found), "median", "ratio", "joint 95% interval", "verdict"]
    ]
    for entry in groups.entries(found):
        value, estimate = entry.median(measure.column), entry.estimates.get(measure.name)
        shown = formatting.significant(None if value is None else value / DIVIDE.get(measure.name, 1))
        cells = ["", "", "baseline" if entry.server == found.baseline else "not compared"]
        if estimate:
            verdict = formatting.decision(measure.name, estimate, entry.verdicts[measure.name])
            cells = [formatting.ratio(estimate.ratio), formatting.interval(estimate), verdict]
        rows.append([*_begin(found, entry), shown, *cells])
    words = (*range(2, 2 + len(by_language.heads(found))), len(rows[0]) - 1)
    return html_parts.table(rows, HEADS[measure.name], words=words)


def _others(found: summary.Summary) -> str:
    rows = [["point", "server", *by_language.heads(found), *(title for title, _, _ in OTHERS)]]
    for entry in groups.entries(found):
        values = ((entry.median(column), unit) for _, column, unit in OTHERS)
        shown = [formatting.significant(None if value is None else value / unit) for value, unit in values]
        rows.append([*_begin(found, entry), *shown])
    return html_parts.table(
        rows, "Latencies, memory, switches", words=range(2, 2 + len(by_language.heads(found)))
    )
