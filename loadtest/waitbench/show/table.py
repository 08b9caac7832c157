"""The table at the end of a run, for a terminal."""

from ..judge import reference, summary
from . import formatting, proxy_comparison

HEADS = (
    "point",
    "server",
    "req/s",
    f"ratio {formatting.JOINT}",
    "verdict",
    "CPU us/req",
    f"ratio {formatting.JOINT}",
    "verdict",
    "p50 ms",
    "p99 ms",
    "RSS MiB",
)
LEFT = (0, 1, 3, 4, 6, 7)  # these columns are words; the others are numbers, aligned to the right


def text(found: summary.Summary) -> str:
    axes = formatting.varying(found.points) or ["n", "c"]
    lines: list[tuple] = [HEADS]
    for point in found.points:
        for server in found.servers:
            entry = found.entries.get((point, server))
            if entry:
                lines.append(_line(entry, formatting.label(point, axes)))
    ran, same = formatting.arrangement(found.environment), formatting.fixed(found.points)
    heading = [
        same and f"all at {same}",
        f"ratios to {found.baseline}, paired in blocks",
        ran,
    ]
    out = ["; ".join(filter(None, heading))] + formatting.columns(lines, LEFT)
    if refused := reference.refused(found.environment):
        out.append(refused)
    if any(entry.generator_bound for entry in found.entries.values()):
        out.append("* wrk was the bottleneck: throughput is a lower bound, latencies are not compared")
    if found.compared:
        out.append(formatting.JOINTLY)
    if any(e and e.blocks_needed for entry in found.compared for e in entry.estimates.values()):
        out.append(formatting.OPEN)
    return "\n".join(out + proxy_comparison.text(found))


def _line(entry: summary.Entry, label: str) -> tuple:
    mark = "*" if entry.generator_bound else ""
    return (
        label,
        entry.server,
        formatting.significant(entry.median("rps")) + mark,
        *_ratio(entry, "rps"),
        formatting.significant(entry.median("cpu_us_per_req")),
        *_ratio(entry, "cpu"),
        _milliseconds(entry.median("p50_us")),
        _milliseconds(entry.median("p99_us")),
        _mebibytes(entry.median("rss_kib")),
    )


def _ratio(entry: summary.Entry, measure: str) -> tuple[str, str]:
    estimate = entry.estimates.get(measure)
    if estimate is None:
        return "", ""
    verdict = formatting.decision(measure, estimate, entry.verdicts[measure])
    return f"{formatting.ratio(estimate.ratio)} {formatting.interval(estimate)}", verdict


def _milliseconds(us: float | None) -> str:
    return formatting.significant(None if us is None else us / 1000)


def _mebibytes(kib: float | None) -> str:
    return formatting.significant(None if kib is None else kib / 1024)
