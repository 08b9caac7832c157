"""Ratios that are judged together: their intervals hold jointly, and each verdict is read off its interval.

Worked examples, then made-up measurements whose truth is known, at the numbers of blocks that runs have and with noise
whose tails are heavier than normal (fixed seeds, so these pass or fail the same way for ever).
"""

import functools
import math
import re

import numpy
import pytest
from waitbench.judge import stats
from waitbench.show import formatting

NOISE = 0.02  # sd of a log throughput from run to run, assumed; loadtest/selftest prints what a machine has
FAMILIES = 1000
# Two standard errors of a rate of 5% among so many families.
ERROR = 2 * math.sqrt(0.05 * 0.95 / FAMILIES)


def of(logs):
    return stats.paired([math.exp(value) for value in logs], [1.0] * len(logs))


# --- worked examples ---


def test_bonferroni_by_hand():
    # Three pairs around 0.1 with sd 0.01: the error is 0.01 / sqrt 3. t(1 - 0.025; 2) = 4.302653, and in a family of
    # five t(1 - 0.005; 2) = 9.924843.
    one = of([0.09, 0.10, 0.11])
    five = stats.family([one] * 5)[0]
    for estimate, critical in ((one, 4.302653), (five, 9.924843)):
        assert math.log(estimate.high) - 0.1 == pytest.approx(critical * 0.01 / math.sqrt(3), abs=1e-7)
        assert 0.1 - math.log(estimate.low) == pytest.approx(critical * 0.01 / math.sqrt(3), abs=1e-7)
    assert five.p == pytest.approx(5 * one.p) and five.interval() == one.interval()


def test_what_was_not_measured_does_not_count():
    first, none, single, last = stats.family([of([0.1, 0.2]), None, of([0.3]), of([0.1, 0.2])])
    assert none is None and first.size == 2 and first == last
    assert stats.verdict(single) == "inconclusive" and single.p is None
    assert stats.family([]) == [] and stats.verdict(None) is None


def test_equivalence_by_hand():
    # Twelve log ratios alternating around 0.01 by +-s: error = s / sqrt(11). t(0.975; 11) = 2.200985, so the interval
    # ends at 0.01 + 2.200985 * s / sqrt(11), and meets log(1.05) = 0.0487902 at s = 0.0584528.
    for s, word in ((0.0584, "same"), (0.0585, "inconclusive")):
        assert stats.verdict(of([0.01 + s, 0.01 - s] * 6)) == word


def test_the_four_verdicts_and_their_direction():
    up = of([0.2, 0.21, 0.19, 0.2])
    assert stats.verdict(up) == "faster"
    assert stats.verdict(up, more_is_better=False) == "slower"
    small = of([0.02, 0.021, 0.019, 0.02])
    assert stats.verdict(small) == "faster", "a difference that is real comes before same"
    family = stats.family([of([0.02, 0.03, 0.01, 0.02])] * 50)
    assert stats.verdict(family[0]) == "inconclusive", "one that the family does not support is not"
    assert stats.verdict(stats.family([of([0.0, 0.001, -0.001])] * 5)[0]) == "same"


def test_wide_families_of_two_blocks_overflow_nothing():
    wild = stats.family([of([20.0, -20.0])] * 300)[0]
    assert wild.low < 1e-50 and wild.high > 1e50
    assert wild.blocks_needed == stats.MOST_BLOCKS + 1 and formatting.blocks(wild.blocks_needed) == ">100"
    assert wild.detectable > 1e50


# --- verdict and interval ---


def random_families(seed, count):
    """Families of any size, number of blocks, effect, noise and tail."""
    random = numpy.random.default_rng(seed)
    for _ in range(count):
        blocks, noise = random.integers(1, 14), 10 ** random.uniform(-4, 0)
        shift, tail = random.normal(0, 10 ** random.uniform(-4, 0)), random.choice([1.5, 3, 30])
        rows = shift + noise * random.standard_t(tail, (random.integers(1, 40), blocks))
        yield stats.family([of(row) for row in rows])


def printed(estimate):
    """The ends of the interval as a reader sees them."""
    ends = re.fullmatch(r"\[(\S+), (\S+)\]", formatting.interval(estimate))
    return [float(end) for end in ends.groups()] if ends else None


@pytest.mark.parametrize("better", [True, False])
def test_no_verdict_disagrees_with_the_interval_beside_it(better):
    words = dict.fromkeys(["faster", "slower", "same", "inconclusive"], 0)
    for family in random_families(1, 300):
        for estimate in family:
            word, ends = stats.verdict(estimate, better), printed(estimate)
            words[word] += 1
            if ends is None:
                assert estimate.count == 1 and word == "inconclusive"
                continue
            low, high = ends
            leaves = low > 1 or high < 1
            within = 1 / stats.MARGIN <= low and high <= stats.MARGIN
            assert leaves == (word in ("faster", "slower")) == (estimate.p <= stats.ALPHA)
            if leaves:
                assert (low > 1) == ((word == "faster") == better)
            elif ends:
                assert within == (word == "same")
            assert (estimate.blocks_needed is not None) == (word == "inconclusive")
            assert estimate.blocks_needed is None or estimate.blocks_needed > estimate.count
    assert min(words.values()) > 50, "each verdict was among them"


