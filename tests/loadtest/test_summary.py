"""summary.csv: medians, ratios paired in blocks, verdicts; and what is never filled in."""

import csv
import io
import math

import pytest
import synthetic
from waitbench import Failure
from waitbench.base import results
from waitbench.plan import matrix
from waitbench.judge import soundness, summary
from waitbench.show import formatting, table

POINTS = [{"n": 0, "c": 16}, {"n": 0, "c": 256}, {"n": 20, "c": 16}]
SPEEDS = {"threaded": 1000, "libuv": 1100, "coro": 1000}


def load(tmp_path, rows, **kwargs):
    return summary.load(synthetic.write(tmp_path / "run", rows, **kwargs))


def rows_of(found):
    rows = list(csv.DictReader(io.StringIO(summary.csv_text(found))))
    return {(row["server"], row["n"], row["c"]): row for row in rows}


def test_one_row_a_point_and_server_with_the_columns_of_the_design(tmp_path):
    found = load(tmp_path, synthetic.runs(POINTS, SPEEDS))
    rows = rows_of(found)
    assert len(rows) == 9
    row = rows["libuv", "20", "16"]
    for name in ("ratio_rps", "ratio_rps_low", "ratio_rps_high", "verdict", "ratio_cpu", "ratio_p99"):
        assert row[name]
    assert set(results.COLUMNS) - {"block", "order", "cpu_groups", "generator", "mode"} <= set(row)
    assert [row["verdict"], row["verdict_cpu"], row["verdict_p99"]] == ["faster"] * 3
    assert float(row["ratio_rps_low"]) < 1.1 < float(row["ratio_rps_high"])
    assert float(row["ratio_cpu"]) == pytest.approx(1 / 1.1, abs=0.02)
    assert row["exploratory"] == "no" and row["pairs_rps"] == "12" and row["base"] == "threaded"
    assert rows["coro", "0", "256"]["verdict"] == "same"
    base = rows["threaded", "0", "16"]
    assert base["ratio_rps"] == base["verdict"] == "", "the base is not compared with itself"


def test_medians_and_pairs_by_hand(tmp_path):
    rps = {"threaded": [100, 200, 400], "libuv": [200, 400, 1600]}
    rows = [
        synthetic.row(synthetic.POINT, block, 1, server, values[block - 1], 10)
        for server, values in rps.items()
        for block in (1, 2, 3)
    ]
    row = rows_of(load(tmp_path, rows))["libuv", "1", "16"]
    assert float(row["rps"]) == 400
    assert float(row["cpu_us_per_req"]) == 10
    # Ratios 2, 2, 4: the mean log ratio is 4/3 of log 2, and the ratio of the medians is nowhere.
    assert float(row["ratio_rps"]) == pytest.approx(2 ** (4 / 3), abs=1e-5)
    assert float(row["median_ratio_rps"]) == 2
    # sd of the logs: log 2 / sqrt 3; t(0.975; 2) = 4.302653
    reach = 4.302653 * math.log(2) / 3
    assert float(row["ratio_rps_high"]) == pytest.approx(2 ** (4 / 3) * math.exp(reach), rel=1e-5)
    assert row["median_ratio_rps_low"] == "", "three blocks bound no median"
    assert row["exploratory"] == "yes"


def test_blocks_are_paired_and_their_drift_cancels(tmp_path):
    rows = synthetic.runs([{}], {"threaded": 1000, "libuv": 1020}, noise=0.002)
    for row in rows:
        row["rps"] *= 1 + row["block"] / 4  # the machine gets four times as fast meanwhile
    row = rows_of(load(tmp_path, rows))["libuv", "1", "16"]
    assert row["verdict"] == "faster"
    assert float(row["ratio_rps_high"]) < 1.03


def test_a_missing_run_drops_its_pair_and_is_not_filled_in(tmp_path):
    rows = synthetic.runs([{}], {"threaded": 1000, "libuv": 1100})
    kept = [row for row in rows if (row["block"], row["server"]) not in ((3, "threaded"), (5, "libuv"))]
    row = rows_of(load(tmp_path, kept))["libuv", "1", "16"]
    assert row["pairs_rps"] == "10" and row["runs"] == "11" and row["exploratory"] == "yes"


