"""The statistics against examples worked by others and by hand, then against made-up measurements
whose truth is known (fixed seeds, so these pass or fail the same way for ever)."""

import math

import numpy
import pytest
from waitbench.judge import stats

# Hours of sleep gained with two drugs by ten patients (Student 1908). R's t.test documents the
# paired result (t 4.0621, df 9) and Welch's (t 1.8608, df 17.776).
DRUG_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
DRUG_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]

BLOCKS = 12
NOISE = 0.02  # sd of a log throughput from run to run, assumed; loadtest/selftest prints what a machine has


def exp(values):
    return [math.exp(value) for value in values]


# --- worked examples ---


def test_paired_t_is_students_own_example():
    estimate = stats.paired(exp(DRUG_2), exp(DRUG_1))
    assert math.log(estimate.ratio) == pytest.approx(1.58)
    assert math.log(estimate.low) == pytest.approx(0.7001142, abs=1e-7)
    assert math.log(estimate.high) == pytest.approx(2.4598858, abs=1e-7)
    assert estimate.p == pytest.approx(0.002833, abs=1e-6)
    assert estimate.count == 10


def test_welch_is_the_same_data_unpaired():
    estimate = stats.unpaired(exp(DRUG_2), exp(DRUG_1))
    assert math.log(estimate.low) == pytest.approx(-0.2054832, abs=1e-7)
    assert math.log(estimate.high) == pytest.approx(3.3654832, abs=1e-7)
    assert estimate.p == pytest.approx(0.07939, abs=1e-5)


@pytest.mark.parametrize("count,k", [(6, 1), (8, 1), (9, 2), (10, 2), (12, 3), (15, 4), (20, 6), (25, 8)])
def test_order_statistics_of_the_median(count, k):
    # The ranks of the 95% interval in the tables of the sign test (Conover 1999, table A3).
    values = list(range(1, count + 1))
    assert stats.median_interval(values) == ((count + 1) / 2, k, count + 1 - k)


def test_five_values_are_too_few_for_the_medians_interval():
    assert stats.median_interval([5, 1, 4, 2, 3]) == (3, None, None)


def test_detectable_effect_is_cohens():
    # pwr.t.test(d = 0.5, power = 0.8, type = "paired") asks for 33.37 pairs.
    at_33 = math.log(stats.detectable(1 / math.sqrt(33), 32))
    at_34 = math.log(stats.detectable(1 / math.sqrt(34), 33))
    assert at_34 < 0.5 < at_33
    assert at_33 - at_34 < 0.01


# --- edges ---


def test_one_pair_has_a_ratio_and_no_verdict():
    estimate = stats.paired([300.0], [100.0])
    assert estimate.ratio == pytest.approx(3)
    assert (estimate.low, estimate.p, estimate.detectable) == (None, None, None)
    assert stats.verdict(estimate) == "inconclusive"
    assert stats.paired([], []) is None
    assert stats.unpaired([], [1.0]) is None


def test_no_noise_at_all():
    equal = stats.paired([100.0] * 3, [100.0] * 3)
    assert (equal.low, equal.high, equal.p) == (1, 1, 1)
    assert stats.verdict(equal) == "same"
    double = stats.paired([200.0] * 3, [100.0] * 3)
    assert double.p == 0 and stats.verdict(double) == "faster"
    # 1.1/3.3 and 0.1/0.3 differ in the last bit: that is rounding, no noise.
    assert stats.paired([1.1, 0.1, 0.2], [3.3, 0.3, 0.6]).low == pytest.approx(1 / 3)


def test_wild_noise_of_two_pairs_overflows_nothing():
    estimate = stats.paired([1.0, 1e9], [1e9, 1.0])
    assert estimate.low < 1e-50 and estimate.high > 1e50
    assert stats.verdict(estimate) == "inconclusive"


def test_pairs_must_match():
    with pytest.raises(ValueError):
        stats.paired([1.0, 2.0], [1.0])


def test_combined_points_count_once_each():
    # Two points with error e each: the mean has error sqrt(2) e / 2, with all the freedom of both.
    group = [0.1 - 0.03, 0.1 + 0.03, 0.1 - 0.03, 0.1 + 0.03]
    single, double = stats.combined([group]), stats.combined([group, group])
    assert single == stats.combined([group]) and single.ratio == pytest.approx(math.exp(0.1))
    reach = {1: math.log(single.high) - 0.1, 2: math.log(double.high) - 0.1}
    # t(0.975; 3) = 3.182446, t(0.975; 6) = 2.446912
    assert reach[2] / reach[1] == pytest.approx(2.446912 / 3.182446 / math.sqrt(2), abs=1e-6)
    assert stats.combined([[0.1], [0.3]]).ratio == pytest.approx(math.exp(0.2))
    assert stats.combined([[0.1], [0.3]]).low is None
    assert stats.combined([]) is None


