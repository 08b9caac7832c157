"""Chooses one measured configuration on the page and says what was found there. Without script the tables say it."""

import json
from pathlib import Path

from ..judge import summary
from ..plan.matrix import Point
from . import formatting
from .html_parts import section, text

SCRIPT = Path(__file__).with_name("picker.js").read_text
SAID = {
    "rps": "{} times {} as many requests",
    "cpu": "{} {} of the CPU per request",
    "p99": "{} {} of the p99 latency",
}


def html(found: summary.Summary) -> str:
    """Empty where there is nothing to choose."""
    axes = formatting.varying(found.points)
    if not axes:
        return ""
    fields = "".join(_field(found, axis) for axis in axes)
    said = {_key(point, axes): sentences(found, point) for point in found.points}
    data = json.dumps({"axes": axes, "said": said}, separators=(",", ":")).replace("<", "\\u003c")
    body = (
        f"<form id='picker' hidden>{fields}</form><div id='picked' aria-live='polite'></div>"
        f"<script type='application/json' id='picker-data'>{data}</script><script>{SCRIPT()}</script>"
        "<noscript><p>Choosing needs a script, which does not run here: the tables under Numbers say the same.</p></noscript>"
    )
    return section(
        "One configuration", body, "Choose what your requests are like, among the points measured.", "one"
    )


def _field(found: summary.Summary, axis: str) -> str:
    values = list(dict.fromkeys(getattr(point, axis) for point in found.points))
    values.sort(key=lambda value: (value is not None, isinstance(value, str), value))
    options = "".join(
        f"<option value='{text(_name(value))}'>{text(formatting.part(axis, value))}</option>"
        for value in values
    )
    return f"<label>{text(formatting.AXES[axis])} <select name='{axis}'>{options}</select></label> "


def _name(value: object) -> str:
    return "" if value is None else str(value)


def _key(point: Point, axes: list[str]) -> str:
    return " ".join(_name(getattr(point, axis)) for axis in axes)


def sentences(found: summary.Summary, point: Point) -> list[str]:
    """One for each server."""
    said = []
    for server in found.servers:
        entry = found.entries.get((point, server))
        if entry:
            said.append(_baseline(entry) if server == found.baseline else _other(found, entry))
    return said


def _baseline(entry: summary.Entry) -> str:
    rate, cpu, p99 = entry.median("rps"), entry.median(summary.CPU), entry.median("p99_us")
    parts = [f"{entry.server}: {formatting.grouped(rate)} requests per second"]
    parts += [f"{formatting.significant(cpu)} µs of CPU per request"] if cpu is not None else []
    parts += [f"p99 {formatting.significant(p99 / 1000)} ms"] if p99 is not None else []
    return ", ".join(parts) + _marked(entry) + "."


def _other(found: summary.Summary, entry: summary.Entry) -> str:
    parts = []
    for measure in found.measures:
        if estimate := entry.estimates.get(measure.name):
            ratio = SAID[measure.name].format(
                formatting.ratio(estimate.ratio)[:-1], formatting.interval(estimate)
            )
            parts.append(
                f"{ratio} ({formatting.decision(measure.name, estimate, entry.verdicts[measure.name])})"
            )
    if not parts:
        return f"{entry.server}: not compared with {found.baseline} here."
    return f"{entry.server}, relative to {found.baseline}: {', '.join(parts)}" + _marked(entry) + "."


def _marked(entry: summary.Entry) -> str:
    return (
        "; the load generator was the bottleneck, so throughput is a lower bound"
        if entry.generator_bound
        else ""
    )
