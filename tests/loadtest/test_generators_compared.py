"""loadtest/generators-compared: ratios of pace to other generators, what these print, and the file of figures."""

import pytest
from waitbench import Failure
from waitbench.base import process
from waitbench.bench import generators_compared as running
from waitbench.judge import generators_compared
from waitbench.judge.generators_compared import Figure
from waitbench.show import generators_compared as shown
from waitbench.show import run_tables

FIGURES = [
    Figure(block, order, "quick", 64, 2, generator, rate * speed, cpu)
    for block, speed in enumerate((1.0, 0.8, 1.1), 1)
    for order, (generator, rate, cpu) in enumerate(
        [("wrk", 50000, 20.0), ("pace", 51000, 10.0), ("h2load", 25500, 40.0)], 1
    )
]
H2LOAD = """starting benchmark...
finished in 2.00s, 22089.00 req/s, 3.10MB/s
requests: 44178 total, 44242 started, 44178 done, 44178 succeeded, {} failed, 0 errored, 0 timeout
"""


def test_ratios_are_paired_in_blocks():
    """A machine that is slower in one block is so for all: the ratio does not move."""
    pace, h2load, wrk = generators_compared.entries(FIGURES)
    assert (pace.generator, pace.rate, pace.cpu) == ("pace", None, None)
    assert (h2load.generator, wrk.generator) == ("h2load", "wrk")
    assert wrk.rate.interval(4) == pytest.approx((1.02, 1.02))
    assert wrk.cpu.ratio == pytest.approx(0.5) and h2load.rate.ratio == pytest.approx(2)
    assert {e.size for e in (wrk.rate, wrk.cpu, h2load.rate, h2load.cpu)} == {4}


def test_a_block_without_pace_is_no_pair():
    figures = [figure for figure in FIGURES if (figure.block, figure.generator) != (2, "pace")]
    assert generators_compared.entries(figures)[2].rate.count == 2
    assert generators_compared.entries([f for f in FIGURES if f.generator == "wrk"])[0].rate is None


def test_written_and_read(tmp_path):
    generators_compared.write(tmp_path / "generators.csv", FIGURES)
    assert generators_compared.read(tmp_path / "generators.csv") == [
        figure._replace(per_s=round(figure.per_s, 1)) for figure in FIGURES
    ]
    made = run_tables.generators(run_tables.Table({"": tmp_path}, {"c": ["64"]}))
    assert "| quick | 64 | wrk | 50,000 | 1.020 [1.02, 1.02] | 20.00 | 0.500 [0.50, 0.50] |" in made
    assert "| 64 |" not in run_tables.generators(run_tables.Table({"": tmp_path}, {"c": ["16"]}))
    assert "1.020 [1.02, 1.02]" in shown.text(FIGURES)


def test_a_line_that_is_none_is_named(tmp_path):
    path = tmp_path / "generators.csv"
    path.write_text(",".join(Figure._fields) + "\n1,1,quick,64,2,wrk,50000,many\n")
    with pytest.raises(Failure, match="generators.csv, line 2"):
        generators_compared.read(path)


def test_what_the_generators_print():
    read = {generator.name: generator.read for generator in running.GENERATORS}
    assert read["h2load"](H2LOAD.format(0)) == (44178, pytest.approx(2))
    with pytest.raises(ValueError, match="3 requests failed"):
        read["h2load"](H2LOAD.format(3))
    lines = "waitbench 1\nrequests 671\nduration_us 1082982\nerrors_status {}\nhistogram\n583 1\nend\n"
    assert read["wrk"](lines.format(0)) == (671, 1.082982)
    with pytest.raises(ValueError, match="2 errors"):
        read["wrk"](lines.format(2))
    with pytest.raises(ValueError, match="errors: 3"):
        read["pace"]('{"sound": false, "unsound": ["errors: 3"]}')


def test_a_generator_that_fails_is_named_with_what_it_said():
    failing = running.GENERATORS[0]._replace(words=lambda program, load: ["sh", "-c", "echo why >&2; exit 1"])
    with pytest.raises(Failure, match="pace gave no result that counts .*: why"):
        running.measure(failing, "", running.Load("", 1, 1, 1), process.ANYWHERE)