def test_an_end_near_one_is_printed_with_the_decimals_that_it_takes():
    def shown(low, high):
        middle = (math.log(low) + math.log(high)) / 2
        reach = (math.log(high) - middle) / 12.706204736  # t(0.975; 1)
        return formatting.interval(stats.Estimate(2, middle, reach, 1))

    assert shown(1.003, 1.08) == "[1.003, 1.08]"
    assert shown(0.9996, 1.02) == "[0.9996, 1.02]"
    assert shown(0.97, 1.0504) == "[0.97, 1.0504]"
    assert shown(0.9531, 1.02) == "[0.953, 1.02]"
    assert shown(0.45, 0.71) == "[0.45, 0.71]" and shown(0.012, 30) == "[0.0120, 30.0]"


# --- simulated measurements of known truth ---


def normal(random, shape):
    return random.normal(0, NOISE, shape)


def outliers(random, shape):
    """One run in twenty with five times the noise."""
    return normal(random, shape) * numpy.where(random.random(shape) < 0.05, 5, 1)


def heavy_tails(random, shape):
    return NOISE * random.standard_t(3, shape)


def differences(random, noise, points, blocks):
    """Log ratios of a server to itself; points differ in their noise, as those of a matrix do."""
    scale = numpy.exp(random.normal(0, 0.5, (points, 1)))
    return scale * (noise(random, (points, blocks)) - noise(random, (points, blocks)))


@pytest.mark.parametrize("noise", [normal, outliers, heavy_tails])
@pytest.mark.parametrize("blocks,points", [(3, 8), (4, 30), (6, 8), (12, 8), (12, 30)])
def test_all_intervals_hold_and_nothing_false_is_found(noise, blocks, points):
    # At least 95% of the families hold the truth in every one of their intervals, whatever it is (here effects of -5%
    # to 5%); and of a server against itself at most 5% of the families call any point different.
    random = numpy.random.default_rng(blocks * points)
    held = found = 0
    for _ in range(FAMILIES):
        noises = differences(random, noise, points, blocks)
        found += any(
            stats.verdict(e) in ("faster", "slower") for e in stats.family([of(row) for row in noises])
        )
        truths = random.uniform(-0.05, 0.05, points)
        estimates = stats.family([of(truth + row) for truth, row in zip(truths, noises)])
        held += all(e.low <= math.exp(truth) <= e.high for e, truth in zip(estimates, truths))
    assert held / FAMILIES >= 0.95 - ERROR
    assert found / FAMILIES <= 0.05 + ERROR


def test_nor_by_welch_between_two_folders():
    # Ratios of ratios: B / A of three servers' measures, which share the baseline and so depend on each other.
    random = numpy.random.default_rng(21)
    found = 0
    for _ in range(FAMILIES // 2):
        shared = [heavy_tails(random, (10, 12)), heavy_tails(random, (10, 12))]
        a, b = (
            [heavy_tails(random, 12) - baseline for baseline in baselines for _ in range(3)]
            for baselines in shared
        )
        estimates = stats.family([stats.apart(list(y), list(x)) for x, y in zip(a, b)])
        found += any(stats.verdict(e) in ("faster", "slower") for e in estimates)
    assert found / (FAMILIES // 2) <= 0.05 + ERROR * math.sqrt(2)


def test_a_rule_that_is_too_bold_fails_these(monkeypatch):
    monkeypatch.setattr(stats, "family", lambda estimates: list(estimates))
    with pytest.raises(AssertionError):
        test_all_intervals_hold_and_nothing_false_is_found(normal, 12, 8)


def test_a_server_against_itself_is_called_the_same():
    random = numpy.random.default_rng(7)
    words = []
    for _ in range(60):
        noises = normal(random, (8, 12)) - normal(random, (8, 12))
        words += [stats.verdict(e) for e in stats.family([of(row) for row in noises])]
    assert words.count("same") > 0.9 * len(words)


def test_an_effect_of_five_percent_is_found():
    # At 2% noise and 12 blocks, in a family of eight points that all have the effect: 1/1.05 is found slower at more
    # than 97% of the points (with Holm's step-down, which has no intervals: 99%).
    random = numpy.random.default_rng(9)
    words = []
    for _ in range(250):
        noises = normal(random, (8, 12)) - normal(random, (8, 12))
        words += [stats.verdict(e) for e in stats.family([of(row - math.log(1.05)) for row in noises])]
    assert words.count("slower") > 0.97 * len(words)
    assert "faster" not in words


# --- how many blocks would tell ---


@functools.lru_cache
def needed(shift, spread, size, blocks=6):
    """For that mean and that standard deviation of the log ratios of a block."""
    return stats.Estimate(blocks, shift, spread / math.sqrt(blocks), blocks - 1, size=size).blocks_needed


@pytest.mark.parametrize(
    "shift,spread,size", [(0.10, 0.2, 1), (0.10, 0.2, 12), (-0.06, 0.1, 30), (0.01, 0.06, 12)]
)
def test_so_many_blocks_tell(shift, spread, size):
    # About 80%, whether what they tell is a difference or (at 0.01) that there is none to speak of.
    random = numpy.random.default_rng(size)
    blocks, told = needed(shift, spread, size), 0
    for _ in range(500):
        estimate = of(random.normal(shift, spread, blocks))
        told += stats.verdict(stats.family([estimate] * size)[0]) != "inconclusive"
    assert 6 < blocks <= 100
    assert told / 500 == pytest.approx(0.80, abs=0.06)


def test_more_noise_and_more_points_need_more_blocks():
    assert needed(0.05, 0.05, 8) < needed(0.05, 0.1, 8) < needed(0.05, 0.1, 40)
    assert needed(0.05, 1.0, 8) == 101
    # Blocks that tell need no more.
    assert needed(0.2, 0.01, 8) is None and needed(0, 0.001, 8) is None
