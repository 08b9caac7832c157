"""Figures over time: series.csv, and runs that were not steady. Its pictures: test_pictures_seconds.py."""

import os
import types

import numpy
import pytest
import synthetic
import test_results
import test_run
from waitbench import Failure
from waitbench.base import results
from waitbench.bench import experiment, watch
from waitbench.judge import series
from waitbench.plan import matrix, settings
from waitbench.show import findings, report, warnings

stub = test_run.stub

POINTS = [{"n": n, "c": c} for n in (0, 1) for c in (16, 64)]
SPEEDS = {"threaded": 10000, "libuv": 13000}


# What is known of the seconds


def test_a_count_that_grows_evenly_is_divided_among_the_seconds():
    late = [(10.0, 0), (11.2, 120), (12.5, 250), (13.0, 300)]  # 100 a second, and no sample when it was due
    assert series.per_second(late, 10.0, 3) == [100, 100, 100]


def test_no_request_is_lost_or_counted_twice():
    random = numpy.random.default_rng(3)
    times = numpy.cumsum(random.uniform(0.01, 1.5, 40))
    counts = numpy.cumsum(random.integers(0, 1000, 40))
    samples = [(0.0, 0), *zip(times.tolist(), counts.tolist())]
    seconds = int(times[-1])
    found = series.per_second(samples, 0.0, seconds)
    assert len(found) == seconds and min(found) >= 0
    assert sum(found) == round(numpy.interp(seconds, [0, *times], [0, *counts]))


def test_a_second_whose_end_is_not_known_is_left_out():
    assert series.per_second([(0.0, 0), (2.9, 290)], 0.0, 3) == [100, 100]
    assert series.per_second([(0.0, 0), (0.9, 90)], 0.0, 0) == []


class Clock:
    """A server that makes 1000 responses a second and is stopped from 2.3 s to 3.5 s; time passes only here."""

    def __init__(self):
        self.now, self.asked, self.spec = 50.0, 0, None

    def stats(self):
        self.asked += 1
        elapsed = self.now - 50
        if 2.3 < elapsed < 3.5:
            self.now, elapsed = 53.5, 3.5
        done = min(elapsed, 2.3) + max(0, elapsed - 3.5)
        return {"requests": round(1000 * done) + self.asked - 1}

    def checkpoints(self):
        return int(self.now >= 51.7)


