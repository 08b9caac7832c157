"""The cost model: it finds the costs that runs were made of, its intervals hold, and it says nothing beyond its range."""

import math

import estimating
import numpy
import pytest
from estimating import NEW, POINTS, POOL, asked
from waitbench import Failure
from waitbench.judge import cost_check, cost_data, cost_fit, cost_model, cost_queue, cost_terms
from waitbench.judge.cost_terms import Configuration, Span

SPAN = Span(16, 1024)


def model(path, **given):
    return cost_model.fit(cost_data.read([estimating.folder(path, **given)]))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    return model(tmp_path_factory.mktemp("estimate") / "runs")


def test_known_costs_are_recovered(fitted):
    for name, true in estimating.COSTS.items():
        costs = fitted.servers[name].costs[cost_data.SERVER]
        found = dict(zip(costs.terms, costs.each))
        for term in ("read", "read_waiting"):
            assert found[term] == pytest.approx(true[term], rel=0.06)
        assert found["request_few"] == pytest.approx(true["request"], rel=0.15)
        assert found["bare_many"] == pytest.approx(true["request"], rel=0.1)
        memory = fitted.servers[name].costs[cost_data.MEMORY]
        assert memory.each[memory.terms.index("connection")] == pytest.approx(
            estimating.KIB[name][1], rel=0.01
        )


def test_configurations_that_nobody_measured(fitted):
    for name in estimating.COSTS:
        for point in NEW:
            found = fitted.estimate(name, asked(point))
            assert found.figures["server"].value == pytest.approx(estimating.cpu(name, point), rel=0.08)
            assert found.figures["rate"].value == pytest.approx(estimating.rate(name, point), rel=0.08)
            assert found.figures["database"].value == pytest.approx(60 * point["n"], rel=0.08)
            assert found.latency.value == pytest.approx(1e6 * point["c"] / found.figures["rate"].value)
            assert found.latency.low < found.latency.value < found.latency.high
            assert found.bound == cost_queue.CPUS


def test_the_ratio_is_to_the_baseline(fitted):
    ratio = fitted.estimate("libuv", asked(NEW[0])).ratios["server"]
    true = estimating.cpu("libuv", NEW[0]) / estimating.cpu("threaded", NEW[0])
    assert (
        fitted.baseline == "threaded" and ratio.holds(true) and ratio.value == pytest.approx(true, rel=0.08)
    )
    assert fitted.estimate("threaded", asked(NEW[0])).ratios == {}


def drawn(random, point, noise=0.1, drift=0.04, repeats=6):
    """What is measured of threaded, with the same drift for all that is measured in one session."""
    speeds = numpy.exp(random.normal(0, noise, repeats) + drift)
    return cost_data.Measured(
        asked(point), {i: estimating.cpu("threaded", point) * speed for i, speed in enumerate(speeds)}, False
    )


def test_intervals_hold_what_is_measured_afterwards():
    random = numpy.random.default_rng(5)
    terms = cost_model.TERMS[cost_data.SERVER]
    held = inside = count = 0
    for _ in range(25):
        measured = [drawn(random, point) for point in POINTS]
        rows = [each.row for each in measured]
        costs, left = cost_fit.costs(rows, terms, SPAN), cost_fit.left_out(rows, terms, SPAN)
        errors = [math.log(value / row.value) for (value, _), row in zip(left, rows)]
        spread = cost_fit.spread(
            errors, [doubt for _, doubt in left], cost_data.drift(measured), len(costs.terms)
        )
        inside += spread.within / len(errors)
        for point in NEW:
            has = cost_terms.of(asked(point), SPAN)
            error = math.log(costs.value(has) / drawn(random, point).row.value)
            held += abs(error) <= spread.reach(costs.doubt(has))
            count += 1
    assert held / count >= cost_fit.CONFIDENCE - 0.03
    assert inside / 25 >= cost_fit.CONFIDENCE - 0.05
    # Wide intervals would hold everything: half of them would not.
    assert spread.reach(0.3) < 0.25


def test_a_misfit_widens_the_intervals(tmp_path, monkeypatch):
    true = estimating.cpu
    before = model(tmp_path / "fits").servers["threaded"].spreads["server"]
    # What no term of the model has: a request with many queries and a large body costs half as much again.
    monkeypatch.setattr(
        estimating, "cpu", lambda s, p: true(s, p) * (1.5 if p["n"] > 4 and p["m"] > 9999 else 1)
    )
    after = model(tmp_path / "misfits").servers["threaded"].spreads["server"]
    assert after.misfit > 2 * before.misfit and after.reach(0.5) > 1.5 * before.reach(0.5)


def test_the_drift_of_the_machine_is_in_the_interval():
    def measured(deviations):
        return [
            cost_data.Measured(asked(p), {i: math.exp(d) for i, d in enumerate(deviations)}, False)
            for p in POINTS
        ]

    assert cost_data.drift(measured([0.1, -0.1, 0.1, -0.1])) == pytest.approx(0.115, abs=0.01)
    assert cost_data.drift(measured([0.0])) == 0
    assert cost_data.drift(measured([0.1, -0.1]), measured([0.1, -0.1])) == 0, "it cancels in a ratio"


