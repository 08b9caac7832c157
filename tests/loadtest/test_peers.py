"""Servers in several languages: which are compared, and what may be said of them."""

import math

import polyglot
import pytest
import synthetic
from waitbench import Failure
from waitbench.judge import languages, peers, stats, summary

TRUE = polyglot.SPEEDS


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return polyglot.found(tmp_path_factory.mktemp("peers"))


def kinds(**of):
    """A Summary that has nothing but its servers, the first of which is the baseline."""
    known = {name: languages.Kind(*kind) for name, kind in of.items()}
    return summary.Summary(list(of), [], {}, {}, {}, kinds=known)


def test_a_variant_has_the_language_of_its_server():
    facts = polyglot.environment()
    names = ["c-loop+pipeline", "c-loop+pool=8", "p-async@nginx", "stranger"]
    assert languages.of(names, facts) == {
        "c-loop+pipeline": ("C", "event loop"),
        "c-loop+pool=8": ("C", "event loop"),
        "p-async@nginx": ("Python", "async/await"),
    }


def test_servers_are_grouped_by_language_and_model():
    names = ["t", "p", "x", "l", "t+pipeline", "p2"]
    known = {"t": "C1", "l": "C2", "t+pipeline": "C1", "p": "P1", "p2": "P2"}
    grouped = languages.grouped(names, {name: languages.Kind(*kind) for name, kind in known.items()})
    assert grouped == ["t", "t+pipeline", "l", "p", "p2", "x"]
    assert languages.grouped(names, {"t": languages.Kind("C", "1"), "l": languages.Kind("C", "2")}) == names


def test_inside_a_language_async_is_compared_with_its_threads(found):
    assert peers.inside(found) == [
        ("c-loop", "c-threads"),
        ("c-coro", "c-threads"),
        ("j-virtual", "j-threads"),
        ("p-async", "p-threads"),
    ]


def test_between_languages_the_same_model_or_the_nearest_is_compared(found):
    assert dict(peers.between(found)) == {
        "g": "c-coro",
        "j-threads": "c-threads",
        "j-virtual": "c-coro",
        "p-async": "c-loop",
        "p-threads": "c-threads",
        "s": "c-loop",
    }


def test_threads_are_compared_with_threads_only_and_a_model_that_is_new_with_any_other():
    some = kinds(a=("C", "event loop"), b=("C", "stackful coroutines"), t=("X", "threads"), f=("X", "fibres"))
    assert peers.between(some) == [("f", "a")]
    alone = kinds(a=("C", "threads"), f=("X", "event loop"))
    assert peers.between(alone) == [] and peers.inside(alone) == []


def test_the_language_of_the_baseline_is_the_reference_and_variants_are_compared_with_their_own_server_only():
    some = kinds(
        **{
            "p": ("P", "threads"),
            "p+pipeline": ("P", "threads"),
            "q": ("P", "async/await"),
            "c": ("C", "threads"),
            "c+pipeline": ("C", "threads"),
        }
    )
    assert peers.reference(some) == "P"
    assert peers.between(some) == [("c", "p")] and peers.inside(some) == [("q", "p")]
    assert peers.variants(some) == [("p+pipeline", "p"), ("c+pipeline", "c")]


def test_ratios_are_paired_and_all_of_a_table_are_one_family(found):
    comparisons = peers.compare(found, peers.inside(found), found.points)
    assert len(comparisons) == 8
    for one in comparisons:
        rate, cpu = one.estimates["rps"], one.estimates["cpu"]
        true = TRUE[one.couple.server] / TRUE[one.couple.base]
        assert rate.low < true < rate.high and cpu.low < 1 / true < cpu.high
        assert rate.size == cpu.size == 8 and rate.count == 12
        assert one.verdicts["rps"] == (stats.FASTER if true > 1 else stats.SLOWER)
        assert one.verdicts["cpu"] == one.verdicts["rps"], "it costs less where it is faster"


def test_a_drift_of_the_machine_cancels(tmp_path):
    def drift(rows):
        return [row | {"rps": row["rps"] * math.exp(0.3 * math.sin(row["block"]))} for row in rows]

    seen = polyglot.found(tmp_path, change=drift)
    one = peers.compare(seen, peers.inside(seen), seen.points)[0]
    assert one.estimates["rps"].high / one.estimates["rps"].low < 1.05


def test_the_mean_over_points_counts_each_once(tmp_path):
    speeds = TRUE | {"c-loop": lambda point: 4000 if point["n"] else 1000}
    seen = polyglot.found(tmp_path, speeds=speeds)
    means = peers.means(peers.compare(seen, peers.inside(seen), seen.points), summary.THROUGHPUT)
    assert means["c-loop", "c-threads"].ratio == pytest.approx(2, rel=0.02)
    assert {mean.size for mean in means.values()} == {4}


def tally(tmp_path, speed, flags=lambda server, point: "", **kwargs):
    speeds = {"c-threads": 1000, "p-threads": speed}
    seen = polyglot.found(tmp_path, [{}], speeds, flags=flags, **kwargs)
    comparisons = peers.compare(seen, peers.between(seen), seen.points)
    return [tuple(peers.tally(comparisons, measure))[1:] for measure in peers.measures(seen)]