def test_what_a_server_says_that_is_stopped_for_a_while(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(watch.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(watch.sampling, "memory", lambda: None)
    point = matrix.Point("none", 0, 64, 0, 0, 8)
    watcher = watch.Watcher(clock, point, 5, 1, db=clock)
    watcher._sample_waiting = lambda: None
    watcher.first = types.SimpleNamespace(stats=clock.stats(), asked=1)
    while clock.now < 55:
        again = watcher(clock.now - 50)
        clock.now += again if again else 0.001
    watcher(clock.now - 50)
    watched = watcher.watched
    assert len(watched.requests) <= 8 and len(watched.checkpoints) <= 8, "it is asked once a second"
    # The stop lies between the samples of 2.0 and of 3.5, which had been due at 3.0.
    assert series.per_second(watched.requests, 50.0, 5) == [1000, 1000, 200, 600, 1000]
    assert series.steps(watched.checkpoints, 50.0, 5) == [0, 1, 0, 0, 0]


def test_a_checkpoint_counts_for_one_second():
    samples = [(5.0, 7), (6.001, 7), (7.001, 8), (8.001, 8), (8.4, 10), (9.001, 10)]
    assert series.steps(samples, 5.0, 6) == [0, 1, 0, 2, None, None]
    assert series.steps([], 5.0, 2) == [None, None]
    shifted = [(4.2, 1), (5.2, 2), (6.2, 2)]  # a window that begins between two samples
    assert series.steps(shifted, 5.0, 2) == [1, None]


def test_several_generators():
    one = {"due": 10, "requests": 9, "p50_us": 100, "p99_us": 400, "max_us": 500}
    other = {"due": 5, "requests": 5, "p50_us": 200, "p99_us": 300, "max_us": 900}
    silent = {"due": 0, "requests": 0, "p50_us": None, "p99_us": None, "max_us": None}
    found = series.together([[one, silent, one], [other, silent]], 3)
    assert [second.second for second in found] == [0, 1]
    assert found[0] == series.Second(0, 14, 200, 400, 900, 15)
    assert found[1].requests == 0 and found[1].p99_us is None


# Steady or not


def run_of(rates, checkpoints=()):
    return [
        series.Second(second, rate, checkpoints=int(second in checkpoints))
        for second, rate in enumerate(rates)
    ]


def test_a_stall_and_a_drift():
    steady = [10000] * 10
    assert series.trouble(run_of(steady), 16) is None
    stalled = steady[:4] + [1200, 4900] + steady[6:]
    assert series.trouble(run_of(stalled), 16) == (
        "second 4 had 12% of the run's median throughput, and 1 more below half"
    )
    assert "and a checkpoint of the database" in series.trouble(run_of(stalled, [4]), 16)
    drifted = [10000] * 5 + [7900] * 5
    assert series.trouble(run_of(drifted), 16) == "its second half was 21% slower than its first"
    assert series.trouble(run_of([10000] * 5 + [8100] * 5), 16) is None
    assert series.trouble(run_of(drifted[::-1]), 16) is None, "a run that becomes faster was warming up"


@pytest.mark.parametrize(
    "rates, connections, why",
    [
        ([100] + [10000] * 8 + [100], 16, "the first second has the connecting phase, the last one the end"),
        ([10000, 10000, 10, 10000], 16, "two seconds have no median to speak of"),
        ([60, 60, 60, 20, 60, 60], 1, "so few vary by chance"),
        ([2000, 2000, 0, 2000, 4000, 2000, 2000], 1000, "all connections respond at once, twice a second"),
        ([], 16, "there is no series"),
    ],
)
def test_what_is_no_stall(rates, connections, why):
    assert series.trouble(run_of(rates), connections) is None, why


@pytest.mark.parametrize("rate", [100, 300, 500, 5000])
def test_chance_alone_raises_no_alarm(rate):
    """Arrivals of an open loop are as random as can be."""
    random = numpy.random.default_rng(rate)
    for length in (5, 6, 10):
        runs = random.poisson(rate, (1000, length)).tolist()
        assert [rates for rates in runs if series.trouble(run_of(rates), 16)] == []


# In the folder


class Run:
    def __init__(self, block, server):
        self.row = test_results.row(block=block, order=1, server=server)
        self.detail = {name: self.row[name] for name in results.KEY}
        self.series = [second._asdict() for second in run_of([10, 20])]
        self.histogram = []


def test_the_rows_of_a_block_go_with_it(tmp_path):
    folder = results.Folder(tmp_path / "r")
    for block, server in ((1, "a"), (1, "b"), (2, "a")):
        folder.keep(Run(block, server))
    folder.discard(1, 1, "steal: 9%")
    assert series.load(folder.path) == {(2, "a"): run_of([10, 20])}
    assert results.Folder(folder.path).series.rows() == folder.series.rows(), "it is continued"


def test_results_without_a_series_and_with_a_broken_one(tmp_path):
    rows = synthetic.runs(POINTS, SPEEDS, blocks=2)
    folder = synthetic.write(tmp_path / "old", rows)
    assert series.load(folder) == {}
    assert "Over time" not in report.write(folder).read_text()
    assert "steady" not in findings.text(folder)
    synthetic.write_seconds(folder, synthetic.seconds(rows) + [{"block": 1, "order": 1, "server": "a"}])
    with pytest.raises(Failure, match=r"series.csv, line \d+: second"):
        report.write(folder)


# What a person reads


def stall(row, rates):
    if (row["block"], row["server"]) in ((3, "libuv"), (4, "threaded")):
        rates[5] *= 0.1


def made(tmp_path, points=POINTS, blocks=2, **more):
    rows = synthetic.runs(points, SPEEDS, blocks=blocks)
    folder = synthetic.write(tmp_path / "run", rows)
    return synthetic.write_seconds(folder, synthetic.seconds(rows, **more))


def test_the_findings_name_the_runs_and_count_them(tmp_path):
    said = " ".join(findings.text(made(tmp_path, changed=stall)).split())
    assert "- 2 of 16 runs were not steady: libuv in block 3 (n=1 c=16): second 5 had 10% of" in said
    assert "threaded in block 4 (n=1 c=64)" in said
    every = " ".join(findings.text(made(tmp_path, changed=lambda row, rates: rates[4:5].fill(1))).split())
    assert "16 of 16 runs were not steady" in every and every.count("in block") == warnings.NAMED
    assert "; ..." in every
    assert "steady" not in findings.text(made(tmp_path))


# A run


def measured(folder, url, **more):
    """(row of runs.csv, its seconds) of one run, in this process: to start another takes longer than to measure."""
    given = {
        "targets": f"a={url}",
        "n": 0,
        "c": 8,
        "repeats": 1,
        "warmup": 0,
        "syscalls": "none",
        "steal-max": 1,
    }
    words = [str(word) for name, value in (given | more).items() for word in (f"--{name}", value)]
    experiment.run(settings.load([*words, "--out", str(folder)], environ={}))
    (row,) = test_run.rows(folder)
    return row, series.load(folder)[1, "a"]


@pytest.mark.skipif(not test_run.shutil.which("wrk"), reason="wrk is not installed")
def test_a_run_of_wrk(stub, tmp_path):
    row, seconds = measured(tmp_path / "r", stub(), duration=2)
    whole = int(float(row["duration_s"]))  # 2, unless the machine is very busy
    assert [second.second for second in seconds] == list(range(whole))
    total = sum(second.requests for second in seconds)
    assert 0.4 * int(row["requests"]) < total <= int(row["requests"]) + int(row["c"])
    assert all(second.p99_us is None and second.checkpoints is None for second in seconds)


PACE = test_run.HERE.parents[1] / os.environ.get("BUILD", "build") / "pace"


@pytest.mark.skipif(not PACE.exists(), reason=f"{PACE} is not built")
def test_a_run_of_pace_has_latencies_by_the_second(stub, tmp_path):
    row, (second,) = measured(
        tmp_path / "r", stub(), build=PACE.parent, generator="pace", duration=1.2, warmup=0.1
    )
    assert 0.3 * int(row["requests"]) < second.requests < int(row["requests"])
    assert abs(second.due - second.requests) <= int(row["c"]), "closed: the next is sent when one is there"
    assert 0 < second.p50_us <= second.p99_us <= second.max_us <= float(row["max_us"])