@pytest.mark.parametrize(
    "change, axis",
    [({"n": 21}, "n"), ({"m": 70000}, "m"), ({"m": 512}, "m"), ({"c": 8}, "c"), ({"c": 1025}, "c")]
    + [({"w": 1}, "w"), ({"d": 1}, "d"), ({"t": 1}, "t")],
)
def test_it_declines_outside_of_the_range(fitted, change, axis):
    server = fitted.servers["libuv"]
    beyond = asked(NEW[0] | change)
    assert server.outside(beyond, "server") == [axis]
    figures = fitted.estimate("libuv", beyond).figures
    assert set(figures) == (set() if axis == "c" else {"memory"}), "memory depends on the connections alone"


def test_another_pool_is_outside(fitted):
    assert fitted.servers["libuv"].outside(asked(NEW[0])._replace(pool=8), "rate") == ["pool"]


def test_throughput_of_cpus_pool_and_connections():
    waits = cost_queue.Waits(late=0.5)
    free = Configuration(5, 1024, 0, 0, 0, 256, POOL)
    assert cost_queue.throughput(free, 500, waits, 2) == pytest.approx(2e6 / 500, rel=0.001)
    slow = free._replace(d=10)
    assert cost_queue.throughput(slow, 500, waits, 2) == pytest.approx(16 / (5 * 0.0105 + 500e-6), rel=0.02)
    assert cost_queue.bound(slow, 500, waits, 2) == cost_queue.POOL
    assert cost_queue.bound(slow._replace(c=16), 500, waits, 2) == cost_queue.CONNECTIONS
    away = free._replace(t=1000, c=100)
    assert cost_queue.throughput(away, 500, waits, 2) == pytest.approx(100 / 1.0005, rel=0.01)
    assert cost_queue.bound(away, 500, waits, 2) == cost_queue.CONNECTIONS
    assert cost_queue.bound(free, 500, waits, 2) == cost_queue.CPUS


def test_waits_are_learned_from_delays_and_updates():
    true = cost_queue.Waits(0.4, 0.8, 2.5)
    base = Configuration(5, 1024, 0, 0, 0, 256, POOL)
    points = [base._replace(d=1), base._replace(d=10), base._replace(w=2), base]
    rows = [cost_fit.Row(each, cost_queue.throughput(each, 800, true, 2)) for each in points]
    assert cost_queue.waits(rows, [800] * 4, 2) == pytest.approx(true, rel=0.01)
    assert cost_queue.waits(rows[3:], [800], 2) == cost_queue.Waits()
    assert cost_queue.waits(rows[1:2], [800], 2).busy == 0, "one delay tells no slope"


def test_a_folder_measured_afterwards(tmp_path, fitted):
    held = cost_check.check(fitted, cost_data.read([estimating.folder(tmp_path / "b", points=NEW, seed=9)]))
    assert held.holds and held.error < 0.08 and len(held.lines) == len(NEW) * 2 * 5
    slower = estimating.folder(tmp_path / "c", points=NEW, slower=1.6)
    missed = cost_check.check(fitted, cost_data.read([slower]))
    assert not missed.holds and missed.error > 0.3


def test_what_the_fit_used_proves_nothing(tmp_path, fitted):
    points = [POINTS[0], NEW[0], NEW[0] | {"n": 99}]
    found = cost_check.check(fitted, cost_data.read([estimating.folder(tmp_path / "b", points=points)]))
    assert (found.known, found.outside) == ([asked(points[0])], [asked(points[2])])
    assert {line.asked for line in found.lines} == {asked(NEW[0])}


def test_several_folders_are_one_fit(tmp_path, fitted):
    other = estimating.folder(
        tmp_path / "b", points=[{"n": 40, "m": 1024, "c": 16}, {"n": 40, "m": 1024, "c": 256}]
    )
    both = cost_model.fit(cost_data.read([fitted.folders[0], other]))
    assert len(both.configurations) == len(POINTS) + 2
    assert both.estimate("libuv", asked({"n": 30, "c": 100})).figures["server"].value == pytest.approx(
        estimating.cpu("libuv", {"n": 30, "m": 1024, "c": 100}), rel=0.08
    )


def test_one_server_and_results_of_older_versions(tmp_path):
    path = estimating.folder(tmp_path / "a", servers=["libuv"])
    text = (path / "runs.csv").read_text().splitlines()
    place = text[0].split(",").index("workload")  # columns from here on came later
    (path / "runs.csv").write_text("".join(",".join(line.split(",")[:place]) + "\n" for line in text))
    found = cost_model.fit(cost_data.read([path]))
    assert list(found.servers) == ["libuv"] and found.estimate("libuv", asked(NEW[0])).ratios == {}


def test_without_detail_csv_the_other_parts_are_not_known(tmp_path):
    found = model(tmp_path / "a", detail=False)
    assert set(found.estimate("libuv", asked(NEW[0])).figures) == {"rate", "server", "memory"}
    assert "the CPU time of database and generator is not known for libuv (detail.csv)" in found.notes


def test_runs_of_other_kinds_are_left_out(tmp_path):
    points = POINTS[:8] + [{"n": 1, "c": 16, "k": 1}, {"n": 1, "c": 16, "proxy": "nginx"}]
    found = model(tmp_path / "a", points=points)
    assert len(found.configurations) == 8 and "2 of the 10 points" in found.notes[0]


@pytest.mark.parametrize(
    "given, words",
    [
        ({"points": POINTS[:1]}, "threaded has 1 of the 4 configurations or more that a model needs"),
        ({"points": [{"k": 1}]}, "nothing of GET /work in a closed loop"),
        ({"environment": None}, "does not say how many"),
    ],
)
def test_too_little_is_said_in_a_sentence(tmp_path, given, words):
    with pytest.raises(Failure, match=words):
        model(tmp_path / "a", **given)
