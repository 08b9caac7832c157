"""Each way in which a run can be unsound is caught, and only that one is named."""

import dataclasses

import pytest

from waitbench.base import results
from waitbench.plan import matrix
from waitbench.observe import hosts, load_result, sampling, server_stats, wrk_output
from waitbench.judge import figures, load, soundness

POINT = matrix.Point("none", 20, 1024, 0, 0, 16)
STATS = {
    "pid": 5, "start_time": "2026-11-21T22:00:00Z", "requests": 1000, "queries": 20000, "replies_4xx": 0, "replies_5xx": 0,
    "connections_refused": 0, "connections_accepted": 40, "connections_open": 1, "cpu_user_s": 1.0, "cpu_system_s": 2.0,
    "ctx_voluntary": 10, "ctx_involuntary": 20, "rss_kib": 9000, "rss_peak_kib": 9500, "threads": 2, "query_s": 1.0,
    "pool_waits": 0, "pool_wait_s": 0.0,
}  # fmt: skip
REQUESTS, US = 3000, 10_000  # 3,000 requests of 10 ms on 16 connections: 1.875 s
OPEN_ALONE = {"load", "offered_rps", "achieved_rps"}  # columns that a closed loop leaves empty


def machine(**seconds):
    return sampling.Machine(**{name: 100.0 + seconds.get(name, 0.0) for name in sampling.Machine._fields})


def part(
    generator="", host=hosts.own()._replace(cpus=2), connections=16, started=0.0, steal_share=None, **result
):
    return load.Part(generator, host, connections, 2, load_result.Result(**result), started, steal_share)


def observation(stats=None, result=None, spent=None, stopped=None, server="threaded", point=POINT, **changes):
    """A sound run, except for what a test changes."""
    served = REQUESTS + 5  # five were under way when wrk stopped
    grown = {
        "requests": served + 2, "queries": served * 20, "connections_accepted": 17, "cpu_user_s": 0.2, "cpu_system_s": 0.6,
        "ctx_voluntary": 300, "ctx_involuntary": 30, "query_s": 20.0,
    }  # fmt: skip
    after = {
        name: value + grown.get(name, 0) if name != "start_time" else value for name, value in STATS.items()
    }
    throttled = dict.fromkeys(("the server", "the database", "the load test"), 7.0) | {"the database": None}
    first = figures.Snapshot(0.0, STATS, machine(), 1.0, 5.0, None, 0.5, throttled, asked=3, connects=1)
    time = {"user": 1.0, "system": 1.0, "idle": 1.9, "steal": 0.0} | (spent or {})
    last = figures.Snapshot(
        2.0,
        after | (stats or {}),
        machine(**time),
        2.0,
        5.6,
        None,
        0.51,
        throttled | (stopped or {}),
        asked=5,
        connects=1,
    )
    none = dict.fromkeys(wrk_output.ERRORS, 0)
    fields = {"requests": REQUESTS, "duration_us": 1_900_000, "bytes": REQUESTS * 1134 + 200, "errors": none}
    fields |= {"histogram": [(US, REQUESTS)], "cpu_s": 0.5} | (result or {})
    memory = sampling.Memory(100, 200, 3000, 8)
    watched = figures.Watched(
        0.003, STATS | {"connections_open": 17, "threads": 18}, [memory], [(0.0, 1.0), (1.0, 1.5)]
    )
    parts = {
        "server": matrix.parse_server(server) if isinstance(server, str) else server, "point": point, "load": load.Load([part(**fields)]), "first": first,
        "last": last, "watched": watched, "idle_memory": sampling.Memory(50, 150, 2900, 4), "response_bytes": (1134, 1134),
        "steal_max": 0.02, "bystander_max": 0.01, "cpus": 2, "host": hosts.own(), "db_host": hosts.own(),
    }  # fmt: skip
    return figures.Observation(**(parts | changes))


def words(seen):
    return [reason.partition(":")[0] for reason in soundness.judge(seen)[0]]


def test_a_sound_run_is_sound():
    assert soundness.judge(observation()) == ([], [])


@pytest.mark.parametrize("part", ["the server", "the load test"])
def test_a_limit_of_cpu_time_that_stopped_a_part(part):
    seen = observation(stopped={part: 7.25})
    assert words(seen) == ["throttled"]
    assert f"stopped {part} for 250 ms" in soundness.judge(seen)[0][0]
    assert figures.detail(seen)["throttled_s"] == 0.25


@pytest.mark.parametrize("kind", wrk_output.ERRORS)
def test_any_error(kind):
    errors = dict.fromkeys(wrk_output.ERRORS, 0) | {kind: 1}
    samples = [(US, REQUESTS - 1)]  # as wrk leaves it when a connection was closed on it
    assert words(observation(result={"errors": errors, "histogram": samples})) == ["errors"]


