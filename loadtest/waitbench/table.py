"""The table at the end of a run, for a terminal."""

from . import whereabouts, words

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
    axes = words.varying(summary.points) or ["n", "c"]
    lines = [HEADS]
    for point in summary.points:
        for server in summary.servers:
            entry = summary.entries.get((point, server))
            if entry:
                lines.append(_line(entry, words.label(point, axes)))
    ran = whereabouts.sentence(summary.environment.get("ran"))
    heading = [f"all at {words.fixed(summary.points)}", f"ratios to {summary.base}, paired in blocks", ran]
    out = ["; ".join(filter(None, heading))] + columns(lines, LEFT)
    if any(entry.generator_bound for entry in summary.entries.values()):
        out.append("* wrk was the bottleneck: throughput is a lower bound, latencies are not compared")
    return "\n".join(out)


def _line(entry, label):
    mark = "*" if entry.generator_bound else ""
    return (
        label,
        entry.server,
        words.significant(entry.median("rps")) + mark,
        *_ratio(entry, "rps"),
        words.significant(entry.median("cpu_us_per_req")),
        *_ratio(entry, "cpu"),
        _milliseconds(entry.median("p50_us")),
        _milliseconds(entry.median("p99_us")),
        _mebibytes(entry.median("rss_kib")),
    )


def _ratio(entry, measure):
    estimate = entry.estimates.get(measure)
    if estimate is None:
        return "", ""
    verdict = words.verdict(measure, entry.verdicts[measure])
    return f"{words.ratio(estimate.ratio)} {words.interval(estimate)}", verdict


def _milliseconds(us):
    return words.significant(None if us is None else us / 1000)


def _mebibytes(kib):
    return words.significant(None if kib is None else kib / 1024)


def columns(lines, left):
    """Lines of cells, aligned: the columns in `left` are words, the others numbers. The first line is
    the heads, under which a line is drawn; a first cell that repeats (the point) is shown once."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    out, last = [], None
    for line in lines:
        cells = ("",) + line[1:] if line[0] == last else line
        padded = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths))]
        out.append("  ".join(padded).rstrip())
        last = line[0]
    out.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return out