BEYOND, WITHIN, OPEN = (1, 0, 0), (0, 1, 0), (0, 0, 1)


@pytest.mark.parametrize(
    "speed, says",
    [(50, BEYOND), (95, BEYOND), (100, OPEN), (105, WITHIN), (1000, WITHIN), (9500, WITHIN), (12000, BEYOND)],
)
def test_ten_times_is_read_off_the_interval(tmp_path, speed, says):
    assert tally(tmp_path, speed) == [says, says]


@pytest.mark.parametrize(
    "bound, speed, says",
    [
        ("c-threads", 50, BEYOND),  # the other does even more
        ("p-threads", 50, OPEN),  # it does more than was measured
        ("c-threads", 500, OPEN),
        ("p-threads", 20000, BEYOND),
        ("c-threads", 20000, OPEN),
    ],
)
def test_a_generator_that_was_the_bottleneck_makes_a_ratio_a_bound(tmp_path, bound, speed, says):
    flags = lambda server, point: "generator-bound" if server == bound else ""  # noqa: E731
    rate, cpu = tally(tmp_path, speed, flags)
    assert rate == says and cpu == (WITHIN if speed == 500 else BEYOND), "CPU stands"


def test_one_block_tells_nothing(tmp_path):
    assert tally(tmp_path, 10, blocks=1) == [OPEN, OPEN]


def test_behind_nginx(tmp_path):
    """Behind nginx, async Python gains less than threads do."""
    speeds = TRUE | {"p-async": lambda point: 60 if point["proxy"] == "none" else 30}
    seen = polyglot.found(tmp_path, [{}, {"proxy": "nginx"}, {"n": 20}], speeds)
    changes = {one.direct.couple: one for one in peers.behind(seen, peers.inside(seen))}
    assert len(changes) == 4
    one = changes["p-async", "p-threads"]
    assert (one.direct.point.proxy, one.proxied.point.proxy) == ("none", "nginx")
    assert one.change["rps"].low < 0.5 < one.change["rps"].high < 0.55
    assert all(1 < other.change["rps"].high for couple, other in changes.items() if couple[0] != "p-async")
    assert [point.proxy for point in peers.direct(seen)] == ["none", "none"]


def test_points_that_were_all_behind_nginx_are_compared(tmp_path):
    seen = polyglot.found(tmp_path, [{"proxy": "nginx"}])
    assert peers.direct(seen) == seen.points and peers.behind(seen, peers.inside(seen)) == []


def test_servers_that_share_no_block_are_not_compared(tmp_path):
    def apart(rows):
        return [row for row in rows if (row["server"] == "p-async") == (row["block"] % 2 == 0)]

    seen = polyglot.found(tmp_path, [{}], change=apart)
    assert ("p-async", "p-threads") in peers.inside(seen)
    couples = {one.couple for one in peers.compare(seen, peers.inside(seen), seen.points)}
    assert couples == {("c-loop", "c-threads"), ("c-coro", "c-threads"), ("j-virtual", "j-threads")}


def test_a_server_that_failed_is_told_from_those_that_ran_beside_it(tmp_path):
    unsound = [
        ("p-async", "died: p-async ended with status 1"),
        ("g", "p-async: died: p-async ended with status 1"),
        ("p-async", "errors: wrk counted 3 errors"),
        ("s", "interrupted: by the user"),
    ]
    speeds = {name: speed for name, speed in TRUE.items() if name != "p-async"}
    seen = polyglot.found(tmp_path, speeds=speeds, facts=polyglot.environment(), unsound=unsound)
    assert peers.discarded(seen) == [("p-async", 2, {"died": 1, "errors": 1}, "p-async ended with status 1")]
    assert peers.without_a_run(seen) == ["p-async"]
    assert peers.inside(seen) == [
        ("c-loop", "c-threads"),
        ("c-coro", "c-threads"),
        ("j-virtual", "j-threads"),
    ]


def test_what_was_not_asked_for_is_known(tmp_path):
    speeds = {name: TRUE[name] for name in ("c-threads", "p-threads")} | {"c-loop+pipeline": 1500}
    assert peers.left_out(polyglot.found(tmp_path, speeds=speeds)) == [
        "c-coro",
        "g",
        "j-threads",
        "j-virtual",
        "p-async",
        "s",
    ]


@pytest.mark.parametrize("member, value", [("language", 5), ("model", None), ("language", ["C"])])
def test_language_and_model_are_texts(tmp_path, member, value):
    facts = polyglot.environment()
    facts["server_list"][0] |= {member: value}
    with pytest.raises(Failure, match="where they are known, language and model"):
        polyglot.found(tmp_path, facts=facts, blocks=1)


def test_an_older_folder_has_no_languages(tmp_path):
    facts = polyglot.environment()
    for entry in facts["server_list"]:
        del entry["language"], entry["model"]
    seen = polyglot.found(tmp_path, facts=facts, blocks=1, unsound=[("g", "died: it")])
    assert seen.kinds == {} and not seen.several_languages and seen.discarded == []
    rows = synthetic.runs([{}], {"threaded": 1, "libuv": 1}, blocks=1)
    assert not summary.load(synthetic.write(tmp_path / "oldest", rows)).several_languages
