"""Pictures of runs second by second: every run, the medians, and those that were not steady first."""

import statistics

import drawing
import pytest
import synthetic
from matplotlib.lines import Line2D
from waitbench.judge import evidence
from waitbench.show.pictures import over_time

POINTS = [{"n": n, "c": c} for n in (0, 1) for c in (16, 64)]
SPEEDS = {"threaded": 10000, "libuv": 13000}
MANY = [{"n": n, "c": c} for n in (0, 1, 5, 20, 50) for c in (1, 16, 64, 256, 512)]


def stall(row, rates):
    if (row["block"], row["server"]) in ((3, "libuv"), (4, "threaded")):
        rates[5] *= 0.1


def made(tmp_path, points=POINTS, speeds=SPEEDS, blocks=2, flags=lambda server, point: "", **more):
    rows = synthetic.runs(points, speeds, blocks=blocks, flags=flags)
    folder = synthetic.write(tmp_path / "run", rows)
    return evidence.load(synthetic.write_seconds(folder, synthetic.seconds(rows, **more)))


def test_a_picture_for_each_point_and_measure(tmp_path):
    section = over_time.section(made(tmp_path))
    assert [picture.name for picture in section.pictures] == [
        f"over-time-rps-n{n}-c{c}" for n in (0, 1) for c in (16, 64)
    ]
    assert section.shown == 4
    both = over_time.section(made(tmp_path / "p99", p99=True))
    assert [picture.name[:13] for picture in both.pictures] == ["over-time-rps", "over-time-p99"] * 4


@pytest.mark.parametrize("place, column, divide", [(0, "requests", 1), (1, "p99_us", 1000)])
def test_every_second_of_every_run_is_drawn_as_it_is(tmp_path, place, column, divide):
    known = made(tmp_path, p99=True)
    picture = over_time.section(known).pictures[place]
    with drawing.drawn(picture, known.found) as figure:
        (axes,) = figure.axes
        for server in SPEEDS:
            entry = known.found.at(server)[0]
            every = []
            for run in entry.runs:
                (line,) = drawing.of(axes, Line2D, f"{server}, block {run['block']}")
                values = [getattr(s, column) / divide for s in known.seconds[run["block"], server]]
                assert list(line.get_xdata()) == [second + 0.5 for second in range(10)]
                assert list(line.get_ydata()) == pytest.approx(values) and line.get_linestyle() == "-"
                every.append(values)
            (medians,) = drawing.of(axes, Line2D, f"{server}, median")
            assert list(medians.get_ydata()) == pytest.approx([statistics.median(s) for s in zip(*every)])
            row = next(row for row in picture.table if row[:2] == [server, "median"])
            cells = [float(text.replace(",", "")) for text in row[2:12]]
            assert cells == pytest.approx(list(medians.get_ydata()), rel=0.006)
        assert axes.get_yscale() == ("linear" if place == 0 else "log")
        assert place == 1 or axes.get_ylim()[0] == 0
    assert len(picture.table) == 1 + 2 * 3


def test_runs_that_were_not_steady_stand_out_and_come_first(tmp_path):
    known = made(tmp_path, changed=stall)
    section = over_time.section(known)
    first, second = section.pictures[:2]
    assert [p.name for p in (first, second)] == ["over-time-rps-n1-c16", "over-time-rps-n1-c64"]
    assert first.sentence.startswith("Not steady: libuv in block 3 (second 5 had 10% of the run's median")
    assert "second 5 had" in next(row for row in first.table if row[:2] == ["libuv", "3"])[-1]
    with drawing.drawn(first, known.found) as figure:
        dashed = [line.get_label() for line in figure.axes[0].lines if line.get_linestyle() == "--"]
        assert dashed == ["libuv, block 3"]


def test_of_many_unsteady_runs_the_sentence_has_a_few_and_how_many_more(tmp_path):
    known = made(tmp_path, [{}], blocks=4, changed=lambda row, rates: rates[4:5].fill(1))
    (picture,) = over_time.section(known).pictures
    assert picture.sentence.count("in block") == over_time.NAMED
    assert picture.sentence.endswith(", and 5 more.")


def test_of_many_points_only_the_unsteady_ones_are_seen_at_once(tmp_path):
    section = over_time.section(made(tmp_path, MANY, changed=stall))
    assert len(section.pictures) == 25 and section.shown == 2
    assert over_time.section(made(tmp_path / "steady", MANY)).shown == over_time.LEAST_OPEN
    every = over_time.section(made(tmp_path / "all", MANY, changed=lambda row, rates: rates[4:5].fill(1)))
    assert every.shown == over_time.OPEN


def test_short_runs_and_runs_without_seconds_have_no_picture(tmp_path):
    assert over_time.section(made(tmp_path, length=2)) is None
    folder = synthetic.write(tmp_path / "old", synthetic.runs(POINTS, SPEEDS, blocks=1))
    assert over_time.section(evidence.load(folder)) is None


def test_a_checkpoint_is_marked_in_its_second(tmp_path):
    rows = synthetic.runs([{}], SPEEDS, blocks=1)
    seconds = synthetic.seconds(rows)
    seconds[4]["checkpoints"] = 1
    seconds[14]["checkpoints"] = 2
    known = evidence.load(synthetic.write_seconds(synthetic.write(tmp_path / "run", rows), seconds))
    (picture,) = over_time.section(known).pictures
    assert [row[-2] for row in picture.table[1:]] == ["second 4", "second 4"]
    with drawing.drawn(picture, known.found) as figure:
        (axes,) = figure.axes
        places = [drawing.of(axes, Line2D, f"checkpoints of {server}")[0] for server in SPEEDS]
        assert [list(line.get_xdata()) for line in places] == [[4.5], [4.5]], "not shifted sideways"
        assert places[0].get_ydata() != places[1].get_ydata(), "both can be seen"


def test_a_bottleneck_of_the_generator_is_marked(tmp_path):
    known = made(tmp_path, [{}], p99=True, flags=lambda s, p: "generator-bound" if s == "libuv" else "")
    for picture in over_time.section(known).pictures:
        assert "libuv*" in picture.sentence and "the generator was the bottleneck" in picture.sentence
        assert {row[0] for row in picture.table[1:] if row[-1].startswith("*")} == {"libuv"}


@pytest.mark.parametrize("slide", [False, True])
@pytest.mark.parametrize(
    "speeds", [SPEEDS, {f"server-{n}": 1000 * n for n in range(1, 13)}, {"a$b$": 5, "_b^c": 9}]
)
def test_it_is_legible(tmp_path, speeds, slide):
    known = made(tmp_path, [{}], speeds, blocks=1, p99=True)
    for picture in over_time.section(known).pictures:
        assert drawing.faults(picture, known.found, slide) == []
