"""How a run of pace is judged: its latencies, its rate, its counts, and several of them together."""

import pytest
from paced import CLOSED, FOUND, OPEN, WARM, one, seen, total
from test_soundness import POINT, REQUESTS, STATS, US, words

from waitbench.plan import matrix
from waitbench.observe import hosts, pace_output
from waitbench.judge import accounting, figures, load, soundness


def test_a_sound_open_loop():
    assert soundness.judge(seen()) == ([], [])
    row, detail = figures.row(seen(), []), figures.detail(seen())
    assert (row["generator"], row["mode"], row["load"]) == ("pace", "open", 50)
    assert row["offered_rps"] == pytest.approx(REQUESTS / 1.9)
    assert row["achieved_rps"] == row["rps"] == pytest.approx((REQUESTS - 3) / 1.9)
    assert (row["p50_us"], row["p99_us"], row["max_us"]) == (US, 50_000, 50_000), "from the intended moment"
    assert detail["service_p99_us"] == US - 500
    assert detail["littles_ratio"] is None and detail["in_flight_ratio"] is None
    assert (detail["generator_late_share"], detail["waited_share"]) == (0.002, 0.01)
    assert (detail["unfinished"], detail["generator_cpu_share"], detail["connect_ms"]) == (0, 0.21, 4)
    assert detail["server_requests"] == REQUESTS + WARM
    assert row["cpu_user_us_per_req"] + row["cpu_sys_us_per_req"] == pytest.approx(0.8e6 / (REQUESTS + WARM))


def test_connections_that_idle_because_nothing_is_due_say_nothing():
    found = seen(latency=[[500, REQUESTS]])
    assert found.load.littles_ratio < 0.1 and soundness.judge(found) == ([], [])
    found = seen(**CLOSED | {"latency": [[500, REQUESTS]]}, point=POINT)
    assert soundness.judge(found) == ([], ["generator-bound"])
    found = seen(**CLOSED | {"latency": [[500, REQUESTS]]}, point=POINT._replace(k=1))
    assert soundness.judge(found) == ([], []), "they are opened anew meanwhile"
    found = seen(**CLOSED | {"cpu_share": 0.96}, point=POINT._replace(k=1))
    assert soundness.judge(found) == ([], ["generator-bound"])


@pytest.mark.parametrize("mean, sound", [(10_300, True), (10_380, True), (11_000, False)])
def test_a_closed_loop_has_requests_at_both_ends_of_its_window(mean, sound):
    found = seen(**CLOSED | {"latency": [[mean, REQUESTS]], "requests": REQUESTS}, point=POINT)
    assert words(found) == ([] if sound else ["little"])


def test_a_rate_that_pace_could_not_keep():
    sentence = "late: 3.1% of the requests were sent more than 1 ms after they were due"
    found = seen(unsound=[sentence, "cpu: its threads were busy for 91% of their time"])
    assert soundness.judge(found)[0] == [
        "late: pace could not keep the rate: 3.1% of the requests were sent more than 1 ms after they were due",
        "late: pace could not keep the rate: its threads were busy for 91% of their time",
    ]
    assert words(seen(unsound=["weather: it rains"])) == ["broken"], "what it knows better is not passed over"
    assert words(seen(**CLOSED | {"unsound": ["cpu: busy"]}, point=POINT)) == [], "as with wrk, by its CPU"


@pytest.mark.parametrize("kind", pace_output.ERRORS)
def test_any_error_is_named_with_the_first(kind):
    found = seen(errors=FOUND["errors"] | {kind: 2}, first_error="it went wrong", unsound=["errors: 2"])
    assert soundness.judge(found)[0] == [f"errors: pace counted 2 of kind {kind}; the first: it went wrong"]


@pytest.mark.parametrize("due, flags", [(1000, []), (999, ["too-short"])])
def test_an_open_loop_with_too_few_arrivals(due, flags):
    found = seen(due=due, requests=due, latency=[[US, due]], service=[[US, due]])
    assert soundness.judge(found) == ([], flags)


