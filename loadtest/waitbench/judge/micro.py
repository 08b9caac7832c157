"""The results of micro/run, from the lines that the programs of micro/ print: derived figures, means with intervals,
and what others have published beside them.

A time or a ratio is given by its geometric mean, with the t-interval of the logarithms; bytes, counts and whatever may
be negative by the arithmetic mean. All intervals are 95%, each for itself.
"""

import csv
import math
from pathlib import Path
from typing import Iterable, NamedTuple, Sequence

from .. import ROOT, Failure
from ..base import reading, results
from . import stats

FILE, RUNS_FILE = "micro.csv", "micro-runs.csv"
COLUMNS = "metric,model,variant,unit,value,low,high,published,source".split(",")
RUN_COLUMNS = "repetition,metric,model,variant,unit,value".split(",")
PUBLISHED = ROOT / "micro/published.csv"
PUBLISHED_COLUMNS = (
    "metric,unit,model,value,low,high,setting,source,measured_metric,measured_model,measured_variant,why"
).split(",")
NUMBERS = {"value", "low", "high"}
ON_LOGARITHMS = {"ns", "ms", "ratio"}
PLACEMENTS = ", one CPU", ", not pinned"  # how the variant of a program that micro/run places ends
AGREES = 2  # within this factor two figures agree, whatever their intervals

SWITCH, READINESS, STEP = "context switch", "context switch on I/O readiness", "step of a task"
BRIGADE, ALONE = "pipe brigade per hop", ("one thread alone", "the pipe's own part")
AWAIT, RATIO = "async/await over a hand-written state machine", "ratio of context switches"
MEMORY = "memory per task"
METRICS = (  # in the order of the tables
    SWITCH,
    RATIO,
    "channel hand-over",
    "cooperative threads",
    "cooperative threads in this kernel",
    BRIGADE,
    READINESS,
    "task creation",
    "time to start 100000 tasks",
    "most tasks in one process",
    MEMORY,
    STEP,
    AWAIT,
)
CALL, CO_SWITCH = ("call", "empty, through a pointer"), ("stackful coroutine", "co_switch")

Key = tuple[str, str, str, str]  # metric, model, variant, unit


class Measured(NamedTuple):
    """One line of a program."""

    repetition: int
    metric: str
    model: str
    variant: str
    unit: str
    value: float

    @property
    def key(self) -> Key:
        return self.metric, self.model, self.variant, self.unit


class Row(NamedTuple):
    """A line of micro.csv. low and high are None after a single repetition."""

    metric: str
    model: str
    variant: str
    unit: str
    value: float
    low: float | None
    high: float | None
    published: str = ""  # what others have found, several separated by semicolons
    source: str = ""


class Claim(NamedTuple):
    """A line of published.csv: a figure of others, which row of micro.csv it is held against (none: not measured
    here), and why the two differ where that is known."""

    metric: str
    unit: str
    model: str
    value: float | None
    low: float | None
    high: float | None
    setting: str
    source: str
    measured_metric: str
    measured_model: str
    measured_variant: str
    why: str

    @property
    def measured(self) -> tuple[str, str, str]:
        return self.measured_metric, self.measured_model, self.measured_variant


def parsed(text: str, repetition: int) -> list[Measured]:
    """The lines that a program has printed. Raises Failure."""
    found = []
    for fields in csv.reader(text.splitlines()):
        try:
            metric, model, variant, unit, value = fields
            if metric not in METRICS or not math.isfinite(float(value)):
                raise ValueError
        except ValueError:
            raise Failure(
                f"'{','.join(fields)}' is not metric,model,variant,unit,value of a known metric"
            ) from None
        found.append(Measured(repetition, metric, model, variant, unit, float(value)))
    return found


