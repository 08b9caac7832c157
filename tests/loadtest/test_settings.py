"""Settings: where they come from, and one line for each that is not possible."""

import pytest

from waitbench.plan import settings
from waitbench.judge import soundness
from waitbench.show import help, progress


def test_flags_go_before_the_environment_and_that_before_the_preset():
    chosen = settings.load(["--n", "5", "--c=8 64"], {"N": "1", "M": "64", "DURATION": "7"})
    assert (chosen.n, chosen.m, chosen.c, chosen.duration, chosen.warmup) == ([5], [64], [8, 64], 7, 0.5)
    assert [(point.n, point.m, point.c) for point in chosen.points] == [(5, 64, 8), (5, 64, 64)]


def test_an_empty_variable_is_not_a_setting():
    assert settings.load([], {"N": "", "OUT": ""}).n == [0, 1, 20]


def test_the_seed_is_another_one_each_time_and_recorded():
    first, second = settings.load([], {}), settings.load([], {})
    assert first.seed != second.seed
    assert first.texts["SEED"] == str(first.seed)


def test_targets_stand_in_for_servers():
    chosen = settings.load([], {"TARGETS": "a=http://127.0.0.1:1 b=http://127.0.0.1:2/"})
    assert [(server.name, server.url) for server in chosen.servers] == [
        ("a", "http://127.0.0.1:1"),
        ("b", "http://127.0.0.1:2"),
    ]


BOTH = "a=http://h:1 b=http://h:2 a@nginx=http://p:1 b@nginx=http://p:2"


@pytest.mark.parametrize(
    "targets, proxy, measured",
    [
        (BOTH, None, ["none", "nginx"]),
        (BOTH, "nginx", ["nginx"]),
        (BOTH, "none", ["none"]),
        ("a=http://h:1 b=http://h:2", None, ["none"]),
        ("a@nginx=http://p:1", None, ["nginx"]),
        ("a=http://h:1 a@nginx=http://p:1 b=http://h:2", None, ["none"]),
    ],
)
def test_targets_are_measured_behind_the_proxies_that_all_of_them_name(targets, proxy, measured):
    chosen = settings.load([], {"TARGETS": targets} | ({"PROXY": proxy} if proxy else {}))
    assert chosen.proxy == measured and chosen.texts["PROXY"] == " ".join(measured)
    assert {point.proxy for point in chosen.points} == set(measured)


def test_one_server_has_both_addresses():
    first, second = settings.load([], {"TARGETS": BOTH}).servers
    assert (first.name, first.url, first.url_of_proxy) == ("a", "http://h:1", "http://p:1")
    assert (second.name, second.url, second.url_of_proxy) == ("b", "http://h:2", "http://p:2")
    proxied = settings.load([], {"TARGETS": "a@nginx=http://p:1"}).servers[0]
    assert proxied.url == proxied.url_of_proxy == "http://p:1"  # its figures come the same way


def seconds(chosen):
    runs = len(chosen.points) * len(chosen.servers) * chosen.repeats
    system_calls = len(chosen.points) * len(chosen.servers) * 0.6
    return progress.Progress(runs, chosen.duration + chosen.warmup, system_calls).estimate()


def test_quick_takes_less_than_five_minutes():
    chosen = settings.load([], {})
    assert 60 < seconds(chosen) < 270


def test_quick_varies_the_size_of_a_response():
    points = settings.load([], {}).points
    assert {point.m for point in points} == {1024, 65536}
    (large,) = [point for point in points if point.m == 65536]
    assert large._replace(m=1024) in points, "it differs in nothing else from another point"
    both = settings.load([], {"TARGETS": BOTH}).points
    assert {point.proxy for point in both if point.m == 65536} == {"none", "nginx"}
    assert {point.m for point in settings.load([], {"C": "16"}).points} == {
        1024
    }, "a list of one's own is its product"


