"""WORKLOAD=crud: its settings and points, results with and without it, and the accounting after a run."""

import csv
import dataclasses
import re

import pytest
import synthetic
from test_soundness import REQUESTS, STATS, observation

from waitbench import Failure
from waitbench.base import results
from waitbench.judge import accounting, comparison, soundness, summary
from waitbench.observe import load_result
from waitbench.plan import matrix, requests, settings
from waitbench.show import comparison_report, findings, report, run_tables, table

CRUD = {"workload": "crud", "n": None, "m": None, "w": None, "d": None, "t": None}
POINT = matrix.Point("none", None, None, None, None, 16, "crud", None)


def test_crud_has_points_of_connections_alone_and_a_mix_of_its_own():
    chosen = settings.load([], {"WORKLOAD": "crud", "C": "8 64", "PROXY": "none nginx"})
    assert [str(point) for point in chosen.points] == [
        "crud c=8",
        "crud c=64",
        "crud c=8 proxy=nginx",
        "crud c=64 proxy=nginx",
    ]
    assert chosen.mix == (70, 20, 4, 3, 2, 1) and chosen.n is chosen.d is None
    assert (chosen.texts["N"], chosen.texts["MIX"]) == (None, "70 20 4 3 2 1")
    assert settings.load(["--workload", "crud", "--mix", "0 0 1 0 0 1"], {}).mix == (0, 0, 1, 0, 0, 1)
    usual = settings.load([], {})
    assert {point.workload for point in usual.points} == {"work"} and usual.texts["MIX"] is None


@pytest.mark.parametrize(
    "words, named",
    [
        ("--workload crud --n 1", "N:"),
        ("--workload crud --m 1024", "M:"),
        ("--workload crud --w 0", "W:"),
        ("--workload crud --d 0", "D:"),
        ("--mix 1,1,1,1,1,1", "MIX:"),
        ("--workload mine", "WORKLOAD:"),
        ("--workload crud --servers threaded+n=2", "SERVERS:"),
        ("--workload crud --targets a=http://h:1", "DATABASE_URL:"),
        ("--workload crud --c=", "C:"),
    ],
)
def test_what_has_no_part_in_the_workload_is_refused(words, named):
    with pytest.raises(settings.Usage, match=f"^{named}"):
        settings.load(words.split(), {})


@pytest.mark.parametrize(
    "mix", ["1 2 3", "0 0 0 0 0 0", "1 1 1 1 1 x", "1 1 1 1 1 -1", "1 1 1 1 1 0.5", "1 " * 7]
)
def test_a_mix_is_six_whole_numbers(mix):
    with pytest.raises(settings.Usage, match="^MIX: .* six whole numbers"):
        settings.load(["--workload", "crud", "--mix", mix], {})


def rows(**changes):
    points = [CRUD | {"c": c} for c in (16, 256)]
    return synthetic.runs(points, {"threaded": 1000, "libuv": 1300}, **changes)


def test_a_point_of_crud_is_what_it_was_after_a_round_through_files(tmp_path):
    found = summary.load(synthetic.write(tmp_path, rows()))
    assert found.points == [POINT, POINT._replace(c=256)]
    summary.write(tmp_path)
    with (tmp_path / "summary.csv").open() as stream:
        line = next(csv.DictReader(stream))
    assert [line[name] for name in ("n", "m", "w", "d", "c", "workload", "t")] == [
        *[""] * 4,
        "16",
        "crud",
        "",
    ]
    assert results.SYSCALLS[-5:] == ["workload", "t", "k", "i", "load"]


def test_results_without_the_last_columns_are_of_work_without_a_wait(tmp_path):
    path = synthetic.write(tmp_path, synthetic.runs([{}], {"threaded": 1000})) / "runs.csv"
    lines = [line.rsplit(",", 9)[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")
    assert lines[0].endswith(",cpu_groups")
    assert summary.load(tmp_path).points == [matrix.Point("none", 1, 1024, 0, 0, 16, "work", 0)]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"workload": "crud"}, 'n "1" is no part of this workload'),
        ({"n": None}, 'n "" is not a whole number of 0 or more'),
        ({"workload": "other"}, "none of: work crud"),
        ({"mode": "half"}, "none of: closed open"),
        ({"generator": "ab"}, "none of: wrk pace"),
        ({"load": 50}, 'load "50" is no part of a closed loop'),
        ({"mode": "open"}, 'load "" is not a whole number of 1 or more'),
        ({"k": None}, 'k "" is not a whole number of 0 or more'),
    ],
)
def test_a_row_of_no_workload_and_of_no_loop_is_named(tmp_path, change, words):
    made = synthetic.runs([{}], {"threaded": 1000}, blocks=1)
    with pytest.raises(Failure, match=f"line 2: .*{words}"):
        summary.load(synthetic.write(tmp_path, [made[0] | change]))


