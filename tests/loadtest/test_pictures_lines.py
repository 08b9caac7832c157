"""Pictures along an axis: every mark at its value on both axes, for every server alike, and no combination left out."""

import statistics

import drawing
import numpy
import pytest
import synthetic
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from waitbench.judge import stats
from waitbench.show.pictures import axes as axes_module
from waitbench.show.pictures import connections, lines, memory, positions

POINTS = [{"n": n, "m": m, "c": c} for n in (0, 20) for m in (64, 1024) for c in (16, 256, 1024)]
SPEEDS = {"threaded": 1000, "libuv": lambda point: 1000 * (1 + point["n"]), "coro": 1200}


def folder(tmp_path, points=POINTS, speeds=SPEEDS, change=lambda row: {}, **kwargs):
    rows = synthetic.runs(points, speeds, **({"blocks": 3, "noise": 0.1} | kwargs))
    return drawing.folder(tmp_path / "run", [row | change(row) for row in rows])


def expected(known, server, column, **fixed):
    """x -> values of the runs, from the rows alone. One of `fixed` is None: the axis."""
    (axis,) = [name for name, value in fixed.items() if value is None]
    found = {}
    for entry in known.found.entries.values():
        if entry.server == server and all(
            getattr(entry.point, n) == v for n, v in fixed.items() if v is not None
        ):
            found[getattr(entry.point, axis)] = [run[column] for run in entry.runs]
    return dict(sorted(found.items()))


def marks(axes, server):
    """x -> y of a server's marks, and the same of those that are hollow"""
    all_of, hollow = {}, {}
    for line in drawing.of(axes, Line2D, server):
        if line.get_marker() not in ("None", None, ""):
            found = dict(zip(line.get_xdata(), line.get_ydata()))
            all_of |= found
            hollow |= found if line.get_markerfacecolor() == "#ffffff" else {}
    return dict(sorted(all_of.items())), hollow


@pytest.mark.parametrize("kind", [0, 1])
def test_every_server_stands_at_the_true_connections(tmp_path, kind):
    known = folder(tmp_path)
    pictures = {picture.name: picture for picture in connections.section(known).pictures}
    name, column = (("throughput-by-c-n20-m1024", "rps"), ("cpu-by-c-n20-m1024", "cpu_us_per_req"))[kind]
    with drawing.drawn(pictures[name], known.found) as figure:
        (axes,) = figure.axes
        assert axes.get_xscale() == "log" and "logarithmic" in axes.get_xlabel()
        assert axes.get_ylim()[0] == 0 and axes.get_yscale() == "linear"
        for server in SPEEDS:
            true = expected(known, server, column, n=20, m=1024, c=None)
            found, _ = marks(axes, server)
            assert list(found) == [16, 256, 1024], "the true place, and no shift"
            assert found == pytest.approx({x: statistics.median(values) for x, values in true.items()})
        colours = [drawing.colors.to_hex(a.get_facecolor()[0]) for a in axes.findobj(PolyCollection)]
        assert len(set(colours)) == 3
        ribbon = axes.findobj(PolyCollection)[0].get_paths()[0].vertices
        true = expected(known, "threaded", column, n=20, m=1024, c=None)
        for x, values in true.items():
            ends = {round(y, 6) for place, y in ribbon if place == x}
            assert {min(ends), max(ends)} == {round(min(values), 6), round(max(values), 6)}
    rows = pictures[name].table[1:]
    assert len(rows) == 9 and float(rows[0][2]) == pytest.approx(statistics.median(true[16]), rel=0.006)


def test_no_combination_is_left_out(tmp_path):
    points = POINTS + [{"n": 5, "m": 1024, "c": 16}, {"n": 5, "m": 1024, "c": 16, "d": 10}]
    known = folder(tmp_path, points, blocks=1)
    names = [picture.name for picture in connections.section(known).pictures]
    assert sorted(names) == sorted(
        f"{kind}-by-c-n{n}-m{m}" for kind in ("throughput", "cpu") for n in (0, 20) for m in (64, 1024)
    )
    names = [picture.name for picture in axes_module.section(known).pictures]
    assert (
        len(names) == len(set(names)) == 2 * (6 + 6 + 1)
    )  # by N and by M at each pair of the others, by D at one
    assert "throughput-by-d-n5-m1024-c16" in names and "cpu-by-n-m64-c256" in names


def test_zero_has_its_place_and_the_axis_says_how(tmp_path):
    known = folder(tmp_path, [{"n": n} for n in (0, 1, 5, 20)])
    first, second = axes_module.section(known).pictures
    with drawing.drawn(first, known.found) as figure:
        (axes,) = figure.axes
        assert axes.get_xscale() == "symlog" and "linear below" in axes.get_xlabel()
        assert axes.get_yscale() == "log" and "logarithmic" in axes.get_ylabel()
        for server in SPEEDS:
            assert list(marks(axes, server)[0]) == [0, 1, 5, 20]
        assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1", "5", "20"]
    with drawing.drawn(second, known.found) as figure:
        assert figure.axes[0].get_ylim()[0] == 0


