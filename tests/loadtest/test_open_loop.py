"""MODE=open: the rates before the first block, the searches among the blocks, and an experiment that is continued."""

import itertools
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import test_run
from waitbench.base import results
from waitbench.bench import measure, open_loop
from waitbench.judge import capacity, histogram, load, rates
from waitbench.bench import capacity as capacity_search
from waitbench.observe import load_result
from waitbench.plan import settings

BUILD = Path(os.environ.get("BUILD", test_run.HERE.parents[1] / "build")).resolve()
SERVERS = ["threaded", "libuv"]
stub = test_run.stub
FLAGS = [
    *(
        "--servers",
        " ".join(SERVERS),
        "--mode",
        "open",
        "--n",
        "0 1",
        "--c",
        "16",
        "--load",
        "50 90",
        "--seed",
        "5",
    ),
    *("--duration", "3", "--retries", "2"),
]


class Bench:
    """What open_loop needs of one."""

    def __init__(self):
        self.references = {}


def chosen(*more):
    return settings.load(FLAGS + list(more), {})


def loop(path, *more):
    return open_loop.OpenLoop(results.Folder(path), chosen(*more))


@pytest.fixture
def closed_runs(monkeypatch):
    """measure.run without a server: (server, n) of each run; a run of libuv at n=1 fails as often as is said."""
    made, fails = [], {"times": 0}
    speeds = itertools.count(1000, 10)

    def run(bench, spec, point):
        made.append((spec.name, point.n))
        assert point.load is None
        if (spec.name, point.n) == ("libuv", 1) and fails["times"]:
            fails["times"] -= 1
            return measure.Run({}, {"load_s": 1.0}, ["errors: 1 reset"])
        return measure.Run({"rps": float(next(speeds)), "flags": ""}, {"load_s": 1.0}, [])

    monkeypatch.setattr(measure, "run", run)
    return made, fails


def rated(path, say=print):
    bench, own = Bench(), loop(path)
    return own, bench, list(own.measure_rates(bench, say))


def test_two_closed_loop_runs_of_each_server_in_random_order(tmp_path, closed_runs):
    own, bench, found = rated(tmp_path)
    made, _ = closed_runs
    assert sorted(made) == sorted([(server, n) for server in SERVERS for n in (0, 1)] * 2)
    assert made != sorted(made, key=lambda run: (run[1], SERVERS.index(run[0])))
    assert [lost for _, _, lost in found] == [None] * 8
    rows = own.of_rates.rows()
    for point, reference in bench.references.items():
        best = [
            max(float(r["rps"]) for r in rows if (r["server"], r["n"]) == (s, str(point.n))) for s in SERVERS
        ]
        assert reference == min(best), "the best of each server, and of these the slowest"


def test_a_continued_experiment_keeps_its_rates(tmp_path, closed_runs):
    _, first, _ = rated(tmp_path)
    made, _ = closed_runs
    made.clear()
    table = results.Table(tmp_path / "rates.csv", results.RATES)
    lost = table.remove(lambda row: (row["server"], row["n"], row["try"]) == ("libuv", "1", "2"))
    _, second, _ = rated(tmp_path)
    assert len(lost) == 1 and made == [("libuv", 1)]
    again = {point.n: rps for point, rps in second.references.items()}
    assert again[0] == {point.n: rps for point, rps in first.references.items()}[0]
    made.clear()
    assert rated(tmp_path)[1].references == second.references and made == []


def test_a_closed_loop_run_that_is_unsound_is_tried_again(tmp_path, closed_runs):
    said = []
    closed_runs[1]["times"] = 2
    _, bench, found = rated(tmp_path, said.append)
    assert len(bench.references) == 2 and len(found) == 10
    assert len(said) == 2 and "closed loop of libuv at n=1 m=1024 c=16: unsound: errors: 1 reset" in said[0]


def test_a_configuration_without_a_rate_is_given_up(tmp_path, closed_runs):
    closed_runs[1]["times"] = 99
    _, bench, found = rated(tmp_path)
    assert [point.n for point in bench.references] == [0]
    assert {(point.n, why) for _, point, why in found if why} == {(1, "errors: 1 reset")}


def test_the_rates_are_the_same_for_all_servers(tmp_path):
    known = rates.Rates()
    point = chosen().points[0].configuration
    for server, tries in {"threaded": (900, 1000), "libuv": (1300, 1200)}.items():
        for number, rps in enumerate(tries, 1):
            known.add(rates.Run(point, server, number), rps)
    assert known.reference(point) == known.reference(point._replace(load=50)) == 1000
    assert known.closed(point, "libuv") == 1300


def test_searches_are_blocks_of_their_own(tmp_path):
    own = loop(tmp_path)
    assert [(point.n, point.load) for point in own.searches()] == [(0, None), (1, None)]
    assert loop(tmp_path / "b", "--slo", "0").searches() == []


