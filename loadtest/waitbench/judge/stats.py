"""The statistics of the load test: ratios, their intervals, and what may be concluded.

Everything is a ratio, so everything is computed on logarithms: ratios are what a reader asks for,
they are symmetric (twice as fast is as far from 1 as half as fast), and their noise is closer to
normal than that of throughputs. Numbers in, dataclasses out: no files, no clock, no randomness.

    Student's t interval and test on mean log ratios      Student 1908
    order-statistic interval of the median                 Thompson 1936
    simultaneous intervals of a family of ratios           Bonferroni; Dunn 1961
    equivalence: the interval lies within a margin         Schuirmann 1987 (TOST)
    Welch's interval and test for unpaired runs            Welch 1947
    power from the noncentral t distribution               Cohen 1988

A verdict is read off the interval that is printed beside it, so the two cannot disagree. Intervals that are
printed together form a family: with 95% confidence all of them hold their true ratios, and so all the verdicts
are right. Each of m intervals therefore has a confidence of 1 - 0.05 / m (Bonferroni), which needs no assumption about
how the ratios depend on each other. Holm's step-down finds a few more differences, and has no such intervals.
"""

import bisect
import dataclasses
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
MOST_BLOCKS = 100  # nobody is advised to run more

FASTER, SLOWER, SAME, INCONCLUSIVE = "faster", "slower", "same", "inconclusive"


@dataclass(frozen=True)
class Estimate:
    """A ratio and what is known about it, as one of a family of ratios (family()). None: too few pairs to say
    (one for an interval, five or fewer for the median's at 95%)."""

    count: int  # pairs; for unpaired runs, the smaller group
    mean: float  # of the log ratios
    error: float | None = None  # its standard error
    freedom: float = 0  # degrees of freedom of that
    median: float | None = None
    median_low: float | None = None
    median_high: float | None = None
    size: int = 1  # of its family

    @property
    def ratio(self) -> float:
        return _exp(self.mean)

    @property
    def low(self) -> float | None:
        """The lower end of the interval that the verdict is read off: 95% for the whole family."""
        return self.interval(self.size)[0]

    @property
    def high(self) -> float | None:
        return self.interval(self.size)[1]

    def interval(self, size: int = 1) -> tuple[float, float] | tuple[None, None]:
        """As one of a family of that size; of size 1, the plain 95% interval."""
        if self.error is None:
            return None, None
        reach = _critical(1 - ALPHA / size / 2, self.freedom) * self.error
        return _exp(self.mean - reach), _exp(self.mean + reach)

    @property
    def p(self) -> float | None:
        """Two-sided, of "the ratio is 1", adjusted for the family: at most ALPHA when the interval leaves 1."""
        if self.error is None:
            return None
        if self.error == 0:
            return 1.0 if self.mean == 0 else 0.0
        alone = 2 * float(distributions.t.sf(abs(self.mean) / self.error, self.freedom))
        return min(1.0, self.size * alone)

    @property
    def detectable(self) -> float | None:
        """The minimum detectable effect: the smallest ratio above 1 found with 80% power in such a family."""
        return None if self.error is None else detectable(self.error, self.freedom, self.size)

    @property
    def blocks_needed(self) -> int | None:
        """About how many blocks would tell what these do not: so many that an effect is detectable (80% power)
        which is as small as the difference measured or, where that is less than half the margin, as what
        is left of the margin. Ratio and spread are taken as measured. MOST_BLOCKS + 1: more than MOST_BLOCKS.
        None: these blocks tell, or a single one says nothing about the spread."""
        if self.error is None or verdict(self) != INCONCLUSIVE:
            return None
        goal = max(abs(self.mean), math.log(MARGIN) - abs(self.mean))
        spread = self.error * math.sqrt(self.count)

        def tell(blocks):
            error = spread / math.sqrt(blocks)
            freedom = self.freedom * (blocks - 1) / (self.count - 1)
            return math.log(detectable(error, freedom, self.size)) <= goal

        more = range(self.count + 1, MOST_BLOCKS + 1)
        return self.count + 1 + bisect.bisect_left(more, True, key=tell)


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


@functools.lru_cache(maxsize=4096)
def _detectable_shift(freedom, size):
    """The smallest shift of the mean, in standard errors, found with that power: the noncentral t
    written out, a normal mean against the critical value times the estimated error, averaged over
    quantiles of the latter (scipy 1.10's own nct divides by zero for some values). The far tail, a
    difference found on the wrong side, is left out: below 1e-4 here."""
    middles = (numpy.arange(2000) + 0.5) / 2000
    critical = _critical(1 - ALPHA / size / 2, freedom)
    limits = critical * numpy.sqrt(distributions.chi2.ppf(middles, freedom) / freedom)
    return optimize.brentq(lambda shift: special.ndtr(shift - limits).mean() - POWER, 0, 10 + 2 * critical)


def detectable(standard_error: float, freedom: float, size: int = 1) -> float:
    """The minimum detectable effect: the smallest ratio above 1 that is called different with 80% power, as one
    of a family of that size, for a standard error of the mean log ratio. The noise is taken as known although it
    was estimated."""
    freedom = round(freedom, 1 if freedom < 10 else 0)  # Welch's has decimals, and each costs milliseconds
    return _exp(_detectable_shift(freedom, size) * standard_error)