def test_unlimited_requests_per_connection_come_last_on_no_scale(tmp_path):
    known = folder(tmp_path, [{"k": k} for k in (0, 1, 10)], blocks=1)
    first, _ = axes_module.section(known).pictures
    with drawing.drawn(first, known.found) as figure:
        assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["1", "10", "unlimited"]
        assert "no scale" in figure.axes[0].get_xlabel()


def test_the_pool_is_marked_where_requests_need_it(tmp_path):
    known = folder(tmp_path, blocks=1)
    pictures = {picture.name: picture for picture in connections.section(known).pictures}
    for name, places in (("throughput-by-c-n20-m64", [16]), ("throughput-by-c-n0-m64", [])):
        with drawing.drawn(pictures[name], known.found) as figure:
            assert [line.get_xdata()[0] for line in drawing.of(figure.axes[0], Line2D, "pool")] == places
            assert any("pool: 16" in text.get_text() for text in drawing.texts(figure)) == bool(places)
    known.found.environment["settings"]["POOL"] = None
    assert connections.pool(known.found) is None and "pool" not in connections.section(known).how


def test_where_the_generator_was_the_bottleneck_the_mark_is_hollow(tmp_path):
    flags = lambda server, point: "generator-bound" if server == "coro" and point["c"] == 256 else ""
    known = folder(tmp_path, [{"c": c} for c in (16, 256, 1024)], flags=flags)
    picture, _ = connections.section(known).pictures
    with drawing.drawn(picture, known.found) as figure:
        assert list(marks(figure.axes[0], "coro")[1]) == [256] and not marks(figure.axes[0], "libuv")[1]
    assert [row[0].endswith(" *") for row in picture.table[1:]] == [False] * 7 + [True, False]
    assert "; at 1 of 9 the generator was the bottleneck (*)." in picture.sentence


def test_in_an_open_loop_throughput_is_set_and_not_drawn(tmp_path):
    known = folder(tmp_path, [{"c": c, "load": 50} for c in (16, 256)], blocks=1)
    assert [picture.name for picture in connections.section(known).pictures] == ["cpu-by-c"]


def grows(row):
    """20 KiB a connection and 10 MiB without any, of the threaded server; of the others 2."""
    each = 20 if row["server"] == "threaded" else 2
    return {"rss_kib": 10240 + each * row["c"] + 50 * (row["block"] % 3 - 1)}


def test_memory_is_a_slope_from_0(tmp_path):
    known = folder(tmp_path, change=grows)
    pictures = {picture.name: picture for picture in memory.section(known).pictures}
    assert len(pictures) == 2 * 4
    picture = pictures["memory-resident-n0-m64"]
    with drawing.drawn(picture, known.found) as figure:
        (axes,) = figure.axes
        assert axes.get_xlim()[0] == 0 == axes.get_ylim()[0]
        assert axes.get_xscale() == axes.get_yscale() == "linear"
        for server in SPEEDS:
            drawn = {
                tuple(place)
                for patch in drawing.of(axes, PathPatch, server)
                for place in patch.get_path().vertices[::2]
            }
            true = expected(known, server, "rss_kib", n=0, m=64, c=None)
            assert drawn == {(c, kib / 1024) for c, values in true.items() for kib in values}
            (line,) = drawing.of(axes, Line2D, server)
            begin, end = line.get_ydata()
            each = 20 if server == "threaded" else 2
            assert list(line.get_xdata()) == [0, 1024] and begin == pytest.approx(10, abs=0.1)
            assert (end - begin) * 1024 / 1024 == pytest.approx(each, rel=0.05)
    assert (
        "KiB (threaded)" in picture.sentence
        and "[" in picture.sentence
        and "10.0 (threaded)" in picture.sentence
    )
    assert (
        "interval"
        not in memory.section(folder(tmp_path / "two", POINTS[:2], change=grows)).pictures[0].sentence
    )


def test_memory_below_0_is_seen(tmp_path):
    known = folder(tmp_path, POINTS[:3], change=lambda row: {"kernel_kib": row["c"] * 8 - 500})
    with drawing.drawn(memory.section(known).pictures[1], known.found) as figure:
        low, high = figure.axes[0].get_ylim()
        assert low < (16 * 8 - 500) / 1024 and high > (1024 * 8 - 500) / 1024


def test_the_line_of_least_squares_has_the_truth_in_its_interval():
    random, held = numpy.random.default_rng(1), 0
    for _ in range(200):
        xs = [16, 256, 1024] * 4
        slope, base, reach = stats.line(xs, [100 + 3 * x + random.normal(0, 40) for x in xs])
        held += abs(slope - 3) <= reach
    assert 180 <= held <= 199
    assert stats.line([1, 1, 3], [5, 7, 10]) == (2, 4, None)


def test_ticks_are_values_that_have_room():
    values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1000, 1001]
    kept = positions._with_room(values, [100 * numpy.log10(value) for value in values], 12)
    assert kept[0] == 1 and kept[-1] == 1001 and 1000 not in kept and set(kept) <= set(values)


def test_medians_are_joined_only_where_they_are_known(tmp_path):
    known = folder(
        tmp_path,
        [{"c": c} for c in (16, 256, 1024)],
        change=lambda row: {"rps": row["rps"] if row["c"] != 256 else None},
    )
    (track, *_) = lines.tracks(known.found, "c", "rps", known.found.points)
    assert track.xs == [16, 1024]
