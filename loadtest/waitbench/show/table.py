"""The table at the end of a run, for a terminal."""

from ..observe import deployment
from . import formatting, proxy_comparison

HEADS = (
    "point",
    "server",
    "req/s",
    "ratio [95%]",
    "verdict",
    "CPU us/req",
    "ratio [95%]",
    "verdict",
    "p50 ms",
    "p99 ms",
    "RSS MiB",
)
LEFT = (0, 1, 3, 4, 6, 7)  # these columns are words; the others are numbers and stand to the right


def text(summary):
    axes = formatting.varying(summary.points) or ["n", "c"]
    lines = [HEADS]
    for point in summary.points:
        for server in summary.servers:
            entry = summary.entries.get((point, server))
            if entry:
                lines.append(_line(entry, formatting.label(point, axes)))
    ran = deployment.sentence(summary.environment.get("ran"))
    heading = [
        f"all at {formatting.fixed(summary.points)}",
        f"ratios to {summary.base}, paired in blocks",
        ran,
    ]
    out = ["; ".join(filter(None, heading))] + formatting.columns(lines, LEFT)
    if any(entry.generator_bound for entry in summary.entries.values()):
        out.append("* wrk was the bottleneck: throughput is a lower bound, latencies are not compared")
    return "\n".join(out + proxy_comparison.text(summary))


def _line(entry, label):
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


def _ratio(entry, measure):
    estimate = entry.estimates.get(measure)
    if estimate is None:
        return "", ""
    verdict = formatting.verdict(measure, entry.verdicts[measure])
    return f"{formatting.ratio(estimate.ratio)} {formatting.interval(estimate)}", verdict


def _milliseconds(us):
    return formatting.significant(None if us is None else us / 1000)


def _mebibytes(kib):
    return formatting.significant(None if kib is None else kib / 1024)
