"""The self-test's own arithmetic, on made-up runs: it must be able to fail."""

import math
import random
import subprocess
from pathlib import Path

import pytest
import synthetic
from waitbench.judge import stats, summary
from waitbench.bench import selftest

COMMAND = Path(__file__).resolve().parents[2] / "loadtest" / "selftest"
POINTS = [{"n": 1}, {"n": 20}]
RPS, CPU, P99 = summary.MEASURES


def twins(tmp_path, speeds, **kwargs):
    folder = synthetic.write(tmp_path / "run", synthetic.runs(POINTS, speeds, **kwargs))
    return selftest.twins(summary.read_runs(folder / "runs.csv"))


def test_twins_are_paired_by_server_point_and_block(tmp_path):
    rows = synthetic.runs(POINTS, {"libuv-a": 1000, "libuv-b": 1000, "coro-a": 900, "coro-b": 900}, blocks=3)
    del rows[0]
    found = selftest.twins(summary.read_runs(synthetic.write(tmp_path, rows) / "runs.csv"))
    assert {server for server, _ in found} == {"libuv", "coro"} and len(found) == 4
    assert sorted(len(blocks) for blocks in found.values()) == [2, 3, 3, 3], "half a block is no pair"
    assert all(
        [run["server"][-1] for run in pair] == ["a", "b"]
        for blocks in found.values()
        for pair in blocks.values()
    )


def test_a_server_against_itself_passes(tmp_path):
    found = twins(tmp_path, {"libuv-a": 1000, "libuv-b": 1000})
    for measure in summary.MEASURES:
        false, pairs = selftest.false_differences(found, measure, random.Random(1))
        assert pairs == selftest.PAIRS and false <= selftest.FALSE_MOST * pairs


def test_the_noise_of_a_run(tmp_path):
    found = twins(tmp_path, {"libuv-a": 1000, "libuv-b": 1000}, noise=0.02, blocks=200)
    assert selftest.noise(found, RPS) == pytest.approx(0.02, abs=0.002)
    assert math.isnan(selftest.noise({}, RPS))


def test_names_that_matter_are_seen_as_they_ran(tmp_path):
    # Relabelling hides an effect of the name itself, such as of running first: the check as run finds that one.
    found = twins(tmp_path, {"libuv-a": 1000, "libuv-b": 950})
    assert all(selftest.as_run(blocks, RPS).p < selftest.AS_RUN_ALPHA for blocks in found.values())


def test_statistics_that_lie_are_found_out(tmp_path, monkeypatch):
    # An interval of half the length it should have, as a forgotten square root would give.
    honest = stats.Estimate.interval
    monkeypatch.setattr(
        stats.Estimate, "interval", lambda self, size=1: [math.sqrt(end * self.ratio) for end in honest(self)]
    )
    found = twins(tmp_path, {"libuv-a": 1000, "libuv-b": 1000})
    false, pairs = selftest.false_differences(found, RPS, random.Random(1))
    assert false > selftest.FALSE_MOST * pairs


def test_latencies_are_left_out_where_wrk_was_the_bottleneck(tmp_path):
    found = twins(tmp_path, {"libuv-a": 1000, "libuv-b": 1000}, flags=lambda server, point: "generator-bound")
    assert selftest.false_differences(found, P99, random.Random(1)) == (0, 0)
    assert selftest.false_differences(found, RPS, random.Random(1))[1] >= selftest.PAIRS


@pytest.mark.parametrize(
    "speed,noise,holds",
    [(1000 / 1.05, 0.01, True), (1000, 0.01, False), (1050, 0.01, False), (950, 0.3, False)],
)
def test_the_extra_work(tmp_path, speed, noise, holds):
    rows = synthetic.runs([{"n": 20}], {"threaded": 1000, "more": speed}, noise=noise)
    (entry,) = summary.load(synthetic.write(tmp_path, rows)).at("more")
    found, sentence = selftest.effect_found(entry)
    assert found == holds and "minimum detectable effect" in sentence


@pytest.mark.parametrize("size,noise", [(selftest.FULL, 0.03), (selftest.FULL, 0.07), (selftest.QUICK, 0.02)])
def test_the_extra_work_is_found_with_the_blocks_that_the_self_test_has(size, noise):
    found, blocks = 0, selftest.effect_blocks(size.effect_blocks, noise)
    for seed in range(100):
        rows = synthetic.runs([{"n": 20}], {"threaded": 1050, "more": 1000}, blocks, noise, seed=seed)
        for row in rows:
            row[summary.CPU] = row["cpu_user_us_per_req"] + row["cpu_sys_us_per_req"]
        (entry,) = summary.summarise(rows, synthetic.ENVIRONMENT).at("more")
        found += selftest.effect_found(entry)[0]
    assert found >= 99


@pytest.mark.parametrize("spread,blocks", [(math.nan, 24), (0.01, 24), (0.071, 78), (0.5, 120)])
def test_noisier_runs_take_more_blocks(spread, blocks):
    assert selftest.effect_blocks(24, spread) == blocks


def test_usage():
    assert subprocess.run([COMMAND, "--nonsense"], capture_output=True, timeout=60).returncode == 2
    done = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "5% of" in done.stdout