def test_full_is_what_was_promised_and_takes_less_than_90_minutes():
    chosen = settings.load(["--preset", "full"], {})
    assert chosen.repeats == 12
    assert len(chosen.points) == len(set(chosen.points)) == 4 * 2 * 2 + 3 + 6
    assert set(settings.load([], {}).points) < set(chosen.points), "the two can be compared"
    assert {point.d for point in chosen.points} == {0, 1, 10}
    assert {(point.n, point.w) for point in chosen.points if point.w} == {(5, 2), (20, 10)}
    # each extra point differs in one axis from a point that is there
    assert all(point._replace(w=0, d=0, c=min(point.c, 256)) in chosen.points for point in chosen.points)
    assert seconds(chosen) < 90 * 60


def test_full_with_a_list_of_ones_own_is_their_product():
    assert len(settings.load(["--preset", "full", "--n", "3"], {}).points) == 1 * 2 * 2


def test_an_open_loop_is_the_product_of_configurations_and_loads():
    chosen = settings.load(["--mode", "open", "--n", "1", "--c", "16 64", "--k", "1 unlimited"], {})
    assert (chosen.generator, chosen.texts["GENERATOR"], chosen.arrivals, chosen.slo) == (
        "pace",
        "pace",
        "poisson",
        10,
    )
    assert chosen.load == [10, 25, 50, 75, 90, 95] and len(chosen.points) == 4 * 6
    assert {(point.c, point.k, point.load) for point in chosen.points} == {
        (c, k, load) for c in (16, 64) for k in (0, 1) for load in chosen.load
    }
    assert len({point.configuration for point in chosen.points}) == 4
    one = settings.load(
        ["--mode=open", "--load", "120", "--n=0", "--c=8", "--slo", "2.5", "--arrivals=constant"], {}
    )
    assert (one.slo, one.arrivals, one.texts["SLO"]) == (2.5, "constant", "2.5")
    assert [str(point) for point in one.points] == ["n=0 m=1024 c=8 load=120%"]
    preset = settings.load(["--mode", "open", "--load", "50"], {}).points
    assert {point.m for point in preset} == {1024}, "the points beside the product are of closed loops"


def test_the_generator_follows_from_what_is_asked_of_it():
    def generator(*arguments):
        return settings.load(arguments, {}).generator

    assert generator() == generator("--k", "unlimited", "--i", "0") == "wrk"
    assert generator("--k", "1 unlimited") == generator("--i=100") == generator("--generator=pace") == "pace"
    point = settings.load(["--n=0", "--c=16", "--k=5", "--i", "100"], {}).points[0]
    assert (point.k, point.i, point.load, point.connections) == (5, 100, None, 116)
    assert str(point) == "n=0 m=1024 c=16 k=5 i=100"
    chosen = settings.load(["--workload", "crud", "--c=16", "--k", "7", "--mode", "open", "--load", "50"], {})
    assert [str(point) for point in chosen.points] == ["crud c=16 k=7 load=50%"]
    assert settings.load(["--c", "16", "--i", "0 50"], {}).connections_most == 66


def test_a_closed_loop_has_nothing_of_an_open_one():
    chosen = settings.load([], {})
    assert (chosen.mode, chosen.load, chosen.slo, chosen.arrivals) == ("closed", None, None, None)


