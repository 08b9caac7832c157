"""The cost model as a form of report.html: estimate.js does in the browser what loadtest/estimate does on a terminal."""

import json
from pathlib import Path
from typing import Any

from .. import Failure
from ..judge import cost_data, cost_fit, cost_model, cost_terms
from ..judge.cost_fit import Costs, Spread
from ..judge.cost_model import AXES, Model, Server
from ..judge.evidence import Evidence
from . import estimate_notes, estimate_tables, estimate_words, html_parts

SCRIPT = Path(__file__).with_name("estimate.js")
ASKED = "nmc"  # always; of the others those that were varied


def html(evidence: Evidence) -> str:
    """A form, its answer, and a script; without scripts a table of examples. Empty where the runs allow no model."""
    try:
        model = cost_model.fit(cost_data.of([evidence]))
    except Failure:
        return ""
    examples = estimate_tables.examples(model)
    if not examples:
        return ""
    usual = examples[0]._asdict()
    ranges = {axis: _range(model, axis) for axis in AXES}
    fields = "".join(
        _field(axis, usual[axis], ranges[axis])
        for axis in AXES
        if axis in ASKED or ranges[axis][0] < ranges[axis][1]
    )
    head, rows = estimate_tables.worked(model)
    table = html_parts.table([head, *rows], "Examples of estimates")
    return (
        f"<form id='estimate' novalidate hidden><div class='estimate-fields'>{fields}</div><button>Estimate</button></form>\n"
        "<div id='estimate-answer' role='status' aria-live='polite'></div>\n"
        f"<noscript>{table}</noscript>\n"
        f"<p class='note'>{html_parts.text(_how(model))}</p>\n"
        f"<script>\n(() => {{\n{script(model)}\n"
        "costForm(model, document.getElementById('estimate'), document.getElementById('estimate-answer'));\n})();\n</script>\n"
    )


def script(model: Model) -> str:
    """The model and its arithmetic, without what needs a page."""
    text = json.dumps(parameters(model), separators=(",", ":")).replace("<", "\\u003c")
    return f"{SCRIPT.read_text()}const model = {text};"


def _how(model: Model) -> str:
    return (
        f"A cost model fitted to the {len(model.configurations)} configurations of this run. [{estimate_words.SURE}]: the interval that is"
        " to hold what a run would measure. error: median and worst, on configurations left out of the fit. limit: what"
        " throughput meets first: the CPUs, the database connections (pool) or the connections (C). "
        + estimate_notes.accuracy(model)
    )


def _range(model: Model, axis: str) -> tuple[int, int]:
    values = [value for server in model.servers.values() for value in server.axes[axis]]
    return min(values), max(values)


def _field(axis: str, value: int, reach: tuple[int, int]) -> str:
    low, high = reach
    return (
        f"<label>{html_parts.text(estimate_words.WORDS[axis])}"
        f" <input type='number' name='{axis}' value='{value}' min='{low}' max='{high}' step='1' required>"
        f" <small>{low} to {high}</small></label>\n"
    )


def parameters(model: Model) -> dict[str, Any]:
    """The data of the model that estimate.js has."""
    every = sorted(model.configurations)
    return {
        "sure": estimate_words.SURE,
        "bytes": cost_terms.BYTES,
        "half": cost_terms.HALF_MS,
        "narrowest": cost_fit.NARROWEST,
        "span": model.span,
        "axes": AXES,
        "needs": cost_model.NEEDS,
        "words": {axis: estimate_words.WORDS[axis] for axis in AXES},
        "limits": estimate_words.LIMITS,
        "usual": {"w": 0, "d": 0, "t": 0, "pool": every[0].pool},
        "configurations": every,
        "servers": [_server(name, server) for name, server in model.servers.items()],
    }


def _server(name: str, server: Server) -> dict[str, Any]:
    return {
        "name": name,
        "cpus": server.cpus,
        "waits": server.waits._asdict(),
        "ranges": {axis: (values[0], values[-1]) for axis, values in server.axes.items()},
        "measured": [[*each.asked, int(each.generator_bound)] for each in server.measured],
        "costs": {measure: _costs(costs) for measure, costs in server.costs.items()},
        "spreads": {measure: _spread(spread) for measure, spread in server.spreads.items()},
        "ratios": {measure: _spread(spread) for measure, spread in server.ratios.items()},
    }


def _costs(costs: Costs) -> dict[str, Any]:
    unknown = [[_short(value) for value in row] for row in costs.unknown]
    return {"terms": costs.terms, "each": [_short(value) for value in costs.each], "unknown": unknown}


def _spread(spread: Spread) -> dict[str, Any]:
    numbers = {name: _short(getattr(spread, name)) for name in ("misfit", "drift", "critical")}
    return numbers | {"error": estimate_words.error(spread)}


def _short(value: float) -> float:
    """With so many digits that nothing shown depends on the others."""
    return float(f"{value:.7g}")
