"""The answer in plain words: each kind of run has its sentence, and none claims more than its intervals."""

import polyglot
import pytest
import synthetic
import test_capacity_shown
from waitbench.judge import summary
from waitbench.show import headline, saying, wording

THREE = synthetic.ENVIRONMENT | {"servers": ["threaded", "libuv", "coro"]}
GRID = [{"n": n, "c": c} for n in (1, 20) for c in (16, 256)]


def found(points, speeds, environment=THREE, **kwargs):
    rows = synthetic.runs(points, speeds, **kwargs)
    for row in rows:
        row["cpu_us_per_req"] = row["cpu_user_us_per_req"] + row["cpu_sys_us_per_req"]
    return summary.summarise(rows, environment)


def said(*arguments, **kwargs):
    return headline.of(found(*arguments, **kwargs)).sentence


def test_the_answer_of_a_run_that_decides_everything():
    text = said(
        GRID, {"threaded": 1000, "libuv": 1300, "coro": lambda point: 1200 if point["n"] == 1 else 1700}
    )
    assert text == (
        "On this machine the event loop and coroutines answered 1.1 to 1.8 times as many requests as threads at all 4"
        " configurations, with 0.58 to 0.85 of the CPU per request. Never ten times."
    )


def test_where_threads_win_is_said_with_the_place():
    speeds = {"threaded": 1000, "libuv": lambda point: 800 if (point["n"], point["c"]) == (20, 16) else 1300}
    text = said(GRID, speeds)
    assert "answered 1.2 to 1.4 times as many requests as threads at 3 of 4 configurations, with 0.7" in text
    assert "At 20 queries and 16 connections threads were ahead: 1.2 to 1.3 times as many requests." in text
    several = said(GRID, {"threaded": 1000, "libuv": lambda point: 800 if point["n"] == 20 else 1300})
    assert "Threads were ahead at 2 of 4 configurations, such as 20 queries and" in several
    alone = said(GRID, {"threaded": 1000, "libuv": 800, "coro": 1300})
    assert "coroutines answered" in alone.split(".")[0] + alone and "event loop answered" not in alone
    assert "Threads were ahead of the event loop at all 4 configurations" in alone


def test_servers_that_are_alike_are_called_so():
    text = said(GRID, {"threaded": 1000, "libuv": 1000})
    assert "The event loop and threads answered equally many requests (within 5%)" in text.replace(
        "the e", "The e"
    )
    assert "at all 4 configurations" in text and "ahead" not in text and "times as many" not in text
    mixed = said(GRID, {"threaded": 1000, "libuv": lambda point: 1300 if point["n"] == 1 else 1000})
    assert "At 2 of 4 configurations they answered equally many requests (within 5%)." in mixed


def test_a_run_that_cannot_tell_says_what_it_excludes():
    text = said(GRID, {"threaded": 1000, "libuv": 1020}, blocks=3, noise=0.05)
    assert (
        "this run cannot tell whether the event loop or threads answer more requests: they are less than"
        in text
    )
    assert text.endswith("Never ten times.") and "ahead" not in text
    wild = said(GRID, {"threaded": 1000, "libuv": 1020}, blocks=2, noise=1.0)
    assert wild.endswith("Whether it is ten times, this run cannot tell.") and "apart" not in wild


def test_one_block_bounds_nothing():
    made = headline.of(found(GRID, {"threaded": 1000, "libuv": 20000}, blocks=1))
    assert "one block alone bounds nothing. Whether it is ten times, this run cannot tell." in made.sentence
    assert not made.choose and "Exploratory: 1 block at a configuration" in made.warnings[0]


def test_one_server_and_servers_that_never_meet():
    assert said(GRID, {"threaded": 13400}, noise=0).startswith(
        "Only threads were measured, so there is nothing to compare: 13,400 requests per second."
    )
    rows = synthetic.runs([{"n": 1}, {"n": 2}], {"threaded": 1000, "libuv": 1000})
    apart = [row | {"cpu_us_per_req": 1.0} for row in rows if (row["server"] == "libuv") == (row["n"] == 1)]
    assert "Threads and the event loop never ran in the same block" in headline.sentence(
        summary.summarise(apart, THREE)
    )


def test_one_configuration_is_named():
    text = said([{"n": 5, "m": 65536, "c": 256}], {"threaded": 1000, "libuv": 1300})
    assert text.startswith(
        "On this machine, with 5 queries, 64 KiB and 256 connections, the event loop answered 1.2"
    )
    assert "at all" not in text and "configuration" not in text


