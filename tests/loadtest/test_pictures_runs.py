"""Every run as a dot: none is missing, each is at its value, and ten thousand of them stay small."""

import statistics

import drawing
import pytest
import synthetic
from matplotlib.patches import PathPatch
from waitbench.show.pictures import every_run, markup
from waitbench.show.pictures import look as looks

POINTS = [{"n": n, "c": c} for n in (0, 20) for c in (16, 256)]
SPEEDS = {"threaded": 1000, "libuv": 1300, "coro": 1200}


def folder(tmp_path, points=POINTS, speeds=SPEEDS, **kwargs):
    return drawing.folder(
        tmp_path / "run", synthetic.runs(points, speeds, **({"blocks": 4, "noise": 0.2} | kwargs))
    )


def dots(axes, server):
    return [
        tuple(place)
        for patch in drawing.of(axes, PathPatch, server)
        for place in patch.get_path().vertices[::2]
    ]


def test_every_run_stands_at_its_value_in_a_row_of_its_server(tmp_path):
    known = folder(tmp_path)
    in_order, first, second = every_run.section(known).pictures
    for picture, n in ((first, 0), (second, 20)):
        with drawing.drawn(picture, known.found) as figure:
            (axes,) = figure.axes
            rows = set()
            for server in SPEEDS:
                true = [
                    run["rps"] for entry in known.found.at(server) if entry.point.n == n for run in entry.runs
                ]
                found = dots(axes, server)
                assert sorted(x for x, _ in found) == pytest.approx(sorted(true))
                rows |= {round(y, 6) for _, y in found}
            assert len(rows) == 2 * len(SPEEDS)
        assert sum(len(row[2].split(", ")) for row in picture.table[1:]) == 2 * 4 * 3
    assert len(in_order.table) == 1 + 4 * len(POINTS)


def test_in_order_each_is_relative_to_the_median_of_its_like(tmp_path):
    known = folder(tmp_path)
    picture = every_run.section(known).pictures[0]
    with drawing.drawn(picture, known.found) as figure:
        (axes,) = figure.axes
        for server in SPEEDS:
            true = {
                run["block"]: run["rps"] / statistics.median(other["rps"] for other in entry.runs)
                for entry in known.found.at(server) for run in entry.runs
            }  # fmt: skip
            assert dict(dots(axes, server)) == pytest.approx(true)
            column = picture.table[0].index(server)
            assert {int(row[0]): float(row[column]) for row in picture.table[1:]} == pytest.approx(
                true, abs=6e-4
            )
    assert "Half of the 48 runs" in picture.sentence and "no run is flagged" in picture.sentence


def test_flagged_runs_are_hollow_and_counted(tmp_path):
    rows = synthetic.runs(POINTS, SPEEDS, blocks=4)
    rows[5]["flags"] = "generator-bound machine-busy"
    known = drawing.folder(tmp_path / "run", rows)
    picture = every_run.section(known).pictures[0]
    with drawing.drawn(picture, known.found) as figure:
        patches = figure.axes[0].findobj(PathPatch)
        inner = [patch for patch in patches if drawing.colors.to_hex(patch.get_edgecolor()) == looks.PAPER]
        assert [len(patch.get_path().vertices) // 2 for patch in inner] == [1]
        assert inner[0].get_path().vertices[0][0] == rows[5]["block"]
    assert "1 of 48 runs are flagged (*): 1 generator-bound and 1 machine-busy" in picture.sentence
    assert sum(cell.endswith("*") for row in picture.table for cell in row) == 1


def test_an_open_loop_shows_the_latency(tmp_path):
    known = folder(tmp_path, [{"load": 50}], blocks=2)
    assert [made.title for made in every_run.section(known).pictures][1] == "Every run: p99 latency, µs"


def test_ten_thousand_runs_stay_small(tmp_path):
    points = [{"n": n, "m": m, "c": c} for n in (0, 1, 5, 20, 100) for m in (0, 1024) for c in (1, 16, 256)]
    speeds = {f"server-{place}": 1000 + place for place in range(12)}
    known = folder(tmp_path, points, speeds, blocks=28)
    look = looks.page(known.found.servers, known.found.colours)
    variables, _ = looks.variables(known.found.servers, known.found.colours)
    pictures = every_run.section(known).pictures
    assert len(pictures) <= 12 and sum(len(entry.runs) for entry in known.found.entries.values()) > 10_000
    size = sum(len(markup.svg(picture, look, variables)) for picture in pictures)
    table = sum(len(cell) + 10 for picture in pictures for row in picture.table for cell in row)
    assert size < 1_000_000 and table < 1_000_000