# --- simulated measurements of known truth ---

TRUTH = math.log(1.10)


def noise(random, shape, share=0.0, size=1.0):
    """Normal; a share of the runs is disturbed so that its noise is that many times as large."""
    disturbed = random.random(shape) < share
    return random.normal(0, NOISE, shape) * numpy.where(disturbed, size, 1)


def coverage(differences, truth):
    """How often the t-interval and the order-statistic interval hold the truth."""
    estimates = [stats.paired(exp(row), [1.0] * len(row)) for row in differences]
    held = math.exp(truth)
    return (
        numpy.mean([e.low <= held <= e.high for e in estimates]),
        numpy.mean([e.median_low <= held <= e.median_high for e in estimates]),
    )


def simulate(seed, runs, **disturbance):
    random = numpy.random.default_rng(seed)
    shape = (runs, BLOCKS)
    return TRUTH + noise(random, shape, **disturbance) - noise(random, shape, **disturbance)


def test_coverage_with_normal_noise():
    t, order = coverage(simulate(1, 4000), TRUTH)
    assert 0.93 <= t <= 0.97
    assert 0.93 <= order <= 0.97


def test_coverage_with_outliers():
    # One run in twenty with five times the noise: about one block in ten is hit.
    t, order = coverage(simulate(2, 4000, share=0.05, size=5), TRUTH)
    assert 0.93 <= t <= 0.97
    assert 0.93 <= order <= 0.97


def test_gross_outliers_make_the_t_interval_wider_and_never_bolder():
    # One run in ten with ten times the noise leaves 93-97% upwards: the t-interval holds the truth
    # in 98% of cases, that is, it says "cannot tell" too often rather than too rarely. The
    # order-statistic interval, which no outlier moves, keeps its 96%: that is why it stands beside.
    t, order = coverage(simulate(3, 4000, share=0.10, size=10), TRUTH)
    assert 0.97 < t < 0.99
    assert 0.93 <= order <= 0.97


def test_stalls_of_one_server_only():
    # The honest limit: when one server alone stalls now and then (a run in twenty at 20% less),
    # twelve blocks often hold no stall, and the t-interval holds the mean *with* its share of
    # stalls in only 89% of cases. Both intervals still hold what a block without a stall shows.
    random = numpy.random.default_rng(4)
    shape = (4000, BLOCKS)
    stalls = (random.random(shape) < 0.05) * 10 * NOISE
    differences = TRUTH + noise(random, shape) - noise(random, shape) - stalls
    t, _ = coverage(differences, TRUTH - 0.05 * 10 * NOISE)
    assert 0.86 <= t <= 0.92
    t, order = coverage(differences, TRUTH)
    assert t >= 0.93 and order >= 0.93


def test_power_is_what_detectable_promises():
    # Twelve blocks at 2% noise promise 80% power for about 2.5%. Plant just that.
    random = numpy.random.default_rng(8)
    freedom, error = BLOCKS - 1, NOISE * math.sqrt(2 / BLOCKS)
    shift = math.log(stats.detectable(error, freedom))
    assert 0.020 < shift < 0.030
    found = 0
    for _ in range(2000):
        differences = shift + noise(random, BLOCKS) - noise(random, BLOCKS)
        estimate = stats.paired(exp(differences), [1.0] * BLOCKS)
        found += stats.verdict(estimate) == "faster"
    assert found / 2000 == pytest.approx(0.80, abs=0.03)


def test_welch_coverage_with_unequal_noise_and_size():
    random = numpy.random.default_rng(10)
    held = 0
    for _ in range(2000):
        a, b = random.normal(TRUTH, 3 * NOISE, 6), random.normal(0, NOISE, 12)
        estimate = stats.unpaired(exp(a), exp(b))
        held += estimate.low <= math.exp(TRUTH) <= estimate.high
    assert 0.93 <= held / 2000 <= 0.97


def test_combined_coverage():
    random = numpy.random.default_rng(11)
    held = 0
    for _ in range(2000):
        groups = [
            list(random.normal(shift, NOISE * size, 5)) for shift, size in ((0.0, 1), (0.1, 2), (0.2, 4))
        ]
        estimate = stats.combined(groups)
        held += estimate.low <= math.exp(0.1) <= estimate.high
    assert 0.93 <= held / 2000 <= 0.97