@pytest.mark.parametrize(
    "stats, word",
    [
        ({"replies_5xx": 1}, "refused"),
        ({"replies_4xx": 1}, "refused"),
        ({"connections_refused": 1}, "refused"),
        ({"pid": 6}, "restarted"),
        ({"start_time": "later"}, "restarted"),
        ({"connections_accepted": 58}, "connections"),
        ({"connections_accepted": 56}, "connections"),
        ({"queries": 20000 + (REQUESTS + 5) * 20 + 321}, "queries"),
        ({"queries": 20000 + (REQUESTS + 5) * 19}, "queries"),
    ],
)
def test_counters_of_the_server(stats, word):
    assert words(observation(stats=stats)) == [word]


@pytest.mark.parametrize("difference, sound", [(16, True), (17, False), (-16, True), (-17, False)])
def test_requests_may_differ_by_those_under_way(difference, sound):
    served = REQUESTS + difference
    stats = {"requests": 1000 + served + 2, "queries": 20000 + served * 20}
    assert words(observation(stats=stats)) == ([] if sound else ["requests"])


@pytest.mark.parametrize("checks, sound", [(2, True), (3, False)])
def test_a_server_that_runs_elsewhere_has_health_checks_too(checks, sound):
    """GET /readyz, with a query of its own, in the 2 s of a run in which 16 requests were under way."""
    served = REQUESTS + 16 + checks
    stats = {"requests": 1000 + served + 2, "queries": 20000 + (REQUESTS + 16) * 20 + checks}
    elsewhere = dataclasses.replace(matrix.parse_server("threaded"), url="http://10.0.0.2:8081")
    assert words(observation(stats=stats, server=elsewhere)) == ([] if sound else ["requests"])


@pytest.mark.parametrize("extra, sound", [(0, True), (-1, False), (16 * 1134, True), (16 * 1134 + 1, False)])
def test_bytes_are_those_of_whole_responses_and_of_those_under_way(extra, sound):
    assert words(observation(result={"bytes": REQUESTS * 1134 + extra})) == ([] if sound else ["size"])


@pytest.mark.parametrize("stolen, sound", [(0.07, True), (0.09, False)])
def test_steal(stolen, sound):
    seen = observation(spent={"steal": stolen, "idle": 1.9 - stolen})
    assert words(seen) == ([] if sound else ["steal"])


@pytest.mark.parametrize(
    "mean, sound, flags", [(10_300, True, []), (10_400, False, []), (9_000, True, ["generator-bound"])]
)
def test_littles_law(mean, sound, flags):
    seen = observation(result={"histogram": [(mean, REQUESTS)]})
    assert words(seen) == ([] if sound else ["little"])
    assert soundness.judge(seen)[1] == flags


def test_few_slow_requests_are_no_sign_of_a_slow_generator():
    """16 connections, 0.5 s per request, 1.9 s: three rounds are finished, the fourth is under way."""
    served = {"requests": 1000 + 48 + 2, "queries": 20000 + 48 * 20}
    result = {"requests": 48, "bytes": 48 * 1134, "histogram": [(500_000, 48)]}
    seen = observation(stats=served, result=result)
    assert seen.load.littles_ratio < 0.8 and seen.load.in_flight_ratio > 0.9
    assert soundness.judge(seen) == ([], [])


def test_too_few_rounds_say_nothing_about_the_generator():
    served = {"requests": 1000 + 32 + 2, "queries": 20000 + 32 * 20}
    seen = observation(
        stats=served, result={"requests": 32, "bytes": 32 * 1134, "histogram": [(500_000, 32)]}
    )
    assert seen.load.in_flight_ratio < 0.9
    assert soundness.judge(seen) == ([], ["too-short"])


def test_a_generator_without_a_cpu_left_is_flagged():
    assert soundness.judge(observation(result={"cpu_s": 3.65}, spent={"user": 3.0, "idle": 0.0}))[1] == [
        "generator-bound"
    ]


def test_other_programs_are_flagged():
    assert soundness.judge(observation(spent={"user": 1.9, "idle": 1.0}))[1] == ["machine-busy"]


def test_a_server_with_injected_work_is_judged_by_its_own_work():
    served = {"queries": 20000 + (REQUESTS + 5) * 21}
    assert words(observation(server="threaded:slow+n=21", stats=served)) == []
    assert words(observation(server="threaded", stats=served)) == ["queries"]