def test_servers_without_a_model_have_their_names():
    environment = synthetic.ENVIRONMENT | {"servers": ["a", "b"]}
    text = said(GRID, {"a": 1000, "b": 1300}, environment)
    assert "b answered 1.2 to 1.4 times as many requests as a at all 4" in text
    twice = said(GRID, {"threaded": 1000, "libuv": 1300, "libuv+pool=8": 1400}, synthetic.ENVIRONMENT)
    assert "the event loop answered" in twice and "libuv+pool=8 answered" in twice.lower()
    listed = [{"name": "libuv", "description": "another program", "colour": "#123456"}]
    changed = said(GRID, {"threaded": 1000, "libuv": 1300}, synthetic.ENVIRONMENT | {"server_list": listed})
    assert "event loop" not in changed, "a server that was another one then is not what its name means now"


def bound(*servers):
    return lambda server, point: "generator-bound" if server in servers else ""


def test_where_the_generator_was_the_bottleneck_a_ratio_is_a_lower_bound():
    text = said(GRID, {"threaded": 1000, "libuv": 1300}, flags=bound("libuv"))
    assert "answered at least 1.2 to 1.4 times as many requests as threads" in text
    both = headline.of(found(GRID, {"threaded": 1000, "libuv": 1300}, flags=bound("libuv", "threaded")))
    assert "answered 1.2 to 1.4 times as many" in both.sentence
    assert "The load generator was the bottleneck at 4 of 4 configurations" in " ".join(both.warnings)


def test_a_direction_that_the_generator_may_have_made_is_not_claimed():
    """Throughputs that differ, at the same cost: the generator reached one server earlier than the other."""
    rows = synthetic.runs(GRID, {"threaded": 1000, "libuv": 1300}, flags=bound("threaded"))
    even = [
        row | {"cpu_user_us_per_req": 100.0, "cpu_sys_us_per_req": 100.0, "cpu_us_per_req": 200.0}
        for row in rows
    ]
    text = headline.sentence(summary.summarise(even, THREE))
    assert "this run cannot tell whether the event loop or threads answer more requests" in text
    assert "times as many" not in text


@pytest.mark.parametrize(
    "speed, flags, says",
    [
        (20000, bound(), "Ten times or more in 4 of 4 comparisons."),
        (
            lambda point: 20000 if point["n"] == 1 else 1300,
            bound(),
            "Ten times or more in 2 of 4 comparisons.",
        ),
        (1300, bound("libuv"), "Never ten times."),
        (50, bound(), "Ten times or more in 4 of 4 comparisons."),
        (100, bound(), "Whether it is ten times, this run cannot tell."),
    ],
)
def test_ten_times(speed, flags, says):
    assert says in said(GRID, {"threaded": 1000, "libuv": speed}, flags=flags)


def test_a_bound_excludes_ten_times_only_where_the_cpu_does():
    rows = synthetic.runs(GRID, {"threaded": 1000, "libuv": 1300}, flags=bound("libuv"))
    cheap = [row | {"cpu_us_per_req": 5.0 if row["server"] == "libuv" else 900.0} for row in rows]
    for row in cheap:
        row |= {
            "cpu_user_us_per_req": row["cpu_us_per_req"] / 2,
            "cpu_sys_us_per_req": row["cpu_us_per_req"] / 2,
        }
    assert "Never ten times" not in headline.sentence(summary.summarise(cheap, THREE))


def test_a_mix_of_reads_and_writes():
    none = dict.fromkeys("nmwdt")
    text = said([none | {"workload": "crud", "c": c} for c in (16, 256)], {"threaded": 1000, "libuv": 1300})
    assert text.startswith("On this machine, with a mix of reads and writes, the event loop answered 1.2")
    assert "at both configurations" in text


def test_an_open_loop_compares_capacities_and_latencies(tmp_path):
    made = test_capacity_shown.folder(
        tmp_path / "run", test_capacity_shown.HIGHER, {"threaded": 1000, "libuv": 2000}
    )
    text = headline.sentence(summary.load(made))
    assert (
        "took 1.07 to 1.3 times the rate of threads with a p99 of at most 10 ms at both configurations."
        in text
    )
    assert "The event loop had 0.4" in text and "of the p99 latency of threads at all 4 points" in text
    assert " requests as" not in text
    assert text.endswith("Never ten times the p99 latency. Never ten times the rate.")
    made = test_capacity_shown.folder(
        tmp_path / "b", {"threaded": 8000, "libuv": 6000}, {"threaded": 2000, "libuv": 1000}
    )
    text = headline.sentence(summary.load(made))
    assert "threads were ahead of the event loop at both configurations, such as" in text
    assert (
        "Threads were ahead of the event loop at all 4 points, such as" in text
        and "of the p99 latency." in text
    )


def test_several_languages(tmp_path):
    text = headline.sentence(polyglot.found(tmp_path))
    assert text.startswith(
        "On this machine, on average over 2 configurations, inside one language, async answered 1.1"
    )
    assert "Between languages, servers in C were ahead of servers in other languages" in text
    assert (
        "Ten times or more was made by the model in none of 8 comparisons and by the language in 4 of 12"
        in text
    )


