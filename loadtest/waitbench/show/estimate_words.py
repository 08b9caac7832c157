"""Words and numbers of an estimate, the same on the terminal, in documents and on the page."""

import statistics
from pathlib import Path

from .. import ROOT
from ..judge import cost_fit, cost_queue
from ..judge.cost_data import DATABASE, GENERATOR, MEMORY, RATE, SERVER
from ..judge.cost_fit import Spread
from ..judge.cost_model import Figure
from ..judge.cost_terms import Configuration
from . import formatting

SURE = f"{cost_fit.CONFIDENCE:.0%}"
MIB = 1024
NAMES = {
    RATE: "requests per second",
    SERVER: "server CPU per request",
    DATABASE: "database CPU per request",
    GENERATOR: "generator CPU per request",
    MEMORY: "memory",
}
LIMITS = {  # word in a table, in a sentence
    cost_queue.CPUS: ("CPUs", "the CPUs of the machine"),
    cost_queue.POOL: ("pool", "the {} database connections (POOL)"),
    cost_queue.CONNECTIONS: ("C", "the {} connections (C), each of which waits"),
}
WORDS = formatting.AXES | {"pool": "database connections (POOL)"}


def number(value: float) -> str:
    """Three significant digits, with a comma between thousands."""
    text = formatting.significant(value)
    return f"{int(text):,}" if text.isdecimal() else text


def shown(figure: Figure | None, scale: float = 1) -> str:
    """2,570 [2,230 2,960]"""
    if figure is None:
        return ""
    middle, low, high = (number(each / scale) for each in figure)
    return f"{middle} [{low} {high}]" if figure.high else middle


def ratio(figure: Figure | None) -> str:
    """1.13x [0.98 1.30]"""
    if figure is None:
        return ""
    middle, low, high = (formatting.ratio(each) for each in figure)
    return f"{middle} [{low[:-1]} {high[:-1]}]"


def error(spread: Spread | None) -> str:
    """5%, 21%: the median and the worst on configurations left out."""
    if spread is None:
        return ""
    return f"{statistics.median(spread.relative):.0%}, {max(spread.relative):.0%}"


def named(asked: Configuration) -> str:
    """N=7 M=20000 C=200, and what else is not 0."""
    values = [(axis, getattr(asked, axis)) for axis in "nmwdtc"]
    return " ".join(f"{axis.upper()}={value}" for axis, value in values if value or axis in "nmc")


def path(folder: str | Path) -> str:
    """As a reader would name it."""
    given = Path(folder)
    return str(given.relative_to(ROOT) if given.is_relative_to(ROOT) else given)


def limit(bound: str, asked: Configuration) -> str:
    return LIMITS[bound][1].format(asked.pool if bound == cost_queue.POOL else asked.c)