def test_arrivals_without_a_response_are_flagged():
    assert soundness.judge(seen(unfinished=1)) == ([], ["overloaded"])


@pytest.mark.parametrize(
    "stats, changes, word",
    [
        ({"requests": STATS["requests"] + REQUESTS + WARM + 2 + 17}, {}, "requests"),
        ({"requests": STATS["requests"] + REQUESTS + 2}, {}, "requests"),
        ({"connections_accepted": STATS["connections_accepted"] + 18}, {}, "connections"),
        ({"connections_accepted": STATS["connections_accepted"] + 16}, {}, "connections"),
        ({}, total(bytes=REQUESTS * 1134), "size"),
        ({}, total(bytes=(REQUESTS + WARM + 17) * 1134), "size"),
    ],
)
def test_what_the_server_counted_is_held_against_all_phases(stats, changes, word):
    found = seen(stats=stats, **changes)
    assert word in words(found)


def test_connections_that_were_opened_anew():
    point, opened = OPEN._replace(k=1), REQUESTS + WARM + 1
    longer = total(connections=opened, bytes=(REQUESTS + WARM) * (1134 + len("Connection: close\r\n")))
    assert words(seen(point=point, **longer)) == []
    assert words(seen(point=OPEN, **longer)) == ["size"]
    few = {"connections_accepted": STATS["connections_accepted"] + opened - 1}
    assert words(seen(point=point, stats=few, **longer)) == ["connections"]


def test_idle_connections_that_the_server_closed():
    found = seen(point=OPEN._replace(i=100), idle=100, idle_connections={"closed": 4})
    (reason,) = soundness.judge(found)[0]
    assert reason.startswith("connections: the server closed 4 of the idle connections of pace")


def test_crud_with_idle_connections():
    """Each of them reads an item, beside the mix."""
    answered = [REQUESTS + WARM - 10, 0, 0, 0, 0, 0]
    crud = {"issued": answered, "answered": answered, "wrong": 0, "first_wrong": ""}
    point = matrix.Point("none", None, None, None, None, 16, "crud", None, i=10, load=50)
    stats = {"queries": STATS["queries"] + REQUESTS + WARM}
    assert words(seen(crud=crud, idle=10, point=point, stats=stats)) == []
    assert words(seen(crud=crud, idle=9, point=point, stats=stats)) == ["kind"]
    tables = accounting.Table(10_000, 0), accounting.Table(10_000, 0)
    assert accounting.reasons(seen(crud=crud, idle=10, point=point).load, tables) == []


def half(name, **changes):
    counts = {
        "due": REQUESTS // 2,
        "requests": REQUESTS // 2,
        "latency": [[US, REQUESTS // 2]],
        "service": [[US, REQUESTS // 2]],
    }
    counts |= total(requests=REQUESTS // 2, connections=9, bytes=REQUESTS // 2 * 1134)
    host = hosts.Host("far", name, 8, "6.1")
    return one(f"http://{name}:18090", 8, host=host, **counts | changes)


def test_two_are_one():
    both = load.Load([half("a", late=3), half("b", late=12, unfinished=2, cpu_share=0.5)])
    assert (both.due, both.unfinished, both.requests) == (REQUESTS, 2, REQUESTS)
    assert both.offered_rps == pytest.approx(REQUESTS / 1.9)
    assert both.latencies[1].sum() == both.service[1].sum() == REQUESTS
    assert both.share_of_due("late") == 15 / REQUESTS
    found = seen(half("a"), half("b", unsound=["late: 3%"]))
    assert soundness.judge(found)[0] == ["late: generator http://b:18090 could not keep the rate: 3%"]
    assert figures.detail(seen(half("a"), half("b", cpu_share=0.5)))["generator_cpu_share"] == 0.5


def test_windows_begin_when_each_has_connected():
    assert words(seen(half("a"), half("b", connect_s=0.104))) == []
    assert words(seen(half("a"), half("b", connect_s=0.204))) == ["window"]
