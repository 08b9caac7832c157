"""What follows for somebody who must choose, and that words claim no more than intervals: on made-up runs whose truth
is known."""

import re

import numpy
import pytest
import synthetic
from test_headline import GRID, THREE, found
from waitbench.judge import claims, rules, stats
from waitbench.plan import matrix
from waitbench.show import choosing, headline


def chosen(*arguments, **kwargs):
    return choosing.of(found(*arguments, **kwargs))


def test_each_clause_names_conditions_and_numbers():
    speeds = {"threaded": 1000, "libuv": lambda point: 900 if (point["n"], point["c"]) == (20, 16) else 1300}
    does, pays, cost = chosen(GRID, speeds)
    assert does == (
        "Threads will do if requests make 20 queries and there are no more connections than the pool has (16): async"
        " answered at most 0.912 times as many requests there."
    )
    # As many configurations as at one query, and the first in the order of the axes.
    assert re.match(
        r"Async pays if requests make 1 query: it answered 1\.2\d* to 1\.4 times as many requests as threads, with",
        pays,
    )
    assert (
        cost.startswith("Where CPU time is what counts: async took 0.7")
        and "more" not in cost
        or "1." in cost
    )


def test_more_connections_than_the_pool_has():
    speeds = {"threaded": 1000, "libuv": lambda point: 1000 if point["c"] == 16 else 1300}
    does, pays, _ = chosen([{"c": c} for c in (16, 64, 256)], speeds)
    assert does.startswith("Threads will do if there are no more connections than the pool has (16): ")
    assert pays.startswith("Async pays if there are more connections (64 or 256) than the pool has (16): ")


def test_what_is_not_decided_is_not_said():
    assert chosen(GRID, {"threaded": 1000, "libuv": 1020}, blocks=2, noise=0.2) == []
    everywhere = chosen(GRID, {"threaded": 1000, "libuv": 1300, "coro": 1400})
    assert everywhere[0].startswith("Async pays at all 4 configurations that were measured: it answered 1.2")
    # One of the two alone is no "async".
    split = chosen(GRID, {"threaded": 1000, "libuv": 1300, "coro": 800})
    assert not any("pays" in clause or "will do" in clause for clause in split)


def test_servers_of_one_kind_are_called_by_their_names():
    environment = synthetic.ENVIRONMENT | {"servers": ["a", "b"]}
    assert chosen(GRID, {"a": 1000, "b": 1300}, environment)[0].startswith("B pays at all 4 configurations")


def test_all_axes_have_words():
    point = matrix.Point("none", 1, 1024, 0, 0, 16)
    values = {
        "n": (0, 5),
        "m": (64, 65536),
        "w": (0, 2),
        "d": (0, 10),
        "t": (0, 100),
        "c": (1, 8),
        "k": (0, 1),
        "i": (0, 9),
    }
    values |= {"load": (50, 90), "proxy": ("none", "nginx")}
    for axis, pair in values.items():
        points = [point._replace(**{axis: value}) for value in pair]
        for one in points:
            rule = rules.best(points, [one])
            assert [condition.axis for condition in rule.conditions] == [axis] and rule.points == [one]
            words = choosing._if(found(GRID, {"threaded": 1000}), rule)
            assert words.startswith(" if ") and "None" not in words and axis + "=" not in words


def test_a_rule_covers_nothing_that_is_not_good():
    random = numpy.random.default_rng(5)
    points = [
        matrix.Point("none", n, m, 0, d, c)
        for n in (0, 1, 5, 20)
        for m in (64, 1024)
        for d in (0, 10)
        for c in (1, 16, 256)
    ]
    for _ in range(60):
        good = [point for point in points if random.random() < random.choice([0.1, 0.5, 0.9])]
        rule = rules.best(points, good)
        if not good:
            assert rule is None
            continue
        inside = [p for p in points if all(getattr(p, axis) in values for axis, values in rule.conditions)]
        assert rule.points and set(rule.points) <= set(good) and len(rule.conditions) <= rules.CONDITIONS
        # What is said is what it covers, except for values that never occur together with the rest.
        assert set(inside) == set(rule.points)


def test_of_rules_that_cover_as_much_the_simplest_is_taken():
    points = [matrix.Point("none", n, 1024, 0, 0, c) for n in (1, 20) for c in (16, 256, 1024)]
    assert rules.best(points, points) == rules.Rule((), points)
    rule = rules.best(points, [point for point in points if point.c > 16])
    assert rule.conditions == (rules.Condition("c", (256, 1024)),)
    assert rules.best(points, []) is None


# Made-up truths


