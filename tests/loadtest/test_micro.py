"""micro/run, and what is made of the lines that the programs of micro/ print."""

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from waitbench import ROOT, Failure
from waitbench.bench import micro as running
from waitbench.judge import micro
from waitbench.show import markdown
from waitbench.show import micro as shown

RUN = ROOT / "micro/run"
ONE_CPU = ", one CPU"


def measured(repetition, metric, model, variant, value, unit="ns"):
    return micro.Measured(repetition, metric, model, variant, unit, value)


def claim(value, low=None, high=None, **fields):
    empty = dict.fromkeys(micro.PUBLISHED_COLUMNS, "")
    return micro.Claim(**(empty | {"value": value, "low": low, "high": high} | fields))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The output and the folder of a short run."""
    out = tmp_path_factory.mktemp("micro") / "out"
    done = subprocess.run(
        [RUN, "--quick", "--repeats", "2", "--seed", "7", "--out", out],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, out


def test_a_short_run_measures_everything(quick):
    printed, out = quick
    with (out / "micro.csv").open(newline="") as stream:
        assert next(csv.reader(stream)) == [
            *("metric", "model", "variant", "unit", "value", "low", "high", "published", "source")
        ]
    rows = micro.read(out)
    assert {row.metric for row in rows} == set(micro.METRICS)
    for row in rows:
        if row.low is not None:
            assert row.low <= row.value <= row.high, row
    assert "seed 7" in printed and "co_resume and co_suspend" in printed
    settings = json.loads((out / "environment.json").read_text())["settings"]
    assert settings == {"REPEATS": "2", "QUICK": "yes", "SEED": "7"}
    repetitions = (out / "micro-runs.csv").read_text().splitlines()
    assert repetitions[0] == "repetition,metric,model,variant,unit,value"
    assert {line.split(",")[0] for line in repetitions[1:]} == {"1", "2"}


def test_models_are_in_the_order_of_their_costs(quick):
    value = {row[1:3]: row.value for row in micro.read(quick[1]) if row.metric == micro.SWITCH}
    threads = [value["thread", kind + ONE_CPU] for kind in ("futex", "pipe", "condition variable")]
    switch = value["stackful coroutine", "co_switch" + ONE_CPU]
    assert value["call", "empty, through a pointer" + ONE_CPU] < switch
    assert 10 * switch < min(threads)


def test_every_claim_of_others_finds_its_row(quick):
    head, rows = shown.published([str(quick[1])])
    assert head == shown.PUBLISHED_HEAD
    assert len(rows) == sum(bool(claim.measured_metric) for claim in micro.read_claims()) > 20
    assert all(row[3].startswith(("agrees: ", "differs: ", "cannot tell: ")) for row in rows)


def test_documents_have_tables_of_it(quick):
    text = markdown.made("micro", [str(quick[1]), "metric=task_creation", "model=stackless_coroutine"])
    head, _, *rows = [line.strip("| ").split(" | ") for line in text.splitlines()]
    assert head == ["model", "variant", "one CPU", "not pinned"]
    assert [row[:2] for row in rows] == [["stackless coroutine", "frame from the heap"]]
    assert all(cell.split()[1] == "ns" for cell in rows[0][2:])
    head, rows = shown.task_memory([str(quick[1])])
    assert head[:3] == ["model", "state", "resident, bytes"] and len(head) == 7
    assert [row[:2] for row in rows if row[0] == "stackless coroutine"] == [
        ["stackless coroutine", "its frame"]
    ]
    assert len([row for row in rows if row[0] == "thread"]) == 4
    with pytest.raises(Failure, match="no row of"):
        markdown.made("micro", [str(quick[1]), "metric=nothing"])
    with pytest.raises(Failure, match="one folder"):
        markdown.made("published", [])


def test_a_folder_with_results_is_not_written_again(quick):
    done = subprocess.run([RUN, "--quick", "--out", quick[1]], capture_output=True, text=True)
    assert done.returncode == 2 and "has results already" in done.stderr


@pytest.mark.parametrize("words", [["--fast"], ["--repeats", "0"]])
def test_a_bad_argument_is_refused(words):
    done = subprocess.run([RUN, *words], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr


def test_a_program_refuses_a_bad_option():
    done = subprocess.run([running.folder_of_programs() / "call", "--pined"], capture_output=True, text=True)
    assert done.returncode == 2 and "there is no --pined" in done.stderr


def test_missing_programs_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("BUILD", str(tmp_path))
    with pytest.raises(Failure, match="make micro builds it"):
        next(running.run(running.Plan(1, True, 1)))


def within(seconds, found):
    """What `found` returns as soon as it is true, or the last it returned."""
    deadline = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return value


def test_an_interrupted_run_leaves_nothing(tmp_path):
    child = subprocess.Popen(
        [RUN, "--quick", "--out", tmp_path / "out"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
    folder = str(running.folder_of_programs())

    def programs():
        try:
            pids = children.read_text().split()
            return [pid for pid in pids if os.readlink(f"/proc/{pid}/exe").startswith(folder)]
        except FileNotFoundError:  # it has just ended
            return []

    started = within(20, programs)
    assert started
    child.send_signal(signal.SIGTERM)
    assert "interrupted" in child.communicate(timeout=30)[1] and child.returncode == 1
    assert not (tmp_path / "out").exists()
    assert within(5, lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))


def test_times_have_the_geometric_mean_and_bytes_the_arithmetic_one():
    assert micro.mean([1.0, 100.0], "ns")[0] == pytest.approx(10)
    assert micro.mean([1.0, 100.0], "bytes")[0] == pytest.approx(50.5)
    assert micro.mean([-1.0, 3.0], "ns")[0] == pytest.approx(1)
    # scipy: t.interval(0.95, 2, 2, sem([1, 2, 3]))
    assert micro.mean([1.0, 2.0, 3.0], "bytes") == pytest.approx((2, -0.484138, 4.484138), abs=1e-5)
    assert micro.mean([5.0], "ns") == (5, None, None)


def test_figures_are_derived_within_a_repetition():
    lines = []
    for repetition, scale in ((1, 1.0), (2, 10.0)):
        lines += [
            measured(
                repetition, micro.BRIGADE, "one thread alone", "the pipe's own part" + ONE_CPU, 2 * scale
            ),
            measured(repetition, micro.BRIGADE, "thread", "blocking read" + ONE_CPU, 5 * scale),
            measured(repetition, micro.STEP, "step machine", "no system call" + ONE_CPU, 2 * scale),
            measured(repetition, micro.STEP, "stackless coroutine", "no system call" + ONE_CPU, 3 * scale),
            measured(repetition, micro.SWITCH, "call", "empty, through a pointer" + ONE_CPU, 2 * scale),
            measured(repetition, micro.SWITCH, "stackful coroutine", "co_switch" + ONE_CPU, 5 * scale),
            measured(repetition, micro.SWITCH, "thread", "futex, not pinned", 500 * scale),
            measured(repetition, micro.SWITCH, "thread", "futex" + ONE_CPU, 100 * scale),
        ]
    found = {(one.repetition, one.metric, one.model, one.variant): one.value for one in micro.derived(lines)}
    assert len(found) == 8  # a thread that is not pinned has nothing of its placement to be held against
    assert found[1, micro.READINESS, "thread", "pipe brigade" + ONE_CPU] == 3
    assert found[2, micro.READINESS, "thread", "pipe brigade" + ONE_CPU] == 30
    assert found[2, micro.AWAIT, "stackless coroutine", "no system call" + ONE_CPU] == 1.5
    assert found[1, micro.RATIO, "coroutine over call", "co_switch over an empty call" + ONE_CPU] == 2.5
    assert found[1, micro.RATIO, "thread over coroutine", "futex over co_switch" + ONE_CPU] == 20


def test_what_others_have_found_stands_beside_it(tmp_path):
    place = {
        "measured_metric": "task creation",
        "measured_model": "thread",
        "measured_variant": "new",
    }
    claims = [claim(17000.0, source="A 2018", **place), claim(9000.0, source="B", **place), claim(1.0)]
    lines = [measured(i, "task creation", "thread", "new", 10000.0 + i) for i in (1, 2)]
    (row,) = micro.write(tmp_path, lines, claims)
    assert (row.published, row.source) == ("17000; 9000", "A 2018; B")
    assert micro.read(tmp_path)[0].value == pytest.approx(row.value, rel=1e-5)


@pytest.mark.parametrize(
    "value, low, high, word",
    [
        (100.0, None, None, "agrees"),
        (51.0, None, None, "agrees"),
        (199.0, None, None, "agrees"),
        (40.0, 30.0, 105.0, "agrees"),
        (40.0, 30.0, 95.0, "cannot tell"),
        (40.0, None, None, "differs"),
        (250.0, None, None, "differs"),
        (1000.0, 105.0, 2000.0, "cannot tell"),
        (1000.0, 115.0, 2000.0, "differs"),
    ],
)
def test_agreement(value, low, high, word):
    row = micro.Row("m", "thread", "v", "ns", 100.0, 90.0, 110.0)
    assert micro.agreement(claim(value, low, high), row) == (word, 100 / value)


@pytest.mark.parametrize(
    "line",
    ["context switch,thread,futex,ns", "context switch,thread,futex,ns,nan", "a switch,thread,futex,ns,1"],
)
def test_a_program_that_prints_something_else_is_found_out(line):
    with pytest.raises(Failure, match="is not metric,model"):
        micro.parsed(line, 1)


def test_an_edited_file_is_refused(tmp_path):
    Path(tmp_path / "micro.csv").write_text(",".join(micro.COLUMNS) + "\nm,t,v,ns,fast,,,,\n")
    with pytest.raises(Failure, match='line 2: value "fast" is not a number'):
        micro.read(tmp_path)