def test_a_missing_value_drops_its_pair_for_that_measure_alone(tmp_path):
    rows = synthetic.runs([{}], {"threaded": 1000, "libuv": 1100})
    rows[0]["cpu_user_us_per_req"] = None
    rows[2]["p99_us"] = 0.0  # has no logarithm
    row = rows_of(load(tmp_path, rows))["libuv", "1", "16"]
    assert (row["pairs_rps"], row["pairs_cpu"], row["pairs_p99"]) == ("12", "11", "11")


def test_a_server_that_never_meets_the_base_is_not_compared(tmp_path):
    rows = synthetic.runs(POINTS, SPEEDS)
    kept = [row for row in rows if row["server"] != "threaded" or row["n"] == 0]
    row = rows_of(load(tmp_path, kept))["libuv", "20", "16"]
    assert row["ratio_rps"] == row["verdict"] == "" and float(row["rps"]) > 0


def test_latencies_are_not_compared_where_wrk_was_the_bottleneck(tmp_path):
    rows = synthetic.runs(POINTS, SPEEDS)
    flagged = [row for row in rows if row["server"] == "threaded" and row["n"] == 20]
    flagged[4]["flags"] = "generator-bound"
    row = rows_of(load(tmp_path, rows))["libuv", "20", "16"]
    assert row["ratio_p99"] == row["verdict_p99"] == "", "one run is enough: choosing is biased"
    assert row["verdict"] == "faster" and row["verdict_cpu"] == "faster"
    assert rows_of(load(tmp_path, rows))["libuv", "0", "16"]["verdict_p99"] == "faster"
    assert rows_of(load(tmp_path, rows))["threaded", "20", "16"]["flags"] == "generator-bound"


def test_nor_where_the_window_was_too_short(tmp_path):
    def flags(server, point):
        return "too-short machine-busy" if point["n"] == 20 else "machine-busy"

    rows = rows_of(load(tmp_path, synthetic.runs(POINTS, SPEEDS, flags=flags)))
    assert (
        rows["libuv", "20", "16"]["verdict_p99"] == "" and rows["libuv", "0", "16"]["verdict_p99"] == "faster"
    )
    assert rows["libuv", "20", "16"]["flags"] == "machine-busy too-short"


def test_the_flags_are_those_of_the_gate():
    assert {summary.GENERATOR_BOUND, summary.TOO_SHORT, summary.MACHINE_BUSY, summary.OVERLOADED} == set(
        soundness.FLAGS
    )


def test_without_threaded_the_first_server_is_the_base(tmp_path):
    environment = synthetic.ENVIRONMENT | {"servers": ["coro", "libuv"]}
    rows = synthetic.runs([{}], {"libuv": 1100, "coro": 1000})
    found = load(tmp_path, rows, environment=environment)
    assert found.baseline == "coro"
    assert rows_of(found)["libuv", "1", "16"]["base"] == "coro"


def test_a_family_is_the_points_of_one_server_and_measure(tmp_path):
    found = load(tmp_path, synthetic.runs(POINTS, SPEEDS | {"coro": 1004}))
    for server in ("libuv", "coro"):
        assert [entry.estimates[name].size for entry in found.at(server) for name in ("rps", "p99")] == [
            3
        ] * 6


def test_the_interval_of_the_verdict_stands_beside_the_plain_one(tmp_path):
    rows = rows_of(load(tmp_path, synthetic.runs(POINTS, SPEEDS | {"coro": 1004}, blocks=3, noise=0.03)))
    last = "blocks_needed_p99 workload t k i load offered_rps achieved_rps".split()
    assert [
        name for name in summary.COLUMNS if name in last
    ] == last, "new columns come last: others may count them"
    open_ = 0
    for row in (row for row in rows.values() if row["server"] != "threaded"):
        low, high = float(row["joint_rps_low"]), float(row["joint_rps_high"])
        assert low < float(row["ratio_rps_low"]) < float(row["ratio_rps_high"]) < high
        assert (
            (row["verdict"] in ("faster", "slower"))
            == (not low <= 1 <= high)
            == (float(row["p_rps"]) <= 0.05)
        )
        assert (row["verdict"] == "inconclusive") == (row["blocks_needed_rps"] != "")
        open_ += row["verdict"] == "inconclusive"
    assert open_


