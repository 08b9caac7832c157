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


def test_help_names_every_setting():
    text = help.text()
    assert all(f"\n  {name}" in text for name in settings.SETTINGS)
    assert all(f"\n  {word} " in text for word in [*soundness.FLAGS, *soundness.REASONS])
    assert max(map(len, text.splitlines())) <= 110
