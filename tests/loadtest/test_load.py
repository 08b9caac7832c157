"""Several generators together: what is added, what is weighted, and what is judged for each alone."""

import dataclasses

import numpy
import pytest
from test_soundness import OPEN_ALONE, REQUESTS, US, observation, part, words

from waitbench.plan import matrix
from waitbench.observe import hosts, wrk_output
from waitbench.judge import figures, histogram, load, soundness

TARGET = matrix.servers([matrix.parse_target("threaded=http://server.example:8080")])[0]
ELSEWHERE = hosts.Host("far", "another-boot", 8, "6.1")
NONE = dict.fromkeys(wrk_output.ERRORS, 0)


def half(name, **changes):
    """One of two generators with 8 of the 16 connections, of a sound run."""
    fields = {"connections": 8, "host": ELSEWHERE._replace(boot_id=name), "steal_share": 0.001}
    fields |= {
        "requests": REQUESTS // 2,
        "duration_us": 1_900_000,
        "bytes": REQUESTS // 2 * 1134 + 100,
        "errors": NONE,
        "cpu_s": 0.25,
    }
    fields["histogram"] = [(US, fields["requests"])]
    return part(f"http://{name}:18090", **(fields | changes))


def two(first=None, second=None, **changes):
    return together(half("a", **(first or {})), half("b", **(second or {})), **changes)


def together(*parts, **changes):
    """The server sees that each wrk tries its address, and its machine has nothing to do with wrk's CPU."""
    accepted = {"connections_accepted": 56 + len(parts)}
    spent = {"user": 0.5, "idle": 2.4}
    return observation(server=TARGET, load=load.Load(list(parts)), stats=accepted, spent=spent, **changes)


@pytest.mark.parametrize(
    "connections, generators, expected",
    [(16, 2, [8, 8]), (17, 2, [9, 8]), (1, 3, [1, 0, 0]), (10, 4, [3, 3, 2, 2]), (7, 1, [7])],
)
def test_connections_are_split_evenly(connections, generators, expected):
    assert load.split(connections, generators) == expected


@pytest.mark.parametrize("seed", range(10))
def test_percentiles_of_the_sum_are_those_of_all_samples(seed):
    chance = numpy.random.default_rng(seed)
    samples = [chance.integers(1, 50 * 10**k, size=chance.integers(1, 2000)) for k in range(3)]
    merged = histogram.add([numpy.unique(some, return_counts=True) for some in samples])
    every = numpy.sort(numpy.concatenate(samples))
    assert merged[1].sum() == len(every) and merged[1].dtype == numpy.int64
    assert histogram.mean(*merged) == pytest.approx(every.mean())
    for share in (0.5, 0.9, 0.99, 0.999, 1):
        assert histogram.percentile(*merged, share) == every[max(0, int(numpy.ceil(share * len(every))) - 1)]


