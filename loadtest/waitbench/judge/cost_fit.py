"""One quantity of one server as a sum of terms, each of which costs nothing or more, fitted to its runs.

Least squares of the relative error. How far a configuration that nobody measured may be from the estimate is taken from
those that were measured: each is left out, the model is fitted to the others, and the error is seen.
"""

import dataclasses
import math
from typing import Sequence

import numpy
from scipy import optimize
from scipy import stats as distributions

from . import cost_terms, stats
from .cost_terms import Configuration, Span

CONFIDENCE = stats.CONFIDENCE  # of a stated interval: to hold what is measured afterwards
NARROWEST = math.log(stats.MARGIN)  # half its length: nothing is said to be known better than that
PULL = 0.1  # weight of "two terms are nearly alike" (cost_terms.LIKE), where that of a configuration is 1
LEAST = 1e-3  # of the measured value: the least that is estimated for it when it is left out


@dataclasses.dataclass(frozen=True)
class Spread:
    """How far estimates are from what was measured."""

    misfit: float  # standard deviation of log(estimate / measured) where the terms are known well
    drift: float  # that of the machine from one hour to another
    freedom: float
    errors: list[float]  # log(estimate / measured) of each configuration, left out
    doubts: list[float]  # for each, what the others do not know of its terms: 0 is nothing

    def reach(self, doubt: float) -> float:
        """Half the length of the interval of an estimate's logarithm."""
        return _reach(self.misfit, self.drift, self.freedom, doubt)

    @property
    def relative(self) -> list[float]:
        """The same errors as parts of what was measured: 0.05 is 5% above or below."""
        return [abs(math.expm1(error)) for error in self.errors]

    @property
    def critical(self) -> float:
        return _critical(self.freedom)

    @property
    def within(self) -> int:
        """How many of those left out lie in the interval that the others state for them."""
        found = 0
        for place, (error, doubt) in enumerate(zip(self.errors, self.doubts)):
            rest = [i for i in range(len(self.errors)) if i != place]
            misfit = _misfit([self.errors[i] for i in rest], [self.doubts[i] for i in rest])
            found += abs(error) <= _reach(misfit, self.drift, self.freedom, doubt)
        return found


@dataclasses.dataclass(frozen=True)
class Costs:
    """The cost of a unit of each term."""

    terms: list[str]
    each: numpy.ndarray
    unknown: numpy.ndarray  # its covariance, for a misfit of 1

    def value(self, has: dict[str, float]) -> float:
        return float(self._row(has) @ self.each)

    def doubt(self, has: dict[str, float]) -> float:
        row, value = self._row(has), self.value(has)
        return float(row @ self.unknown @ row) / value**2 if value > 0 else 0.0

    def error(self, term: str, misfit: float) -> float:
        """Standard error of what a term costs."""
        place = self.terms.index(term)
        return misfit * math.sqrt(self.unknown[place, place])

    def _row(self, has: dict[str, float]) -> numpy.ndarray:
        return numpy.array([has[term] for term in self.terms])


@dataclasses.dataclass(frozen=True)
class Row:
    """The measured figures of one server at one configuration."""

    asked: Configuration
    value: float


def costs(rows: Sequence[Row], names: Sequence[str], span: Span) -> Costs:
    """Of the terms that the rows have."""
    return _costs(*_table(rows, names, span))


def _table(rows: Sequence[Row], names: Sequence[str], span: Span) -> tuple[list[str], numpy.ndarray, float]:
    """(terms, a line for each row: what it has of them over its value, the value of a typical step)"""
    has = [cost_terms.of(row.asked, span) for row in rows]
    terms = [name for name in names if any(each[name] for each in has)]
    values = numpy.array([row.value for row in rows])
    table = numpy.array([[each[term] for term in terms] for each in has]) / values[:, None]
    return terms, table, float(numpy.median([row.value / (1 + row.asked.n) for row in rows]))


def _costs(terms: list[str], table: numpy.ndarray, step: float) -> Costs:
    pulls = _pulls(terms, step)
    whole = numpy.vstack([table, pulls])
    each, _ = optimize.nnls(whole, numpy.concatenate([numpy.ones(len(table)), numpy.zeros(len(pulls))]))
    return Costs(terms, each, _covariance(whole, each > 0))


def _pulls(terms: list[str], step: float) -> numpy.ndarray:
    lines = []
    for term in terms:
        line = numpy.zeros(len(terms))
        line[terms.index(term)] = PULL / step
        if (other := cost_terms.LIKE.get(term)) in terms:
            line[terms.index(other)] = -PULL / step
        if term in cost_terms.LIKE:
            lines.append(line)
    return numpy.array(lines).reshape(len(lines), len(terms))


def _covariance(table: numpy.ndarray, used: numpy.ndarray) -> numpy.ndarray:
    """Of the costs, where those that are 0 are known to be so."""
    found = numpy.zeros((table.shape[1],) * 2)
    chosen = table[:, used]
    found[numpy.ix_(used, used)] = numpy.linalg.pinv(chosen.T @ chosen)
    return found


def left_out(rows: Sequence[Row], names: Sequence[str], span: Span) -> list[tuple[float, float]]:
    """(estimate, doubt) for each row, by a model that does not know its configuration."""
    terms, table, step = _table(rows, names, span)
    found = []
    for row in rows:
        others = _costs(terms, table[[other.asked != row.asked for other in rows]], step)
        has = cost_terms.of(row.asked, span)
        found.append((max(others.value(has), LEAST * row.value), others.doubt(has)))
    return found


def spread(errors: Sequence[float], doubts: Sequence[float], drift: float, terms: int) -> Spread:
    freedom = max(2, len(errors) - terms)
    return Spread(_misfit(errors, doubts), drift, freedom, list(errors), list(doubts))


def _misfit(errors: Sequence[float], doubts: Sequence[float]) -> float:
    return math.sqrt(math.fsum(e**2 / (1 + d) for e, d in zip(errors, doubts)) / max(1, len(errors)))


def _reach(misfit: float, drift: float, freedom: float, doubt: float) -> float:
    return max(NARROWEST, _critical(freedom) * math.sqrt(misfit**2 * (1 + doubt) + drift**2))


def _critical(freedom: float) -> float:
    return float(distributions.t.ppf((1 + CONFIDENCE) / 2, freedom))
