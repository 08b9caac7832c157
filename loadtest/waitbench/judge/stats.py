"""The statistics of the load test: ratios, their intervals, and what may be concluded.

Everything is a ratio, so everything is computed on logarithms: ratios are what a reader asks for,
they are symmetric (twice as fast is as far from 1 as half as fast), and their noise is closer to
normal than that of throughputs. Numbers in, dataclasses out: no files, no clock, no randomness.

    Student's t interval and test on mean log ratios      Student 1908
    order-statistic interval of the median                 Thompson 1936
    Holm's step-down over a family of tests                Holm 1979
    two one-sided tests (TOST) for equivalence             Schuirmann 1987
    Welch's interval and test for unpaired runs            Welch 1947
    power from the noncentral t distribution               Cohen 1988
"""

import functools
import math
from dataclasses import dataclass
from typing import Sequence

import numpy
from scipy import optimize, special
from scipy import stats as distributions

CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.80
MARGIN = 1.05  # two servers within 5% of each other are equivalent
BLOCKS = 12  # with fewer, a result is exploratory

FASTER, SLOWER, SAME, INCONCLUSIVE = "faster", "slower", "same", "inconclusive"


@dataclass(frozen=True)
class Estimate:
    """A ratio and what is known about it. None: too few pairs to say (one for an interval, five
    or fewer for the median's at 95%)."""

    count: int  # pairs; for unpaired runs, the smaller group
    ratio: float
    low: float | None = None  # 95% interval
    high: float | None = None
    low90: float | None = None  # 90% interval: both one-sided tests at 5%
    high90: float | None = None
    p: float | None = None  # two-sided, of "the ratio is 1"
    detectable: float | None = None  # minimum detectable effect: smallest ratio above 1 found with 80% power
    median: float | None = None
    median_low: float | None = None
    median_high: float | None = None