def corrected(samples, connections, duration_us):
    """What wrk would print of these samples."""
    counts = numpy.bincount(samples).astype(numpy.int64)
    histogram.correct(counts, duration_us // (len(samples) // connections))
    return [(int(value), int(counts[value])) for value in numpy.flatnonzero(counts)]


def test_each_correction_is_undone_before_the_sum():
    """A fast and a slow generator: the interval of either is wrong for the other, and for the sum."""
    chance = numpy.random.default_rng(1)
    fast, slow = chance.integers(500, 90_000, size=1600), chance.integers(500, 400_000, size=60)
    parts = [
        half(name, requests=len(samples), histogram=corrected(samples, 8, 1_900_000))
        for name, samples in (("a", fast), ("b", slow))
    ]
    values, counts = load.Load(parts).latencies
    assert numpy.repeat(values, counts).tolist() == sorted([*fast, *slow])
    together = histogram.add([tuple(map(numpy.array, zip(*each.result.histogram))) for each in parts])
    with pytest.raises(histogram.Damaged):
        histogram.measured(list(zip(*map(list, together))), 1660, 1_900_000, 16)


def test_sums_are_sums_and_the_rate_is_that_of_all_connections():
    """5 and 3 connections of equal speed for 2.0 and 2.1 s: the rate is 8 connections' worth."""
    parts = [
        half("a", connections=5, requests=1000, duration_us=2_000_000, bytes=7, errors=NONE | {"read": 2}),
        half(
            "b",
            connections=3,
            requests=630,
            duration_us=2_100_000,
            bytes=5,
            errors=NONE | {"read": 1, "status": 4},
        ),
    ]
    both = load.Load(parts)
    assert (both.requests, both.bytes, both.cpu_s, both.connections) == (1630, 12, 0.5, 8)
    assert both.errors == NONE | {"read": 3, "status": 4}
    assert both.requests / (both.duration_us / 1e6) == pytest.approx(8 * 100)
    assert both.apart_s == pytest.approx(0.1)


def test_a_single_part_is_what_it_was():
    one = load.Load([half("a", duration_us=1_900_001)])
    assert one.duration_us == 1_900_001 and one.apart_s == 0
    assert (one.latencies[0] == [US]).all() and (one.latencies[1] == [REQUESTS // 2]).all()
    assert (
        one.littles_ratio == one.parts[0].littles_ratio
        and one.in_flight_ratio == one.parts[0].in_flight_ratio
    )


def test_a_sound_run_of_two_is_sound():
    assert soundness.judge(two()) == ([], [])


def test_one_probe_for_each_generator_is_expected():
    both = load.Load([half("a"), half("b")])
    assert words(observation(load=both, stats={"connections_accepted": 57})) == ["connections"]
    assert words(observation(load=both, stats={"connections_accepted": 58})) == []
    assert words(observation(load=both, stats={"connections_accepted": 59})) == ["connections"]


def test_errors_name_their_generator():
    found, _ = soundness.judge(two(second={"errors": NONE | {"timeout": 3}}))
    assert found == ["errors: generator http://b:18090 counted 3 of kind timeout"]


def test_littles_law_of_each_alone():
    """10.4 ms on one side and 9.9 on the other make 1.002 together."""
    seen = two({"histogram": [(10_400, REQUESTS // 2)]}, {"histogram": [(9_900, REQUESTS // 2)]})
    assert seen.load.littles_ratio < soundness.LITTLE_MOST
    found, _ = soundness.judge(seen)
    assert [word.partition(" is ")[0] for word in found] == [
        "little: throughput x mean latency / connections of generator http://a:18090"
    ]


def test_one_slow_generator_does_not_hide_among_four():
    """0.87 on one of four is 0.97 together."""
    parts = [
        half(name, connections=4, requests=750, bytes=750 * 1134, histogram=[(us, 750)])
        for name, us in zip("abcd", (US, US, US, 8800))
    ]
    seen = together(*parts)
    assert seen.load.in_flight_ratio > soundness.LITTLE_LEAST
    assert soundness.judge(seen) == ([], ["generator-bound"])


def test_one_generator_without_a_cpu_left_is_flagged():
    assert soundness.judge(two(second={"cpu_s": 3.65})) == ([], ["generator-bound"])


@pytest.mark.parametrize(
    "change, sound",
    [
        ({"started": 0.14}, True),
        ({"started": 0.16}, False),
        ({"started": -0.16}, False),
        ({"duration_us": 1_760_000, "histogram": [(9_200, REQUESTS // 2)]}, True),
        ({"duration_us": 2_060_000}, False),
    ],
)
def test_windows_must_lie_over_each_other(change, sound):
    seen = two(second=change)
    assert words(seen) == ([] if sound else ["window"])
    if not sound:
        assert all(f"generator http://{name}:18090" in soundness.judge(seen)[0][0] for name in "ab")


def test_in_a_long_run_windows_may_differ_by_a_share_of_it():
    parts = [half(name, duration_us=20_000_000, started=start) for name, start in (("a", 0.0), ("b", 0.39))]
    assert soundness.apart(load.Load(parts)) == []
    late = dataclasses.replace(parts[1], started=0.41)
    assert len(soundness.apart(load.Load([parts[0], late]))) == 1


def test_steal_of_a_generators_machine():
    assert words(two(second={"steal_share": 0.03})) == ["steal"]


def test_nothing_of_this_machine_stands_in_for_another():
    """The server on 4 CPUs elsewhere, two generators on machines of 8; here is only the load test."""
    seen = two(host=ELSEWHERE._replace(cpus=4), db_host=None)
    seen.first.db_cpu = seen.last.db_cpu = None
    row, detail = figures.row(seen, []), figures.detail(seen)
    assert row["server_cpu_share"] == pytest.approx(0.8 / (2.0 * 4))
    assert row["wrk_cpu_share"] == pytest.approx(0.5 / (2.0 * 16))
    assert row["steal_share"] == 0.001
    assert {name for name, value in row.items() if value is None} == {
        "kernel_kib",
        "idle_share",
        "db_cpu_share",
    } | OPEN_ALONE
    unseen = {
        "other_share",
        "cpu_pressure_share",
        "kernel_stack_kib",
        "page_tables_kib",
        "slab_kib",
        "tcp_kib",
    }
    assert all(detail[name] is None for name in unseen | {"db_cpu_us_per_req"})
    assert detail["wrk_cpu_us_per_req"] == pytest.approx(0.5e6 / (REQUESTS + 5))
    assert detail["generators_apart_ms"] == 0
    assert soundness.judge(seen) == ([], [])


def test_a_database_elsewhere_has_the_share_of_its_own_machine():
    seen = two(db_host=ELSEWHERE._replace(cpus=6))
    assert figures.row(seen, [])["db_cpu_share"] == pytest.approx(0.6 / (2.0 * 6))
    assert seen.other_share == pytest.approx(two().other_share + 0.6 / 4)


def test_processes_that_have_ended_give_no_time_back():
    """PostgreSQL's autovacuum ran for 17 ms and has ended: the kernel says 10 ms of it."""
    seen = observation()
    seen.first.db_cpu, seen.last.db_cpu = 5.017, 5.010
    row, detail = figures.row(seen, []), figures.detail(seen)
    assert row["db_cpu_share"] == 0 and detail["db_cpu_us_per_req"] == 0


def test_two_generators_of_one_machine_share_its_cpus():
    both = load.Load([half("a", host=ELSEWHERE), half("b", host=ELSEWHERE)])
    seen = observation(server=TARGET, load=both, host=ELSEWHERE)
    assert seen.wrk_cpu_share == pytest.approx(0.5 / (2.0 * 8))


def test_a_server_that_does_not_say_how_many_cpus_it_has():
    assert two(host=hosts.Host("far", "", None, "")).server_cpu_share is None


def test_generators_of_this_machine_are_not_other_programs():
    ours = hosts.own()
    here, away = (
        observation(load=load.Load([half("a", host=host, cpu_s=0.4), half("b", host=ELSEWHERE)])).other_share
        for host in (ours, ELSEWHERE)
    )
    assert away - here == pytest.approx(0.4 / 4)