def test_pipelining_in_two_languages(tmp_path):
    speeds = {"c-loop": 1000, "c-loop+pipeline": 1500, "p-async": 300, "p-async+pipeline": 450}
    text = headline.sentence(polyglot.found(tmp_path, speeds=speeds, facts=polyglot.environment(speeds)))
    assert (
        "With pipelining servers answered 1.4 to 1.6 times as many requests as servers without it in both pairs"
        in text
    )


def test_about_names_what_is_known():
    facts = THREE | {"outcome": {"finished_at": "2026-11-28T15:43:46+00:00"}}
    assert headline.about(found(GRID, {"threaded": 1000, "libuv": 1300}, facts)) == (
        "Made-up CPU, 2 CPUs, 8 GiB, Debian GNU/Linux 12 (bookworm); 2026-11-28; revision 01234567; 12 blocks of 2 s;"
        " everything ran natively"
    )
    assert headline.about(found(GRID, {"threaded": 1000, "libuv": 1300}, {})) == ""
    hosts = {
        "servers": {"a": {"boot_id": "x"}},
        "database": {"boot_id": "x"},
        "generators": [{"boot_id": "y"}],
    }
    apart = found(
        GRID, {"threaded": 1000, "libuv": 1300}, THREE | {"hosts": hosts | {"load_test": {"boot_id": "y"}}}
    )
    assert "server and database on one machine, sharing its CPUs" in headline.about(apart)
    assert headline.sentence(apart).startswith("On these machines")


def test_warnings_begin_with_the_most_important():
    facts = THREE | {
        "machine": THREE["machine"] | {"load_average": [6.39, 0, 0]},
        "outcome": {"warnings": ["speed moved by 9% of 2", "speed moved by 23% of 5"], "unsound_points": [synthetic.POINT | {"reason": "x: died"}]},
        "warnings": ["the machine was busy: this run is no reference", "this is a virtual machine"],
    }  # fmt: skip
    flags = {1: "generator-bound machine-busy", 20: "too-short"}
    made = found(GRID, {"threaded": 1000, "libuv": 1300}, facts, blocks=3, flags=lambda s, p: flags[p["n"]])
    begins = [
        "Given up, for all servers: n=1 m=1024 c=16: x: died.",
        "Exploratory: 3 blocks at a configuration, and 12 are",
        "Other programs kept the machine busy at 2 of 4 configurations (n=1 c=16, n=1 c=256)",
        "The load generator was the bottleneck at 2 of 4",
        "The runs were too short at 2 of 4",
        "Not a reference: the machine was busy before the start (load average 6.39",
        "Speed moved by 23% of 5.",
        "This is a virtual machine.",
    ]
    for begin, warning in zip(begins, headline.of(made).warnings, strict=True):
        assert warning.startswith(begin)


def test_ranges_become_no_narrower_when_they_are_rounded():
    pairs = [
        (1.0901, 2.219),
        (0.3805, 0.8799),
        (1.0003, 1.2),
        (0.9, 0.9996),
        (12.1, 345.2),
        (0.00123, 0.5),
        (2.0, 2.0),
    ]
    said = [
        "1.09 to 2.3",
        "0.38 to 0.88",
        "1.0003 to 1.2",
        "0.9 to 0.9996",
        "12 to 350",
        "0.0012 to 0.5",
        "2",
    ]
    assert [wording.span(*pair) for pair in pairs] == said
    assert (
        wording.outward(0.99999, up=True, digits=3) == "0.99999"
        and wording.outward(12345, up=True) == "13,000"
    )


def test_an_end_that_says_nothing_is_left_out():
    more, less = saying.THROUGHPUT.better, saying.CPU_LESS
    assert more.say(1.2, 1.8, base="x") == "answered 1.2 to 1.8 times as many requests as x"
    assert more.say(1.01, 1.8, base="x") == "answered more requests than x, up to 1.8 times as many,"
    assert more.say(1.2, 90, vague=True, base="x") == "answered at least 1.2 times as many requests as x"
    assert more.say(1.01, 90, vague=True, base="x") == "answered more requests than x"
    assert (
        more.say(1.2, 1.8, more=True, base="x") == "answered at least 1.2 to 1.8 times as many requests as x"
    )
    assert less.say(0.4, 0.99) == "with less CPU per request (down to 0.4)"
    assert less.say(0.4, 0.9) == "with 0.4 to 0.9 of the CPU per request"


def test_counts_of_several_servers():
    assert [wording.counts(n) for n in ([3, 3], [2, 3], [2, 5], [0, 2])] == [
        "3",
        "2 or 3",
        "2 to 5",
        "up to 2",
    ]
    assert wording.places([7, 7], 7, "configuration") == " at all 7 configurations"
    assert wording.places([2], 2, "point") == " at both points" and wording.places([1], 1, "point") == ""
    assert (
        wording.listed(["a", "b", "c"]) == "a, b and c"
        and wording.subject(list("abcd")) == "the other 4 servers"
    )