def test_the_rows_of_a_search(tmp_path, monkeypatch, closed_runs):
    own, bench, _ = rated(tmp_path)
    point, spec = own.searches()[0], own.chosen.servers[1]

    def run(bench, spec, point, search):
        while search.rate is not None:
            search.take(
                capacity.Step(search.rate, search.rate, 1000.0, "" if search.rate < 900 else "p99 20 ms")
            )
        return measure.Run({}, {"load_s": 1.0}, [])

    monkeypatch.setattr(capacity_search, "run", run)
    block = open_loop.matrix.Block(7, point, (spec,))
    found = own.search(bench, spec, block)
    found.row |= {"block": 7, "order": 2, "server": spec.name}
    said = own.keep(found)
    (row,), steps = own.rows(), own.steps.rows()
    assert (row["block"], row["order"], row["server"], row["n"], row["slo_ms"]) == (
        "7",
        "2",
        "libuv",
        "0",
        "10",
    )
    assert float(row["capacity_rps"]) < 900 < float(row["capacity_rps"]) * 1.05 and row["bound"] == ""
    assert [step["step"] for step in steps] == [str(n + 1) for n in range(int(row["steps"]))]
    assert {(step["met"], step["note"]) for step in steps} == {("yes", ""), ("no", "p99 20 ms")}
    assert max(float(step["offered_rps"]) for step in steps if step["met"] == "yes") == float(
        row["capacity_rps"]
    )
    assert said.startswith("a capacity of 8")
    own.discard(7)
    assert own.rows() == own.steps.rows() == []


def paced(**more):
    usual = dict(
        mode="open", rate=1000.0, due=3000, waited=0, queue_most=0, unfinished=0, late=0, cpu_share=0.1, connect_s=0.01,
        warmup_s=0.5, all_requests=3500, all_sent=3500, all_connections=16, all_bytes=1, service=[], series=[], unsound=[],
        first_error="", idle=0, idle_closed=0,
    )  # fmt: skip
    return load_result.Paced(**(usual | more))


def test_a_step_is_read_off_what_pace_counted():
    samples = [(2000, 2980), (9000, 20)]
    result = load_result.Result(3000, 3_000_000, 1, {"reset": 0}, samples, paced=paced())
    step = capacity_search.judged(1000, 10, load.Load([load.Part("", None, 16, 1, result, 0.0)]))
    assert step.met and step.p99_us == histogram.percentile(*histogram.spectrum(samples), 0.99) == 2000
    assert step.achieved == 1000
    result = load_result.Result(
        3000, 3_000_000, 1, {"reset": 1}, samples, paced=paced(unfinished=2, unsound=["errors: 1"])
    )
    step = capacity_search.judged(1000, 10, load.Load([load.Part("", None, 16, 1, result, 0.0)]))
    assert step.why == "errors: 1 reset; 2 of 3000 arrivals had no response" and not step.generator


@pytest.mark.skipif(not (BUILD / "pace").exists(), reason="pace is not built")
def test_a_real_one_that_is_interrupted_and_continued(stub, tmp_path):
    folder = tmp_path / "r"
    words = test_run.arguments(
        folder, f"threaded={stub()}", mode="open", load="50", slo="100", c="4", duration="0.5", warmup="0.1", repeats="1", retries="1"
    ) + ["--build", str(BUILD)]  # fmt: skip
    child = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=test_run.clean())
    deadline = time.monotonic() + 30
    while (
        time.monotonic() < deadline
        and not (folder / "rates.csv").exists()
        or not test_run.rows(folder, "rates.csv")
    ):
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=30)[1]
    assert child.returncode == 130, said
    before = test_run.rows(folder, "rates.csv")
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, env=test_run.clean())
    # On a machine that is busy pace may be late in the run, which is given up then; the search is not.
    assert done.returncode == 0 or done.returncode == 3 and "late" in done.stderr, done.stderr
    after = test_run.rows(folder, "rates.csv")
    assert after[: len(before)] == before and len(after) == 2
    (found,), steps = test_run.rows(folder, "capacity.csv"), test_run.rows(folder, "capacity_steps.csv")
    closed = max(float(row["rps"]) for row in after)
    assert len(steps) == int(found["steps"]) >= 3 and found["bound"] in ("", "generator", "ceiling")
    assert 0.57 * closed < float(steps[0]["offered_rps"]) < 0.63 * closed
    met = [float(step["offered_rps"]) for step in steps if step["met"] == "yes"]
    assert found["capacity_rps"] == (f"{max(met):g}" if met else "")
    for row in test_run.rows(folder):
        assert row["mode"] == "open" and float(row["offered_rps"]) == pytest.approx(closed / 2, rel=0.25)
    if done.returncode == 0:
        assert "Capacity, the highest rate with a p99 of at most 100 ms" in done.stdout
    facts = json.loads((folder / "environment.json").read_text())
    assert facts["settings"]["MODE"] == "open"
