"""The findings in sentences: from the data alone, so other data must give other sentences."""

import random
import re

import pytest
import synthetic
from waitbench.judge import stats, summary
from waitbench.show import findings, formatting

FULL = [{"n": n, "m": m, "c": c} for n in (0, 1, 5, 20) for m in (1024, 65536) for c in (16, 128, 1024)] + [
    {"n": n, "w": w, "d": d, "c": c}
    for n, c in ((5, 128), (20, 16))
    for w, d in ((0, 1), (0, 10), (n // 2, 0))
]
THREE = synthetic.ENVIRONMENT | {"servers": ["threaded", "libuv", "coro"]}


def folder(tmp_path, points, speeds, environment=THREE, **kwargs):
    rows = synthetic.runs(points, speeds, **kwargs)
    random.Random(1).shuffle(rows)
    return synthetic.write(tmp_path / str(len(list(tmp_path.iterdir()))), rows, environment)


def sentences(path):
    """All that the report says."""
    found = findings.find(summary.load(path))
    servers = [sentence for overall, axes in found.servers for sentence in (overall, *axes)]
    return " ".join([*found.heading, *servers, *found.footing])


def ask(*arguments, **kwargs):
    return sentences(folder(*arguments, **kwargs))


def terminal(*arguments, **kwargs):
    return flat(findings.text(folder(*arguments, **kwargs)))


def flat(text):
    return re.sub(r"\s+", " ", text)


def test_the_whole_matrix_fits_on_a_screen(tmp_path):
    speeds = {
        "threaded": 1000,
        "libuv": lambda point: 2500 if point["n"] < 5 else 400,
        "coro": lambda point: 900 + 10 * point["n"],
    }
    flags = lambda server, point: "generator-bound" if point["n"] == 0 else ""  # noqa: E731
    path = folder(tmp_path, FULL, speeds, flags=flags)
    lines = findings.text(path).splitlines()
    assert len(lines) <= 25 and max(map(len, lines)) <= formatting.WIDTH == 80
    text = sentences(path)
    assert "From 30 points, 12 blocks each (95% confidence)" in text
    assert "What varies: N queries, M bytes, W updates, D ms of delay in the database, C connections." in text
    for axis in ("N=0", "N=20", "M=1024", "M=65536", "W=none", "W=half", "D=0", "D=10", "C=16", "C=1024"):
        assert text.count(f" {axis} ") >= 2, f"{axis} is said for both servers"


def test_where_it_flips(tmp_path):
    speeds = {"threaded": 1000, "libuv": lambda point: {0: 1500, 1: 1200, 5: 1001, 20: 800}[point["n"]]}
    points = [{"n": n, "c": c} for n in (0, 1, 5, 20) for c in (16, 256)]
    text = ask(tmp_path, points, speeds)
    assert "flips from faster at N=1 to slower at N=20" in text
    assert (
        "Which is better changes, on average over the other axes: libuv goes from faster at N=1 to slower at N=20."
        in (terminal(tmp_path, points, speeds))
    )
    assert "Which is better" not in terminal(tmp_path, points, {"threaded": 1000, "libuv": 1300})
    assert "faster at 4, slower at 2, equivalent at 2 of 8 points" in text


@pytest.mark.parametrize(
    "speed,says",
    [
        (1000, "equivalent at all 2 points"),
        (1012, "within 5%"),
        (1300, "less than a factor of 2"),
        (2500, "the same order of magnitude"),
        (10000, "about 1 order of magnitude"),
        (50, "about 1 order of magnitude"),
        (120000, "about 2 orders of magnitude"),
    ],
)
def test_orders_of_magnitude(tmp_path, speed, says):
    assert says in ask(tmp_path, [{"n": 1}, {"n": 20}], {"threaded": 1000, "libuv": speed})


def test_a_slower_server_is_called_slower(tmp_path):
    text = flat(ask(tmp_path, [{}], {"threaded": 1300, "libuv": 1000}))
    assert "slower" in text and "faster" not in text
    assert "more" in text, "and costs more CPU"


def test_an_inconclusive_result_is_called_so(tmp_path):
    path = folder(tmp_path, [{"n": 1}, {"n": 20}], {"threaded": 1000, "libuv": 1020}, blocks=3, noise=0.1)
    assert "cannot tell at all 2 points" in sentences(path)
    assert "exploratory: fewer than 12 blocks per point" in sentences(path)
    for text in (sentences(path), flat(findings.text(path))):
        assert re.search(
            r"The smallest difference in throughput that so many blocks find is about \d+%; where", text
        )
        assert re.search(
            r"Where the run cannot tell, about (\d+|more than 100)( to .*)? blocks would \(REPEATS\)\.", text
        )


def test_one_block_gives_ratios_and_claims_nothing(tmp_path):
    text = flat(ask(tmp_path, [{"n": 1}, {"n": 20}], {"threaded": 1000, "libuv": 3000}, blocks=1))
    assert "cannot tell at all 2 points" in text and "one block alone bounds nothing" in text
    assert "faster" not in text and "flips" not in text


def test_where_wrk_was_the_bottleneck(tmp_path):
    text = flat(
        ask(
            tmp_path,
            [{"n": 0}, {"n": 20}],
            {"threaded": 1000, "libuv": 1300},
            flags=lambda server, point: "generator-bound" if point["n"] == 0 and server == "libuv" else "",
        )
    )
    assert "The load generator was the bottleneck at 1 of 2 configurations (n=0)" in text
    assert re.search(r"N=0 1\.\d+x \[[^]]*\]\* faster", text)
    assert re.search(r"N=20 1\.\d+x \[[^]]*\] faster", text)


def test_the_other_flags_are_said_too(tmp_path):
    words_of = {1: "too-short", 20: "too-short machine-busy"}
    text = flat(
        ask(
            tmp_path,
            [{"n": 0}, {"n": 1}, {"n": 20}],
            {"threaded": 1000, "libuv": 1300},
            flags=lambda server, point: words_of.get(point["n"], "") if server == "threaded" else "",
        )
    )
    assert "The runs were too short at 2 of 3 configurations (n=1, n=20)" in text
    assert "Other programs kept the machine busy at 1 of 3 configurations (n=20)" in text
    assert "bottleneck" not in text


def test_cpu_stands_beside_throughput(tmp_path):
    text = flat(ask(tmp_path, [{"n": 1}, {"n": 20}], {"threaded": 1000, "libuv": 1250}, noise=0.001))
    assert "Server CPU per request: 0.80x" in text and "720 for 900 us at n=1" in text
    assert text.count("CPU 0.80x") == 2, "at both ends of N"


def test_points_that_differ_are_not_hidden_by_the_mean_of_an_axis(tmp_path):
    points = [{"n": n, "c": c} for n in (1, 20) for c in (16, 256)]
    odd = {(1, 16): 1300, (1, 256): 1300, (20, 16): 1300, (20, 256): 800}
    speeds = {"threaded": 1000, "libuv": lambda point: odd[point["n"], point["c"]]}
    text = flat(ask(tmp_path, points, speeds))
    assert "faster at 3, slower at 1 of 4 points" in text and "flips" not in text


def test_an_extreme_between_the_ends_is_shown(tmp_path):
    points = [{"c": c} for c in (1, 16, 64, 256)]
    speeds = {"threaded": 1000, "libuv": lambda point: 1600 if point["c"] == 64 else 1200}
    text = flat(ask(tmp_path, points, speeds))
    assert "C=64 1.6" in text and "C=16 " not in text


def test_axes_are_averaged_over_matched_points_only(tmp_path):
    # n=20 was measured at c=16 alone: what c=256 shows must not leak into the ratio at n=1.
    points = [{"n": 1, "c": 16}, {"n": 20, "c": 16}, {"n": 1, "c": 256}]
    speeds = {"threaded": 1000, "libuv": lambda point: 5000 if point["c"] == 256 else 1200}
    rows = synthetic.runs(points, speeds)
    found = summary.load(synthetic.write(tmp_path / "run", rows))
    values = findings.along(found.at("libuv"), "n")
    assert [value.value for value in values] == [1, 20]
    assert all(value.ratio.ratio == pytest.approx(1.2, abs=0.02) for value in values)
    values = findings.along(found.at("libuv"), "c")
    assert values[1].ratio.ratio == pytest.approx(5, abs=0.1) and len(values[1].points) == 1


def test_proxies_are_an_axis_and_none_comes_first(tmp_path):
    points = [{"proxy": "nginx"}, {"proxy": "none"}]
    speeds = {"threaded": 1000, "libuv": lambda point: 1500 if point["proxy"] == "none" else 1100}
    text = flat(ask(tmp_path, points, speeds))
    assert re.search(r"PROXY=none 1\.5.*PROXY=nginx 1\.1", text)


def test_one_server_and_servers_that_never_meet(tmp_path):
    assert "nothing to compare it with" in ask(tmp_path, [{}], {"threaded": 1000})
    rows = synthetic.runs([{"n": 1}, {"n": 2}], {"threaded": 1000, "libuv": 1000})
    apart = [row for row in rows if (row["server"] == "libuv") == (row["n"] == 1)]
    assert "never ran in the same block" in sentences(synthetic.write(tmp_path / "apart", apart))


def test_without_threaded_the_baseline_is_named(tmp_path):
    environment = synthetic.ENVIRONMENT | {"servers": ["libuv", "coro"]}
    text = ask(tmp_path, [{}], {"libuv": 1000, "coro": 1200}, environment)
    assert "CORO against libuv" in text


def test_magnitude_says_only_what_both_ends_support():
    assert formatting.magnitude(0.96, 1.04) == "within 5%"
    assert formatting.magnitude(0.51, 1.2) == "less than a factor of 2"
    assert formatting.magnitude(0.9, 2.1) == "the same order of magnitude"
    assert formatting.magnitude(0.9, 9) == "too uncertain for an order of magnitude"
    assert formatting.magnitude(1.1, 12) == "a factor of 1.1 to 12"
    assert formatting.magnitude(9, 11) == "about 1 order of magnitude"
    assert formatting.magnitude(1 / 110, 1 / 90) == "about 2 orders of magnitude"
    assert formatting.magnitude(8, 120) == "1 to 2 orders of magnitude"


def test_numbers_in_words():
    assert [formatting.significant(v) for v in (0, None, 12345, 9.995, 0.01234)] == [
        "0",
        "?",
        "12300",
        "9.99",
        "0.0123",
    ]
    assert [formatting.ratio(v) for v in (1.0499, 12.34, 0.01234, 1e9)] == [
        "1.05x",
        "12.3x",
        "0.0123x",
        "1e+09x",
    ]
    assert formatting.percent(1.025) == "2.5%" and formatting.percent(3) == "a factor of 3.0"
    assert formatting.percent(1e6) == "more than a factor of 10"
    assert (
        formatting.verdict("cpu", stats.FASTER) == "less"
        and formatting.verdict("rps", None) == "not compared"
    )


def test_connections_that_stay_open_are_not_opened_anew_zero_times(tmp_path):
    text = ask(tmp_path, [{}, {"k": 1}], {"threaded": 1000, "libuv": 1100}, blocks=3)
    assert "K=unlimited 1.1" in text and "K=0" not in text


def test_phrases_that_nobody_understood_are_gone(tmp_path):
    speeds = {"threaded": 1000, "libuv": lambda point: 1300 if point["n"] == 1 else 1010}
    flags = lambda server, point: "generator-bound" if point["n"] == 1 else ""  # noqa: E731
    path = folder(
        tmp_path, [{"n": n, "c": c} for n in (1, 20) for c in (16, 64)], speeds, blocks=4, flags=flags
    )
    for text in (sentences(path), flat(findings.text(path))):
        for phrase in (
            "alike but for it",
            "flips it",
            "CPU stands",
            "runs in 5",
            "80% power",
            "each value is the mean",
        ):
            assert phrase not in text


def test_the_terminal_says_little_of_a_run_that_decides_all(tmp_path):
    said = terminal(tmp_path, [{"n": 1}, {"n": 20}], {"threaded": 1000, "libuv": 1300})
    assert "Warnings" not in said and said.startswith(
        "To choose: - Async pays at both configurations that were measured:"
    )
