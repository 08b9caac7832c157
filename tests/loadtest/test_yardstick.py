"""loadtest/yardstick: ratios to pgbench and nginx, and the file that keeps the figures."""

import pytest
from waitbench import Failure
from waitbench.judge import yardstick
from waitbench.judge.yardstick import Figure
from waitbench.show import markdown
from waitbench.show import yardstick as shown

FIGURES = [
    figure
    for block, speed in enumerate((1.0, 0.8, 1.1), 1)
    for figure in (
        Figure(block, 16, "pgbench", 1, 10000 * speed, 50),
        Figure(block, 16, "pgbench pipelined", 20, 1500 * speed, 300),
        Figure(block, 64, "nginx", 0, 50000 * speed, 20),
        Figure(block, 64, "quick", 0, 40000 * speed, 25),
        Figure(block, 64, "quick", 20, 450 * speed, 900),
        Figure(block, 512, "nginx", 0, 60000 * speed, 10),
        Figure(block, 512, "quick", 0, 40000 * speed, 25),
    )
]


def entry(c, what, n):
    (found,) = [e for e in yardstick.entries(FIGURES) if (e.c, e.server, e.n) == (c, what, n)]
    return found


def test_ratios_are_paired_in_blocks():
    """A machine that is slower in one block is so for all: the ratio does not move."""
    assert entry(64, "quick", 20).queries.ratio == pytest.approx(0.9)
    assert entry(16, "pgbench pipelined", 20).queries.ratio == pytest.approx(3)
    assert entry(64, "quick", 20).queries.interval(5) == pytest.approx((0.9, 0.9))
    assert entry(64, "quick", 20).cpu is None and entry(64, "quick", 0).queries is None
    assert entry(16, "pgbench", 1).queries is None and entry(64, "nginx", 0).cpu is None


def test_nginx_is_that_of_the_same_c():
    assert entry(64, "quick", 0).cpu.ratio == pytest.approx(1.25)
    assert entry(512, "quick", 0).cpu.ratio == pytest.approx(2.5)


def test_intervals_hold_jointly():
    assert {e.size for f in yardstick.entries(FIGURES) for e in (f.queries, f.cpu) if e} == {4}


def test_written_and_read(tmp_path):
    yardstick.write(tmp_path / "yardstick.csv", FIGURES)
    assert [f.server for f in yardstick.read(tmp_path / "yardstick.csv")] == [f.server for f in FIGURES]
    made = markdown.yardstick(markdown.Table({"": tmp_path}, {"c": ["512"]}))
    assert "| 512 | 0 | quick | 40,000 |  | 25.0 | 2.50 [2.50, 2.50] |" in made
    assert "pgbench" in made and "| 64 |" not in made
    assert "0.90 [0.90, 0.90]" in shown.text(FIGURES)


def test_a_line_that_is_none_is_named(tmp_path):
    path = tmp_path / "yardstick.csv"
    path.write_text(",".join(Figure._fields) + "\n1,64,nginx,0,50000,many\n")
    with pytest.raises(Failure, match="yardstick.csv, line 2"):
        yardstick.read(path)