def derived(measured: Sequence[Measured]) -> list[Measured]:
    """Figures that are made of two of the same repetition, so that slow drift is in both."""
    known = {(one.repetition, one.metric, one.model, one.variant): one.value for one in measured}
    found = []
    for one in measured:
        placement = next((end for end in PLACEMENTS if one.variant.endswith(end)), "")
        variant = one.variant.removesuffix(placement)

        def add(metric, model, kind, unit, value):
            found.append(Measured(one.repetition, metric, model, kind + placement, unit, value))

        def of(metric, model, kind):
            return known.get((one.repetition, metric, model, kind + placement))

        alone = of(BRIGADE, *ALONE)
        if one.metric == BRIGADE and (one.model, variant) != ALONE and alone is not None:
            add(READINESS, one.model, "pipe brigade", "ns", one.value - alone)
        machine = of(STEP, "step machine", variant)
        if one.metric == STEP and one.model != "step machine" and machine is not None:
            add(AWAIT, one.model, variant, "ratio", one.value / machine)
        switch, call = of(SWITCH, *CO_SWITCH), of(SWITCH, *CALL)
        if one.metric == SWITCH and one.model == "thread" and switch is not None:
            add(RATIO, "thread over coroutine", f"{variant} over co_switch", "ratio", one.value / switch)
        if one.metric == SWITCH and one.model == "stackful coroutine" and call is not None:
            add(RATIO, "coroutine over call", f"{variant} over an empty call", "ratio", one.value / call)
    return found


def mean(values: Sequence[float], unit: str) -> tuple[float, float | None, float | None]:
    """(value, low, high)."""
    if unit not in ON_LOGARITHMS or min(values) <= 0 or len(values) == 1:
        return stats.mean(values)
    estimate = stats.geometric_mean(values)
    low, high = estimate.interval()
    return estimate.ratio, low, high


def rows(measured: Iterable[Measured], claims: Sequence[Claim]) -> list[Row]:
    """In the order of METRICS; within a metric by model and variant."""
    values: dict[Key, list[float]] = {}
    for one in measured:
        values.setdefault(one.key, []).append(one.value)
    keys = sorted(values, key=lambda key: (METRICS.index(key[0]), key))
    return [Row(*key, *mean(values[key], key[3]), *_published(key, claims)) for key in keys]


def _published(key: Key, claims: Sequence[Claim]) -> tuple[str, str]:
    found = [claim for claim in claims if claim.measured == key[:3]]
    values = "; ".join(results.text(claim.value) for claim in found)
    return values, "; ".join(dict.fromkeys(claim.source for claim in found))


def agreement(claim: Claim, row: Row) -> tuple[str, float]:
    """Whether the published figure and the measured one agree, and what the measured one is of the published one. They
    agree when one is at most twice the other, or the measured one lies in the published interval. When only the
    interval of the measured one reaches the published figure, too little is known."""
    assert claim.value is not None
    factor = row.value / claim.value
    least = claim.value if claim.low is None else claim.low
    most = claim.value if claim.high is None else claim.high
    if least <= row.value <= most or 1 / AGREES <= factor <= AGREES:
        return "agrees", factor
    if row.low is not None and row.high is not None and row.low <= most and least <= row.high:
        return "cannot tell", factor
    return "differs", factor


def _check(column: str, text: str) -> None:
    """Raises ValueError with what the field of a CSV is not."""
    if column not in NUMBERS or not text:
        return
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("not a number")


def _numbers(line: dict[str, str], columns: Sequence[str]) -> list:
    return [
        (float(line[name]) if line[name] else None) if name in NUMBERS else line[name] for name in columns
    ]


def read_claims(path: Path = PUBLISHED) -> list[Claim]:
    """Raises Failure."""
    lines = reading.table(path, PUBLISHED_COLUMNS, _check)
    return [Claim(*_numbers(line, PUBLISHED_COLUMNS)) for line in lines]


def read(folder: Path) -> list[Row]:
    """Raises Failure."""
    lines = reading.table(folder / FILE, COLUMNS, _check)
    found = [Row(*_numbers(line, COLUMNS)) for line in lines]
    for row in found:
        if row.value is None:
            raise Failure(f"{folder / FILE}: {row.metric}, {row.model}, {row.variant} has no value")
    return found


def write(folder: Path, measured: Sequence[Measured], claims: Sequence[Claim]) -> list[Row]:
    """Writes both files; returns the rows of the first."""
    everything = [*measured, *derived(measured)]
    found = rows(everything, claims)
    _write(folder / FILE, COLUMNS, [row._asdict() for row in found])
    _write(folder / RUNS_FILE, RUN_COLUMNS, [one._asdict() for one in everything])
    return found


def _write(path: Path, columns: Sequence[str], lines: Iterable[dict]) -> None:
    body = b"".join(results.line(columns, line) for line in lines)
    results.replace(path, (",".join(columns) + "\n").encode() + body)
