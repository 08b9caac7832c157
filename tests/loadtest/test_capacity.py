"""The search for the capacity at an objective, against a server that is made up: p99 has a knee, and noise."""

import math

import numpy
import pytest
from waitbench.judge import capacity, stats

SLO_MS = 10
CLOSED = 10_000  # requests/s


class MadeUp:
    """p99 grows as in a queue, from 2 ms; it is SLO_MS at `rps`."""

    def __init__(self, rps, noise=0.0, seed=1):
        self.full, self.noise = rps / 0.8, noise
        self.random = numpy.random.default_rng(seed)
        self.tried = []

    def step(self, rate, stalled=False, generator=False):
        self.tried.append(rate)
        share = min(rate / self.full, 0.9999)
        p99 = 2000 / (1 - share) * math.exp(self.random.normal(0, self.noise))
        p99 = 300_000 if stalled or generator else p99
        late = ["late: 3.1% of the requests were sent more than 1 ms late"] if generator else []
        due = round(rate * 3)
        return capacity.judge(rate, SLO_MS, due, due, 3.0, p99, 0, {"reset": 0}, late)


def search(server, closed=CLOSED, shift=0.0, step=None):
    looking = capacity.Search(closed, shift)
    while looking.rate is not None:
        looking.take((step or server.step)(looking.rate))
    return looking


@pytest.mark.parametrize("share", [0.011, 0.05, 0.3, 0.6, 0.85, 1.0, 1.2, 1.4])
@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.4])
def test_it_finds_the_rate_within_a_cell(share, shift):
    true = share * CLOSED
    server = MadeUp(true)
    found = search(server, shift=shift).found
    assert found.bound == "" and found.rps <= true * 1.000001
    assert true < found.rps * 1.05 * 1.000001, "the next higher rate did not meet it"
    assert found.steps == len(server.tried) <= 20
    assert max(server.tried) <= 1.5 * CLOSED and min(server.tried) >= 0.01 * CLOSED


def test_it_starts_below_the_closed_loop_rate_and_widens():
    server = MadeUp(0.85 * CLOSED)
    search(server)
    assert server.tried[0] == pytest.approx(0.6 * CLOSED)
    ratios = [after / before for before, after in zip(server.tried, server.tried[1:])]
    assert ratios[0] == pytest.approx(1.05**4), "upwards, to the first rate that is not met"
    assert len(server.tried) <= 10


def test_one_stall_in_a_step_does_not_end_the_search():
    for stalled in range(4):  # one step after another; all of the first are met without it
        calls = iter(range(100))
        server = MadeUp(0.85 * CLOSED)
        undisturbed = search(MadeUp(0.85 * CLOSED)).found
        disturbed = search(server, step=lambda rate: server.step(rate, stalled=next(calls) == stalled))
        assert disturbed.found.rps == undisturbed.rps
        assert [step.met for step in disturbed.steps][stalled] is False
        assert disturbed.steps[stalled].why == "p99 300 ms"


def test_a_rate_that_fails_twice_is_not_met():
    server = MadeUp(0.85 * CLOSED)
    found = search(server, step=lambda rate: server.step(rate, stalled=rate > 0.5 * CLOSED)).found
    assert found.rps <= 0.5 * CLOSED < found.rps * 1.05


def test_a_server_that_never_meets_it():
    server = MadeUp(1)
    found = search(server).found
    assert found == (None, len(server.tried), "none")
    assert 0.01 * CLOSED <= min(server.tried) < 0.01 * CLOSED * 1.05
    assert len(server.tried) <= 12, "each step down is longer than the last"


def test_a_server_that_meets_every_rate():
    server = MadeUp(100 * CLOSED)
    found = search(server).found
    assert found.bound == "ceiling" and 1.5 * CLOSED / 1.05 < found.rps <= 1.5 * CLOSED


def test_the_generator_is_not_the_server():
    """It cannot send more than 7,000 a second: the capacity is so much at least."""
    server = MadeUp(0.9 * CLOSED)
    found = search(server, step=lambda rate: server.step(rate, generator=rate > 7000))
    assert found.found.bound == "generator"
    assert found.found.rps <= 7000 < found.found.rps * 1.05
    assert any(step.note.startswith("generator: late: 3.1%") for step in found.steps)


def test_a_generator_that_fails_where_the_server_does_too_bounds_nothing():
    """Above its capacity a server takes the CPU from the generator; the rate below, which both could, decides."""
    server = MadeUp(0.7 * CLOSED)
    found = search(server, step=lambda rate: server.step(rate, generator=rate > 7500)).found
    assert found.bound == "" and found.rps <= 7000 < found.rps * 1.05