def truths(random, servers):
    """log ratios by server and configuration: nothing, a little, a lot, in either direction."""
    spread = random.choice([0.0, 0.03, 0.2, 1.0])
    return {(s, p["n"], p["c"]): random.normal(0, spread) for s in servers for p in GRID}


def drawn(truth, seed, blocks, noise):
    speeds = {"threaded": 1000} | {
        server: lambda point, server=server: 1000 * numpy.exp(truth[server, point["n"], point["c"]])
        for server in ("libuv", "coro")
    }
    return found(GRID, speeds, THREE, blocks=blocks, noise=noise, seed=seed)


SPAN = re.compile(r"answered (?:at least )?(\d\S*) to (\d\S*) times as many requests as threads")
MORE = re.compile(r"times as many requests as threads|more requests than threads")


def test_no_word_claims_what_no_interval_supports():
    random = numpy.random.default_rng(11)
    seen = {"more": 0, "ahead": 0, "alike": 0, "open": 0, "pays": 0, "does": 0}
    for number in range(120):
        blocks, noise = int(random.integers(1, 8)), float(random.choice([0.005, 0.03, 0.2]))
        run = drawn(truths(random, ("libuv", "coro")), number, blocks, noise)
        text, choose = headline.sentence(run), " ".join(choosing.of(run))
        estimates = {key: e.estimates["rps"] for key, e in run.entries.items() if key[1] != "threaded"}
        ends = {key: (e.low, e.high) for key, e in estimates.items() if e.low is not None}
        better, worse = [k for k, (low, _) in ends.items() if low > 1], [
            k for k, (_, high) in ends.items() if high < 1
        ]
        assert bool(MORE.search(text)) == bool(better), text
        assert ("ahead" in text) == bool(worse), text
        for low, high in SPAN.findall(text):
            mine = [ends[key] for key in better]
            assert float(low.replace(",", "")) <= min(end[0] for end in mine)
            assert float(high.replace(",", "")) >= max(end[1] for end in mine)
        within = len(ends) == len(estimates) and all(0.1 < low and high < 10 for low, high in ends.values())
        assert ("Never ten times" in text) == within, text
        points = {point for point, _ in estimates}
        both = lambda holds: any(
            all(holds(*ends.get((p, s), (0, 99))) for s in ("libuv", "coro")) for p in points
        )  # noqa: E731
        assert ("pays" in choose) == both(lambda low, high: low > 1), choose
        assert ("will do" in choose) == both(lambda low, high: high <= stats.MARGIN), choose
        for name, sign in (
            ("more", better),
            ("ahead", worse),
            ("pays", "pays" in choose),
            ("does", "will do" in choose),
        ):
            seen[name] += bool(sign)
        seen["alike"] += "equally many" in text
        seen["open"] += "cannot tell" in text
    assert min(seen.values()) > 5, seen


def test_two_runs_of_one_truth_do_not_contradict_each_other():
    """Short ones, one right after the other: no direction, no range and no order of magnitude of the one is denied by the
    other."""
    random = numpy.random.default_rng(23)
    compared = 0
    for number in range(80):
        truth = truths(random, ("libuv", "coro"))
        noise, blocks = float(random.choice([0.01, 0.05, 0.1])), int(random.choice([2, 3, 4]))
        one, other = (drawn(truth, 1000 + 2 * number + k, blocks, noise) for k in (0, 1))
        sides = [{(c.server, c.point): c.direction for c in claims.of_runs(run)} for run in (one, other)]
        for key, direction in sides[0].items():
            assert {direction, sides[1][key]} != {stats.FASTER, stats.SLOWER}, (number, key)
            compared += direction in (stats.FASTER, stats.SLOWER) and sides[1][key] == direction
        texts = [headline.sentence(run) for run in (one, other)]
        never, ten = (any(words in text for text in texts) for words in ("Never ten", "Ten times or more"))
        assert not (never and ten), texts
        # Ranges of all configurations hold the same truths, so they overlap.
        spans = [SPAN.search(text) for text in texts if "at all 4" in text.split(".")[0]]
        if len(spans) == 2 and all(spans):
            (low, high), (lower, higher) = ([float(end) for end in span.groups()] for span in spans)
            assert low <= higher and lower <= high, texts
    assert compared > 40


def test_rules_that_are_too_bold_fail_these(monkeypatch):
    narrow = lambda self, size=1: (self.ratio * 0.99, self.ratio * 1.01)  # noqa: E731
    monkeypatch.setattr(stats.Estimate, "interval", narrow)
    with pytest.raises(AssertionError):
        test_two_runs_of_one_truth_do_not_contradict_each_other()
