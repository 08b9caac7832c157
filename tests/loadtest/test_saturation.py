"""loadtest/saturation: the knee that is found is the one of a made-up server, and what cannot be is one sentence."""

import subprocess
import types

import pytest

from waitbench import ROOT, Failure
from waitbench.base import results
from waitbench.bench import cpu_groups, saturation as bench
from waitbench.judge import saturation
from waitbench.plan import settings
from waitbench.show import saturation as shown

CPU_US = {"threaded": 40.0, "libuv": 20.0}
PLAN = bench.Plan(waits=[1, 20], t=500, connections=[100, 10000], most=19000, blocks=3, seconds=1)


def ideal(spec, point):
    """A server of one CPU: each request waits t and computes for CPU_US, and nothing else takes time."""
    cpu, wait = CPU_US[spec.name], point.t * 1000.0
    per_s = min(point.c / (wait + cpu), 1 / cpu) * 1e6
    row = {"rps": per_s, "cpu_user_us_per_req": cpu / 2, "cpu_sys_us_per_req": cpu / 2, "flags": ""}
    row |= {"mean_us": point.c / per_s * 1e6, "p99_us": 2 * point.c / per_s * 1e6}
    row |= {"rss_kib": 10.0, "kernel_kib": 20.0, "threads": 3}
    return types.SimpleNamespace(row=row, reasons=[])


@pytest.fixture(scope="module")
def figures():
    chosen = settings.load(["--servers", "threaded libuv", "--syscalls", "none"], {})
    said = []
    runner = bench.Runner(chosen, None, cpu_groups.NONE, [0, 1], PLAN, said.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.measure, "run", lambda _, spec, point: ideal(spec, point))
        found = list(runner.run())
    assert any("the knee of libuv at t=20" in words for words in said)
    return found


def test_the_knee_of_an_ideal_server_is_where_the_formula_says(figures):
    found = {(knee.server, knee.t): knee for knee in saturation.knees(figures)}
    assert len(found) == 4
    for (server, t), knee in found.items():
        assert knee.cpu_us.ratio == pytest.approx(CPU_US[server])
        assert knee.wait_us.ratio == pytest.approx(t * 1000, rel=0.02)
        assert knee.predicted.ratio == pytest.approx(1 + t * 1000 / CPU_US[server], rel=0.02)
        assert knee.measured.ratio == pytest.approx(0.95 * knee.predicted.ratio, rel=0.08)
        assert knee.best_per_s.ratio == pytest.approx(1e6 / CPU_US[server])


def test_every_block_has_the_same_connections(figures):
    blocks = {
        block: sorted((f.part, f.server, f.t, f.c) for f in figures if f.block == block)
        for block in (1, 2, 3)
    }
    assert blocks[1] == blocks[2] == blocks[3]
    assert max(f.c for f in figures) <= PLAN.most


def test_waiting_requests_are_held_against_the_baseline(figures):
    lines = {(line.server, line.c): line for line in saturation.waiting(figures, "threaded")}
    assert sorted(lines) == [("libuv", 100), ("libuv", 10000), ("threaded", 100), ("threaded", 10000)]
    first, other = "threaded", "libuv"
    assert lines[first, 100].rate is None
    assert lines[other, 100].rate.ratio == pytest.approx(1, rel=0.01)
    assert lines[other, 100].cpu.ratio == pytest.approx(CPU_US[other] / CPU_US[first])


def run(c, per_s):
    return saturation.Figure(1, saturation.KNEE, "a", 1, c, per_s, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, "")


def test_between_two_measured_points_the_knee_is_interpolated():
    assert saturation.knee([run(100, 900), run(10, 500), run(1000, 1000)]) == pytest.approx(
        (550 * 105.56) ** 0.5, rel=1e-3
    )
    assert saturation.knee([run(100, 1000), run(10, 999)]) == 10


def write(path, figures):
    table = results.Table(path, saturation.Figure._fields)
    for figure in figures:
        table.append(figure._asdict())


def test_a_table_is_what_was_written(figures, tmp_path):
    write(tmp_path / saturation.FILE, figures)
    again = saturation.read(tmp_path / saturation.FILE)
    assert [f[:5] for f in again] == [f[:5] for f in figures]
    for table, rows in (("knee", 4), ("waiting", 4)):
        head, lines = shown.cells([str(tmp_path), f"table={table}"])
        assert len(lines) == rows and all(len(line) == len(head) for line in lines)
    assert "1 + T_io / T_cpu" in shown.text(figures)


@pytest.mark.parametrize(
    "change, words",
    [(("knee", "knees"), "part is knee or waiting"), ((",40,", ",x,"), "line 2|could not convert")],
)
def test_an_edited_table_is_one_sentence(figures, tmp_path, change, words):
    path = tmp_path / saturation.FILE
    write(path, sorted(figures, key=lambda f: (f.part, f.server != "threaded")))
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(Failure, match=words):
        saturation.read(path)


@pytest.mark.parametrize("words", [["results/one"], ["table=knee"], ["results/one", "table=other"]])
def test_a_table_that_is_not_there_is_one_sentence(words):
    with pytest.raises(Failure, match="names one folder"):
        shown.cells(words)


@pytest.mark.parametrize("words", ["--bogus", "--waits x", "--blocks 1", "--out ."])
def test_usage(words):
    done = subprocess.run(
        f"{ROOT}/loadtest/saturation {words}", shell=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 2 and done.stderr.strip() and "Traceback" not in done.stderr


def test_what_stays_unsound_is_left_out_and_named(monkeypatch):
    def run(_, spec, point):
        made = ideal(spec, point)
        made.reasons = ["too few connections"] if (spec.name, point.c) == ("libuv", 10000) else []
        return made

    monkeypatch.setattr(bench.measure, "run", run)
    chosen = settings.load(["--servers", "threaded libuv", "--syscalls", "none"], {})
    plan = PLAN._replace(waits=[])
    runner = bench.Runner(chosen, None, cpu_groups.NONE, [0, 1], plan, lambda words: None)
    lines = {(line.server, line.c) for line in saturation.waiting(list(runner.run()), "threaded")}
    assert lines == {("libuv", 100), ("threaded", 100), ("threaded", 10000)}
    assert len(runner.unsound) == PLAN.blocks and "too few connections" in runner.unsound[0]