def test_a_real_server_is_not_needed_for_one_server_alone(tmp_path):
    found = load(tmp_path, synthetic.runs([{}], {"threaded": 1000}))
    assert found.blocks == (12, 12) and not found.compared
    text = table.text(summary.write(tmp_path / "run"))
    assert "Only threads were measured" in text and "\nthreads\n" in text and "vs" not in text


def test_points_stand_in_order_and_without_proxy_first():
    def point(proxy, n):
        return matrix.Point(proxy, n, 0, 0, 0, 1)

    points = [point("nginx", 1), point("none", 20), point("none", 3)]
    assert summary.in_order(points) == [points[2], points[1], points[0]]


def test_write_leaves_the_file_and_returns_the_table(tmp_path):
    folder = synthetic.write(tmp_path, synthetic.runs(POINTS, SPEEDS, blocks=4))
    text = table.text(summary.write(folder))
    assert (folder / "summary.csv").read_text() == summary.csv_text(summary.load(folder))
    assert max(map(len, text.splitlines())) <= 80
    assert "All at m=1024 w=0 d=0" in text


def test_environment_may_be_missing(tmp_path):
    assert load(tmp_path, synthetic.runs([{}], SPEEDS), environment=None).baseline == "threaded"


@pytest.mark.parametrize(
    "content,says",
    [
        (None, "runs.csv is not there"),
        ("", "is empty: not even its columns are named"),
        ("a,b\n1,2\n", "is of another program"),
        (",".join(results.COLUMNS) + "\n", "no rows"),
        (
            ",".join(results.COLUMNS)
            + "\n1,1,threaded,none,one,0,0,0,1"
            + "," * (len(results.COLUMNS) - 9)
            + "\n",
            'line 2: n "one" is not a whole number of 0 or more',
        ),
        (
            ",".join(results.COLUMNS)
            + "\n1,1,threaded,none,1,0,0,0,1,nan"
            + "," * (len(results.COLUMNS) - 10)
            + "\n",
            'line 2: duration_s "nan" is not a number of 0 or more',
        ),
        (
            ",".join(results.COLUMNS) + "\n1,1,threaded\n",
            f"line 2: it has 3 fields where line 1 names {len(results.COLUMNS)} columns",
        ),
        (b"\xff\xfe\x00", "is in UTF-16"),
    ],
)
def test_bad_folders_are_one_sentence(tmp_path, content, says):
    if content is not None:
        (tmp_path / "runs.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Failure) as failure:
        summary.load(tmp_path)
    assert says in str(failure.value) and "\n" not in str(failure.value)


def test_a_file_put_together_from_two_runs_is_refused(tmp_path):
    rows = synthetic.runs([{}], {"threaded": 1000})
    with pytest.raises(Failure, match="two rows of threaded"):
        load(tmp_path, rows + rows)


def test_no_folder_and_a_damaged_environment(tmp_path):
    with pytest.raises(Failure, match="is no folder"):
        summary.load(tmp_path / "nowhere")
    synthetic.write(tmp_path, synthetic.runs([{}], SPEEDS))
    for text in ("{", "[]"):
        (tmp_path / "environment.json").write_text(text)
        with pytest.raises(Failure, match="environment.json"):
            summary.load(tmp_path)


def test_an_open_loop_is_what_it_was_after_a_round_through_files(tmp_path):
    points = [{"load": 50, "k": 7, "i": 100}, {"load": 90}]
    found = load(tmp_path, synthetic.runs(points, SPEEDS, flags=lambda server, point: "overloaded"))
    assert [(point.k, point.i, point.load) for point in found.points] == [(0, 0, 90), (7, 100, 50)]
    rows = list(csv.DictReader(io.StringIO(summary.csv_text(found))))
    assert {(row["k"], row["i"], row["load"]) for row in rows} == {("7", "100", "50"), ("0", "0", "90")}
    assert all(row["offered_rps"] == row["achieved_rps"] == row["rps"] for row in rows)
    assert all(row["pairs_p99"] in ("", "0") for row in rows), "lower bounds are not compared"
    assert formatting.label(found.points[1], ["k", "load"]) == "k=7 load=50%"
    assert formatting.label(found.points[0], ["k"]) == "k=unlimited"
    assert formatting.fixed([found.points[1]]) == "n=1 m=1024 w=0 d=0 c=16 k=7 i=100 load=50%"
    runs = summary.read_runs(tmp_path / "run" / "runs.csv")
    assert {(run["generator"], run["mode"]) for run in runs} == {("pace", "open")}