def test_everything_that_is_shown_of_crud(tmp_path):
    a, b = (synthetic.write(tmp_path / name, rows(seed=seed)) for name, seed in (("a", 1), ("b", 2)))
    found = summary.load(a)
    shown = [table.text(found), findings.text(a), run_tables.ratios(run_tables.Table({"": a}, {}))]
    report.write(a)
    shown.append((a / "report.html").read_text())
    other = summary.load(b)
    compared = comparison.compare(found, other)
    shown.append(comparison_report.report(found, other, compared))
    assert compared.relative and not compared.differs
    for text in shown:
        assert re.search(r"c=256|\n256 |both configurations", text) and "None" not in text
    assert (
        "with a mix of reads and writes" in shown[0]
        and "workload=crud" in shown[0]
        and "workload=crud" in shown[2]
    )


def operations(answered, waiting=(0,) * 6, wrong=0):
    issued = tuple(a + b for a, b in zip(answered, waiting))
    return load_result.Operations(issued, tuple(answered), wrong, "500 {}" if wrong else "-")


ANSWERED = (2100, 600, 120, 90, 60, 30)  # 3000, as many requests as test_soundness has
BEFORE = accounting.Table(10_012, 7)
AFTER = accounting.Table(10_012 + 120 - 30, 7 + 90 + 60)


def seen(done=operations(ANSWERED), after=AFTER, queries=3060, **changes):
    stats = {"queries": STATS["queries"] + queries, "requests": STATS["requests"] + REQUESTS + 2}
    result = {"operations": done, "bytes": 1_234_567}
    changes = {"items": (BEFORE, after), "response_bytes": None, "pool": 16} | changes
    return observation(stats=stats, result=result, point=POINT, **changes)


def test_a_run_whose_table_holds_what_was_acknowledged_is_sound():
    assert soundness.judge(seen()) == ([], [])
    assert accounting.columns(seen().load, seen().items) == dict(zip(requests.OPERATIONS, ANSWERED)) | {
        "items_before": 10_012,
        "items_after": 10_102,
    }


@pytest.mark.parametrize("rows", [-1, 1])
def test_where_nothing_is_under_way_the_number_of_rows_is_exact(rows):
    (reason,) = soundness.judge(seen(after=AFTER._replace(rows=AFTER.rows + rows)))[0]
    assert reason == (
        f"rows: the table items has {10_102 + rows} rows and not 10102: 10012 before, 120 creations and 30 deletions"
        " acknowledged"
    )


@pytest.mark.parametrize("updates", [-1, 1])
def test_and_so_is_the_number_of_updates(updates):
    (reason,) = soundness.judge(seen(after=AFTER._replace(updates=AFTER.updates + updates)))[0]
    assert reason == f"rows: the items were updated {150 + updates} times, and 150 updates were acknowledged"


def test_what_is_under_way_may_have_been_done_or_not():
    done = operations(ANSWERED, (0, 0, 2, 1, 1, 3))
    for rows, updates, sound in [(2, 2, True), (-3, 0, True), (3, 0, False), (-4, 0, False), (0, 3, False)]:
        after = accounting.Table(AFTER.rows + rows, AFTER.updates + updates)
        assert [reason[:5] for reason in soundness.judge(seen(done, after))[0]] == (
            [] if sound else ["rows:"]
        )


@pytest.mark.parametrize(
    "done, words",
    [
        (operations(ANSWERED[:5] + (29,), wrong=1), "1 of 3000 responses are to no request .* first: 500 {}"),
        (
            operations(ANSWERED[:5] + (31,)),
            "3001 responses were as they should be, of 3000 that were counted",
        ),
        (operations((2101, 599) + ANSWERED[2:], (-1, 1, 0, 0, 0, 0)), "2101 responses to 2100 reads"),
        (operations(ANSWERED, (17, 0, 0, 0, 0, 0)), "2100 responses to 2117 reads"),
        (operations(ANSWERED, (9, 8, 0, 0, 0, 0)), "17 requests without a response on 16 connections"),
        (None, "it counted no operations"),
    ],
)
def test_responses_of_another_kind(done, words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soundness, "_queries", lambda *_: (0, 10**9))  # the next test's
        reasons = soundness.judge(seen(done))[0]
    assert len(reasons) == 1
    assert re.match(f"kind: wrk: {words}", reasons[0]), reasons


@pytest.mark.parametrize("queries, sound", [(3059, False), (3060, True), (3092, True), (3093, False)])
def test_the_queries_are_those_of_the_operations(queries, sound):
    """One each, and two for each of 60 patches; again where another writer came between, and under way."""
    assert [reason[:8] for reason in soundness.judge(seen(queries=queries))[0]] == (
        [] if sound else ["queries:"]
    )


def test_several_generators_are_added_up():
    both = operations(ANSWERED, (0, 0, 1, 0, 0, 0)) + dataclasses.replace(operations(ANSWERED, wrong=2))
    assert both.answered == tuple(2 * count for count in ANSWERED)
    assert (both.issued[2], both.wrong, both.first_wrong) == (241, 2, "500 {}")
    one = requests.Crud((1,) * 6, 2**31 - 1)
    seeds = {one.of_generator(number).seed for number in range(4)}
    assert len(seeds) == 4 and max(seeds) < 2**31
    assert requests.crud(one.words) == one
