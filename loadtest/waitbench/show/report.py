"""report.html: one page that needs nothing else, neither network nor script. The answer comes first, then its
evidence: pictures, every number, and where it was measured."""

import html
import json
from pathlib import Path
from typing import Iterable

from ..base import results
from ..judge import reference, stats, summary
from . import charts, colours, findings, formatting, proxy_comparison

STYLE = (Path(__file__).with_name("report.css")).read_text
TABLE = (
    ("req/s", "rps"), ("CPU µs/req", "cpu_us_per_req"), ("p50 µs", "p50_us"), ("p99 µs", "p99_us"),
    ("RSS KiB", "rss_kib"), ("kernel KiB", "kernel_kib"), ("threads", "threads"),
    ("switches/req", "ctx_voluntary_per_req"),
)  # fmt: skip
HEADS = {"rps": "throughput", "cpu": "CPU", "p99": "p99"}


def write(folder: str | Path) -> Path:
    """Writes report.html into a results folder and returns its path."""
    folder = Path(folder)
    path = folder / "report.html"
    results.replace(path, page(summary.load(folder), folder.resolve().name).encode())
    return path


def page(found: summary.Summary, name: str) -> str:
    sections = [
        _answer(found),
        _ratios(found),
        _proxy(found),
        _axes(found),
        _latencies(found),
        _memory(found),
        _shares(found),
        _table(found),
        _method(found),
        _environment(found),
    ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>waitbench: {_text(name)}</title>
<style>
{STYLE()}{colours.style(found.servers, found.colours)}</style>
</head>
<body>
<main>
<h1>waitbench <small>{_text(name)}</small></h1>
{"".join(filter(None, sections))}
</main>
</body>
</html>
"""


def _text(value: object) -> str:
    return html.escape(str(value))


def _section(title: str, body: str, note: str = "") -> str:
    note = f"<p class='note'>{note}</p>" if note else ""
    return f"<section>\n<h2>{_text(title)}</h2>\n{note}{body}\n</section>\n"


def _answer(found: summary.Summary) -> str:
    answer = findings.find(found)
    parts = [f"<p>{_text(sentence)}</p>" for sentence in answer.heading]
    if refused := reference.refused(found.environment):
        parts.insert(0, f"<p><strong>{_text(refused[0].upper() + refused[1:])}.</strong></p>")
    for overall, axes in answer.servers:
        items = "".join(f"<li>{_text(axis)}</li>" for axis in axes)
        subject, colon, rest = overall.partition(":")
        parts.append(
            f"<p><strong>{_text(subject + colon)}</strong>{_text(rest)}</p>"
            + (f"<ul>{items}</ul>" if items else "")
        )
    parts += [f"<p class='note'>{_text(sentence)}</p>" for sentence in answer.footing]
    return _section("Answer", "\n".join(parts))


def _legend(found: summary.Summary, names: list[str] | None = None) -> str:
    marks = []
    for server in names or found.servers:
        class_, shape = charts.style(found, server)
        marks.append(
            f"<li><svg aria-hidden='true' viewBox='-6 -6 12 12' width='14' height='14'>"
            f"<path class='{class_}' d='{charts.svg.SHAPES[shape]}'/></svg> {_text(server)}</li>"
        )
    return f"<ul class='legend'>{''.join(marks)}</ul>"


def _figures(drawings: Iterable, class_: str = "figures") -> str:
    shown = "".join(f"<figure>{drawing}</figure>" for drawing in drawings if drawing)
    return f"<div class='{class_}'>{shown}</div>" if shown else ""


def _ratios(found: summary.Summary) -> str:
    pictures = []
    for measure in summary.MEASURES:
        drawing = charts.forest(found, measure)
        if drawing:
            pictures.append(f"<figure><figcaption>{_text(drawing.title)}</figcaption>{drawing}</figure>")
    if not pictures:
        return ""
    note = (
        "A mark is the mean ratio over the blocks of a point, its line the joint 95% interval; hollow: cannot"
        " tell."
        " The band is 5% to both sides of 1. The scale is logarithmic. Latencies are left out where wrk was the"
        " bottleneck (*) or the window too short."
    )
    return _section(
        "Ratios", _legend(found, found.servers[1:]) + f"<div class='figures'>{''.join(pictures)}</div>", note
    )


def _proxy(found: summary.Summary) -> str:
    rows = proxy_comparison.rows(found)
    if not rows:
        return ""
    heads = "".join(f"<th scope='col'>{_text(head)}</th>" for head in rows[0])
    body = ""
    for point, server, *cells in rows[1:]:
        values = "".join(f"<td>{_text(cell)}</td>" for cell in cells)
        body += f"<tr><td>{_text(point)}</td><th scope='row'>{_text(server)}</th>{values}</tr>"
    note = (
        f"Ratios and CPU ratios are to {_text(found.baseline)} at the same point, paired in blocks. nginx / direct is"
        " one server's throughput behind nginx to its own without; those runs share no block, so it is not paired. The CPU is"
        " the server's own, without nginx's."
    )
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    scroll = (
        f"<div class='scroll' tabindex='0' role='region' aria-label='With and without nginx'>{table}</div>"
    )
    return _section("What nginx in front changes", scroll, note)


def _axes(found: summary.Summary) -> str:
    parts = []
    for axis in formatting.varying(found.points):
        rows = [_figures(charts.along(found, axis, column), "small") for column in ("rps", summary.CPU)]
        if any(rows):
            parts.append(f"<h3>By {_text(formatting.AXES[axis])}</h3>{''.join(rows)}")
    if not parts:
        return ""
    note = "Medians, joined to guide the eye; every run is a dot. The vertical scale is logarithmic."
    return _section("Throughput and CPU", _legend(found) + "".join(parts), note)


def _latencies(found: summary.Summary) -> str:
    drawing = charts.latencies(found)
    note = (
        "Every mark is one run: percentiles are neither pooled nor averaged. Pale: not compared, since wrk was"
        " the bottleneck or the window too short."
    )
    return _section("Latency", _legend(found) + _figures([drawing], "wide"), note) if drawing else ""


def _memory(found: summary.Summary) -> str:
    drawings = charts.along(found, "c", "rss_kib", most=2) + charts.along(found, "c", "kernel_kib", most=2)
    note = (
        "In the middle of a run. Kernel memory (thread stacks, page tables, sockets) is in no process's resident"
        " memory."
    )
    return (
        _section("Memory by connections", _legend(found) + _figures(drawings, "small"), note)
        if drawings
        else ""
    )


def _shares(found: summary.Summary) -> str:
    drawing = charts.shares(found)
    if not drawing:
        return ""
    names = "".join(
        f"<li><i class='share-{part}'></i> {part}</li>"
        for part in ("server", "database", "wrk", "others", "idle")
    )
    note = (
        "Where the database takes most of the machine, a difference between servers shows little in throughput: look"
        " at the CPU per request."
    )
    return _section(
        "Where the CPU went", f"<ul class='legend'>{names}</ul>" + _figures([drawing], "wide"), note
    )


def _table(found: summary.Summary) -> str:
    heads = "".join(f"<th scope='col'>{_text(title)}</th>" for title, _ in TABLE)
    heads += "".join(
        f"<th scope='col'>{HEADS[m.name]} ratio</th><th scope='col'>verdict</th>" for m in summary.MEASURES
    )
    rows = "".join(_table_row(entry) for point in found.points for entry in charts.at(found, point))
    body = (
        "<div class='scroll' tabindex='0' role='region' aria-label='All numbers'><table><thead><tr>"
        f"<th scope='col'>point</th><th scope='col'>server</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    note = (
        f"Medians over the blocks; ratios to {_text(found.baseline)} with their joint 95% interval. In"
        " brackets: about how many blocks would tell."
        " <code>summary.csv</code> has more columns, <code>runs.csv</code> every run."
    )
    return _section("Numbers", body, note)


def _table_row(entry: summary.Entry) -> str:
    cells = "".join(f"<td>{_text(formatting.significant(entry.median(column)))}</td>" for _, column in TABLE)
    for measure in summary.MEASURES:
        estimate = entry.estimates.get(measure.name)
        if estimate is None:
            cells += "<td></td><td></td>"
            continue
        word = entry.verdicts[measure.name]
        cells += f"<td>{formatting.ratio(estimate.ratio)} {_text(formatting.interval(estimate))}</td>"
        cells += f"<td class='{word}'>{_text(formatting.decision(measure.name, estimate, word))}</td>"
    mark = " *" if entry.generator_bound else ""
    return f"<tr><td>{_text(entry.point)}{mark}</td><th scope='row'>{_text(entry.server)}</th>{cells}</tr>"


def _method(found: summary.Summary) -> str:
    """How a ratio and its verdict come about."""
    sentences = (
        f"A block runs every server once at one point in random order; a ratio to {found.baseline} is taken inside a"
        " block, and what is shown is the mean of the log ratios with Student's t interval.",
        "The intervals of one server and measure hold jointly: with 95% confidence every one of them has the true"
        " ratio in it (Bonferroni over the points). The verdict is read off that interval. Faster or slower: it leaves"
        " 1. Equivalent: it lies within 5% of 1. Anything else: cannot tell.",
        "Beside cannot tell stands about how many blocks (REPEATS) would tell: with so many, as small an effect as the"
        " difference measured is found with 80% power, or else what is left of the 5%. Ratio and spread are taken as"
        " measured, so it is a guess, and a rough one from few blocks.",
        f"With fewer than {stats.BLOCKS} blocks a result is exploratory. Unsound runs were repeated; missing values"
        " are not filled in.",
    )
    return _section("How to read it", "".join(f"<p>{_text(sentence)}</p>" for sentence in sentences))


def _environment(found: summary.Summary) -> str:
    if not found.environment:
        return ""
    items = []
    for key, value in found.environment.items():
        if isinstance(value, dict):
            inner = "".join(
                f"<tr><th scope='row'>{_text(k)}</th><td>{_text(_shown(v))}</td></tr>"
                for k, v in value.items()
            )
            shown = f"<table class='facts'>{inner}</table>"
        else:
            shown = _text(_shown(value))
        items.append(f"<dt>{_text(key)}</dt><dd>{shown}</dd>")
    return _section("Environment", f"<dl>{''.join(items)}</dl>")


def _shown(value: object) -> str:
    if value is None:
        return "not known"
    return value if isinstance(value, str) else json.dumps(value)
