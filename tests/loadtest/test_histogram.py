"""wrk's invented samples, and that exactly they are taken out again."""

import random
from pathlib import Path

import numpy
import pytest

from waitbench.judge import histogram
from waitbench.observe import wrk_output

GOLDEN = Path(__file__).parent / "golden"


def spread(chance, samples, scale):
    """Counts of latencies with a long tail, as a queue makes them."""
    values = [int(chance.expovariate(1 / scale)) + 1 for _ in range(samples)]
    values += [chance.randrange(scale, 60 * scale) for _ in range(samples // 50)]
    return numpy.bincount(values).astype(numpy.int64)


@pytest.mark.parametrize("seed", range(20))
def test_undo_gives_back_what_was_measured(seed):
    chance = random.Random(seed)
    original = spread(chance, chance.randrange(1, 5000), chance.randrange(1, 2000))
    interval = chance.randrange(1, 3000)
    counts = original.copy()
    histogram.correct(counts, interval)
    histogram.undo_correction(counts, interval)
    assert (counts == original).all()


def test_correction_does_invent():
    counts = numpy.zeros(1001, dtype=numpy.int64)
    counts[1000] = 3
    histogram.correct(counts, 300)
    # 700 and 400 are above the interval, 100 is not.
    assert {value: int(counts[value]) for value in numpy.flatnonzero(counts)} == {1000: 3, 700: 3, 400: 3}
    assert counts.sum() == 9


def test_real_output_keeps_one_sample_a_request():
    result = wrk_output.parse((GOLDEN / "wrk-4.1.0.txt").read_text())
    assert sum(count for _, count in result.histogram) == 973  # with what wrk invented
    values, counts = histogram.measured(result.histogram, result.requests, result.duration_us, 8)
    assert counts.sum() == result.requests == 671
    assert counts.min() > 0
    assert histogram.mean(values, counts) == pytest.approx(12453.35, abs=0.01)
    # Little's law, which the corrected mean (wrk prints 31.34 ms) breaks by a factor of two.
    assert 671 / 1.082982 * 0.01245335 / 8 == pytest.approx(0.964, abs=0.001)
    assert histogram.percentile(values, counts, 1) == values[-1] == 191870


def test_a_histogram_of_another_number_of_requests_is_refused():
    result = wrk_output.parse((GOLDEN / "wrk-4.1.0.txt").read_text())
    with pytest.raises(histogram.Damaged, match="670 requests"):
        histogram.measured(result.histogram, 670, result.duration_us, 8)


def test_without_a_whole_round_wrk_corrects_nothing():
    values, counts = histogram.measured([(5_000_000, 1), (6_000_000, 2)], 3, 10_000_000, 64)
    assert list(values) == [5_000_000, 6_000_000] and list(counts) == [1, 2]


def test_no_request_at_all_is_refused_and_does_not_crash():
    with pytest.raises(histogram.Damaged):
        histogram.measured([], 1, 1_000_000, 1)


@pytest.mark.parametrize("share, expected", [(0.5, 2), (0.51, 3), (0.9, 9), (0.99, 10), (0.001, 1), (1, 10)])
def test_percentiles_are_by_nearest_rank(share, expected):
    values, counts = numpy.array([1, 2, 3, 9, 10]), numpy.array([2, 3, 2, 2, 1])
    assert histogram.percentile(values, counts, share) == expected


def test_mean_age_is_half_of_equal_latencies():
    assert histogram.mean_age(numpy.array([100]), numpy.array([7])) == 50
    assert histogram.mean_age(numpy.array([1, 99]), numpy.array([1, 1])) == pytest.approx(9802 / 200)
