"""The output of loadtest/estimate --check: the cost model beside what was measured afterwards."""

import statistics
from typing import Iterator

from ..judge import cost_check, cost_data
from ..judge.cost_check import Check, Line
from ..judge.cost_model import Model
from . import aligned
from .estimate_notes import folders
from .estimate_tables import inside
from .estimate_text import wrapped
from .estimate_words import NAMES, SURE, named, number, shown


def text(model: Model, found: Check, folder: str) -> str:
    out = wrapped(verdict(found, folder))
    for measure in cost_data.MEASURES:
        if lines := [line for line in found.lines if line.measure == measure]:
            out += ["", *wrapped(_summary(measure, lines)), *_table(lines)]
    return "\n".join(out + [""] + [line for note in _notes(model, found, folder) for line in wrapped(note)])


def verdict(found: Check, folder: str) -> str:
    if not found.lines:
        return f"{folder} has no configuration that the fit did not use and that lies in its range: it shows nothing about the model."
    count = len({line.asked for line in found.lines})
    return (
        f"The model {'holds' if found.holds else 'does not hold'} on {count} configuration{'s' * (count > 1)} that it was not fitted to:"
        f" of the values {inside(found.lines)} lie within their intervals (at least {cost_check.SHARE:.0%} are to), and the median error of"
        f" {NAMES[cost_data.SERVER]} is {found.error:.1%} (below {cost_check.ERROR:.0%})."
    )


def _summary(measure: str, lines: list[Line]) -> str:
    errors = [line.error for line in lines]
    unit = {cost_data.RATE: "", cost_data.MEMORY: ", KiB"}.get(measure, ", us")
    return (
        f"{NAMES[measure][0].upper() + NAMES[measure][1:]}{unit}: {inside(lines)} inside; error {statistics.median(errors):.1%} in the median,"
        f" {max(errors):.0%} at worst."
    )


def _table(lines: list[Line]) -> list[str]:
    rows: list[tuple] = [("configuration", "server", f"estimate [{SURE}]", "measured", "error", "inside")]
    rows += [
        (
            named(line.asked),
            line.server,
            shown(line.estimate),
            number(line.measured),
            f"{line.estimate.value / line.measured - 1:+.0%}",
            "yes" if line.inside else "NO",
        )
        for line in lines
    ]
    return aligned.columns(rows, (0, 1, 5))


def _notes(model: Model, found: Check, folder: str) -> Iterator[str]:
    yield f"Fitted to {folders(model)}, {len(model.configurations)} configurations; measured: {folder}, medians."
    if found.known:
        yield f"Left out, since the fit used them: {len(found.known)} configurations."
    if found.outside:
        yield f"Left out, since they lie outside of what the fit knows: {'; '.join(map(named, found.outside))}."