def _exp(value):
    return math.exp(value) if value < 700 else math.inf


def _exp_all(values):
    return (None if value is None else _exp(value) for value in values)


def _mean_and_variance(values):
    """math.fsum keeps equal values at variance zero, to the last digit or nearly."""
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    # Identical ratios differ by rounding in the last place only: that is no noise.
    return mean, variance if variance > (1e-14 * max(1, abs(mean))) ** 2 else 0.0


def mean(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """(mean, low, high): the arithmetic mean with its 95% t-interval, for what may be zero or negative. low and high
    are None for a single value."""
    if len(values) == 1:
        return values[0], None, None
    middle, variance = _mean_and_variance(values)
    reach = _critical(1 - ALPHA / 2, len(values) - 1) * math.sqrt(variance / len(values))
    return middle, middle - reach, middle + reach


def line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float, float | None]:
    """(slope, value at x = 0, half of the slope's 95% interval) of the least-squares line through values at two or more
    places. At two places alone it goes through their medians, and there is no interval: they cannot show whether a line fits.
    """
    places = sorted(set(xs))
    if len(places) == 2:
        low, high = (median_interval([y for x, y in zip(xs, ys) if x == place])[0] for place in places)
        slope = (high - low) / (places[1] - places[0])
        return slope, low - slope * places[0], None
    found = distributions.linregress(xs, ys)
    reach = _critical(1 - ALPHA / 2, len(xs) - 2) * found.stderr
    return float(found.slope), float(found.intercept), float(reach)


def geometric_mean(values: Sequence[float]) -> Estimate:
    """Of positive values, one or more: their ratio to 1."""
    found = paired(values, [1.0] * len(values))
    assert found
    return found


def paired(values: Sequence[float], baselines: Sequence[float]) -> Estimate | None:
    """The ratio of values to baselines, pair by pair: each pair was measured in the same block. All
    must be positive. None for no pair at all."""
    return of_logs([math.log(value / baseline) for value, baseline in zip(values, baselines, strict=True)])


def of_logs(logs: Sequence[float]) -> Estimate | None:
    """The same from log ratios."""
    if not logs:
        return None
    if len(logs) == 1:
        return Estimate(1, logs[0], median=_exp(logs[0]))
    mean, variance = _mean_and_variance(logs)
    error = math.sqrt(variance / len(logs))
    return Estimate(len(logs), mean, error, len(logs) - 1, *_exp_all(median_interval(logs)))


def unpaired(values: Sequence[float], baselines: Sequence[float]) -> Estimate | None:
    """The ratio of values to baselines measured apart."""
    return apart([math.log(value) for value in values], [math.log(baseline) for baseline in baselines])


def apart(a: Sequence[float], b: Sequence[float]) -> Estimate | None:
    """What log ratios a have over log ratios b that were measured apart: Welch's test, which assumes no equal noise.
    There is no interval of the median: the pairs that it would need do not exist."""
    if not a or not b:
        return None
    median = _exp(median_interval(a)[0] - median_interval(b)[0])
    smaller = min(len(a), len(b))
    if smaller == 1:
        return Estimate(1, math.fsum(a) / len(a) - math.fsum(b) / len(b), median=median)
    (mean_a, variance_a), (mean_b, variance_b) = _mean_and_variance(a), _mean_and_variance(b)
    parts = [(variance_a / len(a), len(a) - 1), (variance_b / len(b), len(b) - 1)]
    error, freedom = _satterthwaite(parts)
    return Estimate(smaller, mean_a - mean_b, error, freedom, median)


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
        return Estimate(1, mean)
    parts = [(_mean_and_variance(logs)[1] / len(logs) / len(groups) ** 2, len(logs) - 1) for logs in groups]
    error, freedom = _satterthwaite(parts)
    return Estimate(count, mean, error, freedom)


def _satterthwaite(parts):
    """(standard error, degrees of freedom) of a sum of independent estimates, each given as
    (variance of the estimate, its degrees of freedom)."""
    total = math.fsum(variance for variance, _ in parts)
    if total == 0:
        return 0.0, sum(freedom for _, freedom in parts)
    spread = math.fsum(variance**2 / freedom for variance, freedom in parts)
    return math.sqrt(total), total**2 / spread


def family(estimates: Sequence[Estimate | None]) -> list[Estimate | None]:
    """The same estimates (None: not measured), made one family: with 95% confidence the intervals of all hold
    the truth. One without an interval asserts nothing and does not count."""
    size = max(1, sum(e is not None and e.error is not None for e in estimates))
    return [e and dataclasses.replace(e, size=size) for e in estimates]


def verdict(estimate: Estimate | None, more_is_better: bool = True) -> str | None:
    """Read off the interval, and nothing else: `faster` or `slower` when it leaves 1; else `same` (equivalent) when it
    lies within 5% of 1; else `inconclusive`. A difference that is real and smaller than 5% is therefore called
    faster or slower: the ratio beside it says how little. Whatever the measure, `faster` means better.
    None for what was not measured."""
    if estimate is None:
        return None
    low, high = estimate.interval(estimate.size)
    if low is None or high is None:
        return INCONCLUSIVE
    if not low <= 1 <= high:
        return FASTER if (estimate.ratio > 1) == more_is_better else SLOWER
    return SAME if 1 / MARGIN <= low and high <= MARGIN else INCONCLUSIVE