BEHIND = ["--targets", "a=http://h:1 a@nginx=http://p:1"]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (
            ["--generator=wrk", "--mode=open"],
            "GENERATOR: wrk cannot do MODE=open: leave GENERATOR out, or set",
        ),
        (["--generator=wrk", "--k=unlimited 3"], "GENERATOR: wrk cannot do K=3: leave"),
        (["--generator=wrk", "--i", "10"], "GENERATOR: wrk cannot do I=10: leave"),
        (["--load", "50"], "LOAD: it has a part only in MODE=open: leave it out, or set MODE=open"),
        (["--slo", "10"], "SLO: it has a part only in MODE=open"),
        (["--arrivals", "poisson", "--mode", "closed"], "ARRIVALS: it has a part only in MODE=open"),
        (["--i=10", "--proxy", "none nginx"], "I: behind PROXY=nginx idle connections would rest at nginx"),
        ([*BEHIND, "--i=10"], "I: behind PROXY=nginx idle connections would rest at nginx"),
        (["--mode=open", "--m", "0 64"], "M: pace holds each body against the length of the first"),
        (["--mode", "half"], "MODE: 'half' is not one of: closed open"),
        (["--generator", "ab"], "GENERATOR: 'ab' is not one of: wrk pace"),
        (["--k", "0"], "K: '0' is neither a whole number from 1 nor unlimited"),
        (["--k", "1 1"], "K: '1 1' names something twice"),
        (["--i", "60001"], "I: '60001' is not a whole number from 0 to 60000"),
        (["--mode=open", "--load", " "], "LOAD: the list is empty"),
        (["--mode=open", "--load", "0"], "LOAD: '0' is not a whole number from 1 to 1000"),
        (["--mode=open", "--slo=-1"], "SLO: '-1' is not a number from 0 to 60000"),
        (["--mode=open", "--arrivals=bursts"], "ARRIVALS: 'bursts' is not one of: poisson constant"),
    ],
)
def test_a_load_that_makes_no_sense_is_refused(arguments, sentence):
    with pytest.raises(settings.Usage) as caught:
        settings.load(arguments, {})
    assert str(caught.value).startswith(sentence) and len(str(caught.value).splitlines()) == 1


def test_a_body_without_a_length_is_the_same_each_time_where_nothing_is_read():
    assert settings.load(["--mode=open", "--m=0", "--n=0"], {}).points


def test_connections_may_be_opened_anew_at_nginx():
    assert settings.load([*BEHIND, "--k=1", "--n=0", "--c=9", "--i=0"], {}).points[1].k == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--color"], ["n"], ["-n", "1"], ["--N", "1"], ["--n"], ["--n", ""], ["--n", "1 1"], ["--n", "-1"],
        ["--n", "1001"], ["--n", "x"], ["--m", "63"], ["--w", "2", "--n", "1"], ["--c", "0"], ["--d", "10001"],
        ["--d", "1000", "--n", "20"], ["--repeats", "0"], ["--repeats", "1.5"], ["--duration", "0"],
        ["--duration", "nan"], ["--pin", "yes"], ["--proxy", "haproxy"], ["--servers", "a a"], ["--servers", ""],
        ["--servers", "a b:a"], ["--targets", "a=b"], ["--preset", "slow"], ["--steal-max", "2"],
        ["--targets", "a=http://h:1", "--proxy", "none nginx"], ["--targets", "a=http://h:1", "--proxy", "nginx"],
        ["--targets", "a=http://h:1 a=http://h:2"], ["--targets", "a=http://h:1 b@nginx=http://h:2"],
        ["--targets", "a@nginx=http://h:1 b@nginx=http://h:2", "--proxy", "none"],
        ["--targets", "a=http://h:1 a@nginx=http://h:2 b=http://h:3", "--proxy", "nginx"],
    ],
)  # fmt: skip
def test_an_impossible_setting_is_reported_in_one_line(arguments):
    with pytest.raises(settings.Usage) as caught:
        settings.load(arguments, {})
    assert len(str(caught.value).splitlines()) == 1
    assert any(word.strip("-").upper() in str(caught.value).upper() for word in arguments)


@pytest.mark.parametrize(
    "arguments, environ", [(["-q"], {}), (["--quiet", "--n=5"], {}), ([], {"QUIET": "1"})]
)
def test_quiet_is_a_flag_without_a_value_and_a_setting(arguments, environ):
    chosen = settings.load(arguments, environ)
    assert chosen.quiet == "1" and chosen.n == ([5] if "--n=5" in arguments else [0, 1, 20])
    assert settings.load(["--quiet=0"], environ).quiet == settings.load([], {}).quiet == "0"
    assert "-q or --quiet" in " ".join(help.text().split())


def test_help_names_every_setting():
    text = help.text()
    assert all(f"\n  {name}" in text for name in settings.SETTINGS)
    assert all(f"\n  {word} " in text for word in [*soundness.FLAGS, *soundness.REASONS])
    assert max(map(len, text.splitlines())) <= 110