def test_a_generator_that_keeps_no_rate_says_nothing():
    server = MadeUp(0.9 * CLOSED)
    found = search(server, step=lambda rate: server.step(rate, generator=True)).found
    assert found.rps is None and found.bound == "generator"


def test_one_late_try_is_not_the_generators_bound():
    calls = iter(range(100))
    server = MadeUp(0.85 * CLOSED)
    found = search(server, step=lambda rate: server.step(rate, generator=next(calls) in (0, 3))).found
    assert found.bound == "" and found.rps == search(MadeUp(0.85 * CLOSED)).found.rps


def judged(**change):
    usual = dict(
        rate=1000,
        slo_ms=10,
        due=3000,
        answered=3000,
        window_s=3.0,
        p99_us=10_000,
        unfinished=0,
        errors={},
        unsound=[],
    )
    return capacity.judge(**(usual | change))


def test_what_a_step_must_meet():
    assert judged().met, "p99 may be the objective itself"
    assert judged().achieved == 1000
    assert judged(p99_us=10_010).why == "p99 10.01 ms" and not judged(p99_us=10_001).met
    assert judged(answered=2940).met and judged(answered=2939).why == "2939 responses to 3000 arrivals"
    assert judged(unfinished=1).why == "1 of 3000 arrivals had no response"
    assert judged(errors={"reset": 2, "closed": 0, "timeout": 1}).why == "errors: 2 reset, 1 timeout"
    assert judged(due=0, answered=0, p99_us=None).why == "no arrival"
    assert not judged(p99_us=20_000).generator
    ports = judged(errors={"ports": 4})
    assert ports.generator and ports.note == "generator: errors: 4 ports"
    assert not judged(unsound=["errors: 2 reset"], errors={"reset": 2}).generator
    late = ["late: 2.0% of the requests were sent more than 1 ms after they were due"]
    assert judged(p99_us=11_000, unsound=late).generator
    assert judged(unsound=late).met, "being late makes latencies longer: the server met it nevertheless"
    assert judged(due=400, answered=400).note == "400 arrivals, fewer than 1000"


def test_a_step_has_arrivals_enough_for_a_percentile():
    assert capacity.seconds(5000, duration=10) == 3
    assert capacity.seconds(200, duration=10) == 5
    assert capacity.seconds(10, duration=10) == 10
    assert capacity.seconds(5000, duration=2) == 2


def blocks(rps, closed, name, count=12, noise=0.1, seed=1, shifted=True):
    """Capacities of one server in so many blocks."""
    server = MadeUp(rps, noise, seed)
    shifts = [capacity.shift(seed, block, name) if shifted else 0 for block in range(count)]
    return [search(server, closed, shift).found.rps for shift in shifts]


def verdicts(experiments, second=1.0, **kwargs):
    """Of one server under two names, whose closed-loop rates were measured 1% apart; `second`: of the capacity of b."""
    return [
        stats.verdict(
            stats.paired(
                blocks(8000 * second, 10_100, "libuv:b", seed=2 * seed + 1, **kwargs),
                blocks(8000, 10_000, "libuv", seed=2 * seed, **kwargs),
            )
        )
        for seed in range(experiments)
    ]


def test_one_server_under_two_names_is_no_difference():
    for noise in (0.0, 0.1):
        wrong = sum(word in (stats.FASTER, stats.SLOWER) for word in verdicts(120, noise=noise))
        assert wrong <= 13, "5% of 120 are 6; 14 or more have a chance of 0.3%"


def test_grids_that_are_not_shifted_would_be_a_difference():
    words = verdicts(5, noise=0.0, shifted=False)
    assert stats.FASTER in words or stats.SLOWER in words, "what the shift is there for"


def test_a_difference_of_a_tenth_is_found():
    assert verdicts(20, second=1.1).count(stats.FASTER) >= 18


def test_a_shift_is_within_half_a_cell_and_the_same_again():
    shifts = [capacity.shift(7, block, "libuv") for block in range(200)]
    assert -0.5 <= min(shifts) < -0.45 and 0.45 < max(shifts) <= 0.5
    assert shifts == [capacity.shift(7, block, "libuv") for block in range(200)]
    assert capacity.shift(7, 1, "libuv") != capacity.shift(7, 1, "libuv:b") != capacity.shift(8, 1, "libuv:b")