@pytest.mark.parametrize(
    "before, after, sound",
    [(16, 16, True), (15, 16, False), (16, 15, False), (6, 6, False), (None, None, True)],
)
def test_a_pool_that_is_not_whole(before, after, sound):
    seen = observation(pool=16)
    seen.first.db_connections, seen.last.db_connections = before, after
    assert words(seen) == ([] if sound else ["pool"])
    seen.point = seen.point._replace(n=0)
    assert "pool" not in words(seen)


def test_a_server_that_counts_its_database_connections_has_those_it_did_not_lose():
    assert server_stats.database_connections({"db_connects": 20, "db_lost": 4}) == 16
    assert server_stats.database_connections({"db_connects": 20}) is None


def test_behind_a_proxy_connections_are_the_proxys():
    seen = observation(point=POINT._replace(proxy="nginx"), stats={"connections_accepted": 43})
    assert words(seen) == []


def test_others_may_connect_to_a_server_that_runs_elsewhere():
    [target] = matrix.servers([matrix.parse_target("threaded=http://db.example:8080")])
    assert words(observation(server=target, stats={"connections_accepted": 59})) == []
    assert words(observation(server=target, stats={"connections_accepted": 56})) == ["connections"]


@pytest.mark.parametrize("proxy", ["none", "nginx"])
def test_a_server_with_only_the_required_members_is_judged_by_them(proxy):
    """Columns without a member are empty, and nothing fails."""
    seen = observation(point=POINT._replace(proxy=proxy))
    for snapshot in (seen.first, seen.last):
        snapshot.stats = {name: snapshot.stats[name] for name in server_stats.REQUIRED}
    seen.watched.stats = {name: STATS[name] for name in server_stats.REQUIRED}
    assert soundness.judge(seen) == ([], [])
    row, detail = figures.row(seen, []), figures.detail(seen)
    assert {name for name, value in row.items() if value is None} == {
        "cpu_user_us_per_req", "cpu_sys_us_per_req", "ctx_voluntary_per_req", "ctx_involuntary_per_req", "rss_kib",
        "rss_peak_kib", "threads", "server_cpu_share",
    } | OPEN_ALONE  # fmt: skip
    assert (detail["queries_per_req"], detail["query_us_per_req"], detail["other_share"]) == (20, None, None)
    seen.last.stats["queries"] += 20 * 16 + 1
    assert words(seen) == ["queries"]


def test_a_server_that_counts_no_request_has_no_figures_per_request():
    seen = observation(stats={"requests": STATS["requests"] + 2, "queries": STATS["queries"]})
    assert words(seen) == ["requests"] and figures.row(seen, [])["ctx_voluntary_per_req"] is None


def test_every_flag_is_explained_with_the_columns():
    columns = (results.ROOT / "loadtest" / "COLUMNS.md").read_text()
    assert all(f"`{flag}`" in columns for flag in soundness.FLAGS)


def test_the_row_of_a_run():
    seen = observation()
    row = figures.row(seen, ["machine-busy"])
    assert set(row) | {"block", "order", "cpu_groups"} == set(results.COLUMNS)
    assert row["rps"] == pytest.approx(REQUESTS / 1.9)
    assert (row["mean_us"], row["p50_us"], row["p999_us"], row["max_us"]) == (US, US, US, US)
    assert row["cpu_user_us_per_req"] + row["cpu_sys_us_per_req"] == pytest.approx(0.8e6 / (REQUESTS + 5))
    assert row["kernel_kib"] == 50 + 50 + 100
    assert (row["threads"], row["rss_kib"]) == (18, 9000)
    assert row["db_cpu_share"] == pytest.approx(0.6 / 4)
    assert row["server_cpu_share"] == pytest.approx(0.8 / 4)
    assert row["wrk_cpu_share"] == pytest.approx(0.5 / 4)
    assert row["idle_share"] == pytest.approx(1.9 / 3.9)
    assert row["flags"] == "machine-busy"


def test_the_detail_of_a_run():
    seen = observation()
    detail = figures.detail(seen)
    later = {"block", "order", "attempt", "started_at", "load_s", "wall_s", "cpu_work_ms", "hand_offs_ms"}
    later |= {name for name in results.DETAIL if name.startswith("db_") and "cpu" not in name}
    later |= set(results.DETAIL[-13:-5])  # of WORKLOAD=crud
    assert set(detail) | later == set(results.DETAIL)
    assert detail["queries_per_req"] == 20
    assert detail["connect_ms"] == pytest.approx(3)
    assert detail["runqueue_wait_us_per_req"] == pytest.approx(0.5 / (REQUESTS / 1.9) * 1e6)
    assert detail["proxy_cpu_us_per_req"] is None
    assert detail["other_share"] == pytest.approx(2.0 / 3.9 - (0.8 + 0.6 + 0.5 + 0.01) / 4)
