"""loadtest/yardstick: ratios to pgbench and nginx, and the file that keeps the figures."""

import pytest
from waitbench import Failure
from waitbench.judge import yardstick
from waitbench.judge.yardstick import Figure
from waitbench.show import run_tables
from waitbench.show import yardstick as shown

FIGURES = [
    figure
    for block, speed in enumerate((1.0, 0.8, 1.1), 1)
    for figure in (
        Figure(block, 16, "pgbench", 1, 0, 10000 * speed, 50),
        Figure(block, 16, "pgbench pipelined", 20, 0, 1500 * speed, 300),
        Figure(block, 64, "nginx", 0, 1024, 50000 * speed, 20),
        Figure(block, 64, "quick", 0, 1024, 40000 * speed, 25),
        Figure(block, 64, "quick", 20, 1024, 450 * speed, 900),
        Figure(block, 512, "nginx", 0, 1024, 60000 * speed, 10),
        Figure(block, 64, "nginx", 0, 1048576, 500 * speed, 2000),
        Figure(block, 64, "quick", 0, 1048576, 750 * speed, 3000),
        Figure(block, 512, "quick", 0, 1024, 40000 * speed, 25),
    )
]


def entry(c, what, n, m=1024):
    (found,) = [e for e in yardstick.entries(FIGURES) if (e.c, e.server, e.n, e.m) == (c, what, n, m)]
    return found


def test_ratios_are_paired_in_blocks():
    """A machine that is slower in one block is so for all: the ratio does not move."""
    assert entry(64, "quick", 20).rate.ratio == pytest.approx(0.9)
    assert entry(16, "pgbench pipelined", 20, 0).rate.ratio == pytest.approx(3)
    assert entry(64, "quick", 20).rate.interval(8) == pytest.approx((0.9, 0.9))
    assert entry(64, "quick", 20).cpu is None and entry(64, "nginx", 0).cpu is None
    assert entry(16, "pgbench", 1, 0).rate is None and entry(64, "nginx", 0).rate is None


def test_nginx_is_that_of_the_same_c_and_m():
    assert entry(64, "quick", 0).cpu.ratio == pytest.approx(1.25)
    assert entry(512, "quick", 0).cpu.ratio == pytest.approx(2.5)
    assert entry(512, "quick", 0).rate.ratio == pytest.approx(2 / 3)
    assert entry(64, "quick", 0, 1048576).rate.ratio == pytest.approx(1.5)


def test_intervals_hold_jointly():
    assert {e.size for f in yardstick.entries(FIGURES) for e in (f.rate, f.cpu) if e} == {8}


def test_written_and_read(tmp_path):
    yardstick.write(tmp_path / "yardstick.csv", FIGURES)
    assert [f.server for f in yardstick.read(tmp_path / "yardstick.csv")] == [f.server for f in FIGURES]
    made = run_tables.yardstick(run_tables.Table({"": tmp_path}, {"c": ["512"]}))
    assert "| 512 | 0 | 1024 | quick | 40,000 | 0.67 [0.67, 0.67] | 25.0 | 2.50 [2.50, 2.50] |" in made
    assert "pgbench" in made and "| 64 |" not in made
    assert "0.90 [0.90, 0.90]" in shown.text(FIGURES)


def test_a_line_that_is_none_is_named(tmp_path):
    path = tmp_path / "yardstick.csv"
    path.write_text(",".join(Figure._fields) + "\n1,64,nginx,0,1024,50000,many\n")
    with pytest.raises(Failure, match="yardstick.csv, line 2"):
        yardstick.read(path)