@functools.lru_cache
def _median_rank(count, confidence):
    """The largest k for which [x(k), x(count+1-k)] covers the median that often, or 0 for none. It
    misses when fewer than k values fall on one side of it: binomial tails."""
    ranks = range(1, count // 2 + 1)
    misses = [2 * distributions.binom.cdf(k - 1, count, 0.5) for k in ranks]
    return sum(miss <= 1 - confidence for miss in misses)


def median_interval(
    values: Sequence[float], confidence: float = CONFIDENCE
) -> tuple[float, float | None, float | None]:
    """(median, low, high) of the values: the narrowest symmetric pair of order statistics that
    covers the median at least that often, whatever the distribution. low and high are None when
    even the smallest and the largest do not (fewer than six values at 95%)."""
    ordered = sorted(values)
    count = len(ordered)
    median = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    k = _median_rank(count, confidence)
    return (median, ordered[k - 1], ordered[count - k]) if k else (median, None, None)


@functools.lru_cache
def _critical(probability, freedom):
    return float(distributions.t.ppf(probability, freedom))


@functools.lru_cache
def _detectable_shift(freedom):
    """The smallest shift of the mean, in standard errors, found with that power: the noncentral t
    written out, a normal mean against the critical value times the estimated error, averaged over
    quantiles of the latter (scipy 1.10's own nct divides by zero for some values). The far tail, a
    difference found on the wrong side, is left out: below 1e-4 here."""
    middles = (numpy.arange(2000) + 0.5) / 2000
    errors = numpy.sqrt(distributions.chi2.ppf(middles, freedom) / freedom)
    limits = _critical(1 - ALPHA / 2, freedom) * errors
    return optimize.brentq(lambda shift: special.ndtr(shift - limits).mean() - POWER, 0, 1000)


def detectable(standard_error: float, freedom: float) -> float:
    """The minimum detectable effect: the smallest ratio above 1 that a two-sided t-test at 5% finds with 80%
    power, for a standard error of the mean log ratio. The noise is taken as known although it was estimated,
    and the family's adjustment is left out: a run of many points needs somewhat more."""
    return _exp(_detectable_shift(round(freedom, 1)) * standard_error)


def _exp(value):
    return math.exp(value) if value < 700 else math.inf


def _estimate(count, mean, standard_error, freedom, median):
    """From a mean log ratio with its standard error; median: (median, low, high) in logarithms."""
    reach95 = _critical(0.5 + CONFIDENCE / 2, freedom) * standard_error
    reach90 = _critical(1 - ALPHA, freedom) * standard_error
    if standard_error > 0:
        p = 2 * distributions.t.sf(abs(mean) / standard_error, freedom)
    else:
        p = 1.0 if mean == 0 else 0.0
    return Estimate(
        count=count,
        ratio=_exp(mean),
        low=_exp(mean - reach95),
        high=_exp(mean + reach95),
        low90=_exp(mean - reach90),
        high90=_exp(mean + reach90),
        p=float(p),
        detectable=detectable(standard_error, freedom),
        **{
            name: None if value is None else _exp(value)
            for name, value in zip(("median", "median_low", "median_high"), median)
        },
    )


def _mean_and_variance(values):
    """math.fsum keeps equal values at variance zero, to the last digit or nearly."""
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    # Identical ratios differ by rounding in the last place only: that is no noise.
    return mean, variance if variance > (1e-14 * max(1, abs(mean))) ** 2 else 0.0


def paired(values: Sequence[float], baselines: Sequence[float]) -> Estimate | None:
    """The ratio of values to baselines, pair by pair: each pair was measured in the same block. All
    must be positive. None for no pair at all."""
    logs = [math.log(value / baseline) for value, baseline in zip(values, baselines, strict=True)]
    if not logs:
        return None
    if len(logs) == 1:
        return Estimate(count=1, ratio=_exp(logs[0]), median=_exp(logs[0]))
    mean, variance = _mean_and_variance(logs)
    error = math.sqrt(variance / len(logs))
    return _estimate(len(logs), mean, error, len(logs) - 1, median_interval(logs))


def unpaired(values: Sequence[float], baselines: Sequence[float]) -> Estimate | None:
    """The ratio of values to baselines measured apart: Welch's test, which assumes no equal noise. There is
    no interval of the median: the pairs that it would need do not exist."""
    if not values or not baselines:
        return None
    a, b = [math.log(value) for value in values], [math.log(baseline) for baseline in baselines]
    median = (median_interval(a)[0] - median_interval(b)[0], None, None)
    smaller = min(len(a), len(b))
    if smaller == 1:
        ratio = math.exp(math.fsum(a) / len(a) - math.fsum(b) / len(b))
        return Estimate(count=smaller, ratio=ratio, median=_exp(median[0]))
    (mean_a, variance_a), (mean_b, variance_b) = _mean_and_variance(a), _mean_and_variance(b)
    parts = [(variance_a / len(a), len(a) - 1), (variance_b / len(b), len(b) - 1)]
    error, freedom = _satterthwaite(parts)
    return _estimate(smaller, mean_a - mean_b, error, freedom, median)


def combined(groups: Sequence[Sequence[float]]) -> Estimate | None:
    """The geometric mean of the ratios of several points, each given as its list of log ratios:
    every point counts once, and the noise of each enters with its own weight (Satterthwaite).
    Points with a single pair bring no noise to judge by, so then there is no interval."""
    if not groups:
        return None
    count = min(len(logs) for logs in groups)
    means = [math.fsum(logs) / len(logs) for logs in groups]
    mean = math.fsum(means) / len(means)
    if count == 1:
        return Estimate(count=1, ratio=_exp(mean))
    parts = [(_mean_and_variance(logs)[1] / len(logs) / len(groups) ** 2, len(logs) - 1) for logs in groups]
    error, freedom = _satterthwaite(parts)
    return _estimate(count, mean, error, freedom, (None, None, None))


def _satterthwaite(parts):
    """(standard error, degrees of freedom) of a sum of independent estimates, each given as
    (variance of the estimate, its degrees of freedom)."""
    total = math.fsum(variance for variance, _ in parts)
    if total == 0:
        return 0.0, sum(freedom for _, freedom in parts)
    spread = math.fsum(variance**2 / freedom for variance, freedom in parts)
    return math.sqrt(total), total**2 / spread


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p values adjusted for being one family (Holm 1979), in the order given: reject those at
    or below alpha, and the chance of a single false rejection among all stays below alpha. None
    (nothing to test) stays None and does not count."""
    tested = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    reached = 0.0
    for rank, (p, i) in enumerate(tested):
        reached = max(reached, min(1.0, p * (len(tested) - rank)))
        adjusted[i] = reached
    return adjusted


def verdict(estimate: Estimate | None, adjusted_p: float | None, more_is_better: bool = True) -> str:
    """`faster` or `slower` when the family-wise test rejects (the 95% interval then leaves 1, as an
    adjusted p is never below the plain one); else `same` (equivalent, TOST) when the 90% interval lies within 5% of 1;
    else `inconclusive`. A difference that is real and smaller than 5% is therefore called faster or
    slower: the ratio beside it says how little. Whatever the measure, `faster` means better."""
    if estimate is None or estimate.p is None:
        return INCONCLUSIVE
    if adjusted_p is not None and adjusted_p <= ALPHA:
        return FASTER if (estimate.ratio > 1) == more_is_better else SLOWER
    if estimate.low90 and estimate.high90 and 1 / MARGIN <= estimate.low90 and estimate.high90 <= MARGIN:
        return SAME
    return INCONCLUSIVE


def verdicts(estimates: Sequence[Estimate | None], more_is_better: bool = True) -> list[str | None]:
    """The verdicts of one family (None: not measured), adjusted together."""
    adjusted = holm([None if e is None else e.p for e in estimates])
    return [
        None if estimate is None else verdict(estimate, p, more_is_better)
        for estimate, p in zip(estimates, adjusted)
    ]
