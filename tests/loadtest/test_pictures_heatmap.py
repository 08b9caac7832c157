"""The ratio over two parameters: each cell has its value, its colour and its marks, and no plane is left out."""

import itertools

import drawing
import pytest
import synthetic
from matplotlib.collections import PolyCollection
from waitbench.judge import stats, summary
from waitbench.show import formatting
from waitbench.show.pictures import heatmap
from waitbench.show.pictures import look as looks

POINTS = [{"n": n, "m": m, "c": c} for n in (0, 1, 20) for m in (64, 1024) for c in (16, 256)]
SPEEDS = {"threaded": 1000, "libuv": lambda point: 1000 * (0.6 + point["n"] / 10), "coro": 1010}


def folder(tmp_path, points=POINTS, speeds=SPEEDS, **kwargs):
    return drawing.folder(tmp_path / "run", synthetic.runs(points, speeds, **({"blocks": 3} | kwargs)))


def cells(figure):
    """(row, column) -> (colour, text); a hatched cell has no text."""
    axes, _ = figure.axes
    written = {text.get_position(): text.get_text() for text in axes.texts}
    found = {}
    for artist in axes.findobj(PolyCollection):
        for path in artist.get_paths():
            x, y = (round(float(value)) for value in path.vertices[:4].mean(0))
            face = None if artist.get_hatch() else drawing.colors.to_hex(artist.get_facecolor()[0])
            found[y, x] = face, written.get((x, y))
    return found


def test_a_cell_has_the_ratio_of_its_configuration(tmp_path):
    known = folder(tmp_path)
    pictures = {picture.name: picture for picture in heatmap.section(known).pictures}
    for measure, server, c in (("rps", "libuv", 16), ("cpu", "coro", 256)):
        picture = pictures[f"heatmap-{measure}-{server}-n-by-m-c{c}"]
        with drawing.drawn(picture, known.found) as figure:
            found = cells(figure)
            axes = figure.axes[0]
            names = [
                [label.get_text() for label in labels]
                for labels in (axes.get_yticklabels(), axes.get_xticklabels())
            ]
        assert names == [["0", "1", "20"], ["64", "1,024"]] and len(found) == 6
        rows = iter(picture.table[1:])
        for (row, n), (column, m) in itertools.product(enumerate((0, 1, 20)), enumerate((64, 1024))):
            (entry,) = [
                e for e in known.found.entries.values()
                if e.server == server and (e.point.n, e.point.m, e.point.c) == (n, m, c)
            ]  # fmt: skip
            estimate = entry.estimates[measure]
            face, text = found[row, column]
            assert text.split()[0] == formatting.ratio(estimate.ratio)
            assert ("~" in text) == (estimate.low <= 1 <= estimate.high)
            assert face == heatmap.colour(estimate.ratio, measure == "rps")
            assert next(rows)[:3] == [str(n), str(m), formatting.ratio(estimate.ratio)]


def test_every_server_and_combination_has_a_picture(tmp_path):
    names = [picture.name for picture in heatmap.section(folder(tmp_path)).pictures]
    assert sorted(names) == sorted(
        f"heatmap-{measure}-{server}-n-by-m-c{c}"
        for measure in ("rps", "cpu") for server in ("libuv", "coro") for c in (16, 256)
    )  # fmt: skip


def test_without_two_m_connections_take_their_place(tmp_path):
    points = [{"n": n, "c": c} for n in (0, 1) for c in (16, 256)]
    names = [picture.name for picture in heatmap.section(folder(tmp_path, points)).pictures]
    assert len(names) == 4 and names[0] == "heatmap-rps-libuv-n-by-c"
    assert heatmap.section(folder(tmp_path / "one", points[:2])) is None
    assert heatmap.section(folder(tmp_path / "diagonal", [points[0], points[3]])) is None


def test_points_that_no_n_by_m_plane_has_are_in_one_of_n_by_c(tmp_path):
    points = POINTS + [{"n": n, "m": 64, "c": 1024} for n in (0, 20)]
    known = folder(tmp_path, points)
    pictures = {picture.name: picture for picture in heatmap.section(known).pictures}
    picture = pictures["heatmap-rps-coro-n-by-c-m64"]
    assert "heatmap-rps-coro-n-by-c-m1024" not in pictures
    with drawing.drawn(picture, known.found) as figure:
        found = cells(figure)
    assert found[1, 2] == (None, None) and len([1 for face, _ in found.values() if face is None]) == 1
    assert ["1", "1024", "not measured", "", ""] in picture.table


def test_where_the_generator_was_the_bottleneck_with_either_server(tmp_path):
    flags = (
        lambda server, point: "generator-bound"
        if (server, point["n"]) in (("threaded", 0), ("libuv", 1))
        else ""
    )
    known = folder(tmp_path, [{"n": n, "c": c} for n in (0, 1, 20) for c in (16, 256)], flags=flags)
    first, second, *_ = heatmap.section(known).pictures
    with drawing.drawn(first, known.found) as figure:
        assert {row for (row, _), (_, text) in cells(figure).items() if "*" in text} == {0, 1}
    assert [row[2].endswith(" *") for row in first.table[1:]] == [True] * 4 + [False] * 2
    assert "at 4 the generator was the bottleneck" in first.sentence and "at 2 the" in second.sentence


def test_colours_are_symmetric_and_better_is_the_same_end(tmp_path):
    for ratio in (1, 1.04, 1.1, 1.3, 1.7, 3):
        assert heatmap.colour(ratio, True) == heatmap.colour(1 / ratio, False)
        assert (
            looks.DIVERGING.index(heatmap.colour(ratio, True))
            + looks.DIVERGING.index(heatmap.colour(1 / ratio, True))
            == 8
        )
    assert heatmap.colour(9, True) == looks.DIVERGING[-1] == heatmap.colour(0.1, False)
    assert all(a * b == pytest.approx(1) for a, b in zip(heatmap.LIMITS, heatmap.LIMITS[::-1]))
    assert len(heatmap.LIMITS) == len(looks.DIVERGING) - 1 and stats.MARGIN in heatmap.LIMITS


def test_many_values_are_in_several_pictures(tmp_path):
    points = [{"n": n, "m": m} for n in range(12) for m in range(64, 78)]
    known = folder(tmp_path, points, {"threaded": 1000, "libuv": 1100}, blocks=1)
    pictures = [made for made in heatmap.section(known).pictures if "rps" in made.name]
    assert sum(len(made.table) - 1 for made in pictures) == len(points) and len(pictures) == 6
    assert len({made.name for made in pictures}) == 6
    assert all(entry.verdicts["rps"] == stats.INCONCLUSIVE for entry in known.found.compared)
    assert summary.MEASURES[0].name == "rps"
