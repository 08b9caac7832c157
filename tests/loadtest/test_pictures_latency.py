"""Pictures of latency: what is drawn is what runs.csv and histogram.csv say, and what is spoilt is marked."""

import statistics

import drawing
import numpy
import pytest
import synthetic
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from waitbench.base import results
from waitbench.judge import evidence, spectra
from waitbench.show.pictures import latency, look, marks, markup, spectrum

SPEEDS = {"threaded": 10000, "libuv": 13000, "coro": 12000}
ODD = {"a$b$": 9000, "_b^c": 11000, "$x_1$": 12000}
MANY = {f"server-{number}": 1000 * number for number in range(1, 13)}
CONNECTIONS = (1, 16, 256)
POINTS = [{"n": n, "c": c} for n in (1, 20) for c in CONNECTIONS]


def bound(server, point):
    return "generator-bound" if (server, point["c"]) == ("libuv", 256) else ""


def made(path, points=POINTS, speeds=SPEEDS, **more):
    rows = synthetic.runs(points, speeds, **({"blocks": 3} | more))
    facts = synthetic.ENVIRONMENT | {"servers": list(speeds)}
    return evidence.load(synthetic.write(path / "run", rows, facts))


def dots(axes, label):
    """The places of single runs."""
    return [
        tuple(place)
        for patch in drawing.of(axes, PathPatch, label)
        for place in patch.get_path().vertices[::2]
    ]


def spots(axes, label):
    """The marks of a server."""
    found = [line for line in drawing.of(axes, Line2D, label) if line.get_marker() not in ("", "None")]
    return {(x, y): line for line in found for x, y in zip(*line.get_data())}


def test_every_run_and_every_median_is_drawn_once(tmp_path):
    known = made(tmp_path, flags=bound)
    section = latency.section(known)
    names = [f"latency-{name}-n{n}" for n in (1, 20) for name in latency.PERCENTILES]
    assert [picture.name for picture in section.pictures] == names
    for picture in (section.pictures[0], section.pictures[4]):
        _, name, n = picture.name.split("-")
        column = latency.PERCENTILES[name]
        with drawing.drawn(picture, known.found) as figure:
            (axes,) = figure.axes
            for server in SPEEDS:
                own = [entry for entry in known.found.at(server) if f"n{entry.point.n}" == n]
                runs = [(entry.point.c, run[column] / 1000) for entry in own for run in entry.runs]
                assert numpy.allclose(sorted(dots(axes, f"runs of {server}")), sorted(runs))
                medians = [(e.point.c, statistics.median(r[column] for r in e.runs) / 1000) for e in own]
                assert sorted(spots(axes, server)) == pytest.approx(sorted(medians))
            assert axes.get_xscale() == axes.get_yscale() == "log"
            assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "16", "256"]


def test_the_table_has_what_is_drawn_and_the_percentiles_of_no_two_runs_are_pooled(tmp_path):
    known = made(tmp_path, blocks=2)
    picture = latency.section(known).pictures[1]
    entry = known.found.at("threaded")[0]
    runs = [run["p99_us"] / 1000 for run in entry.runs]
    row = picture.table[1]
    assert row[:2] == ["1", "threaded"] and len(picture.table) == 1 + 3 * len(CONNECTIONS)
    assert float(row[2]) == pytest.approx(
        sum(runs) / 2, rel=0.005
    ), "of two values the median is their middle"
    assert [float(text) for text in row[3].split()] == pytest.approx(runs, rel=0.005)
    assert "no percentile is averaged" in latency.section(known).how


def test_what_is_spoilt_is_pale_hollow_and_has_a_star(tmp_path):
    known = made(tmp_path, flags=bound)
    picture = next(p for p in latency.section(known).pictures if p.name == "latency-p99-n20")
    starred = [row[:2] for row in picture.table[1:] if row[4].startswith("*")]
    assert starred == [["256", "libuv"]] and "(libuv*)" in picture.sentence
    assert picture.sentence.endswith(
        "; pale and hollow (*), 1 of 9: not to be compared, the generator was the bottleneck."
    )
    with drawing.drawn(picture, known.found) as figure:
        (axes,) = figure.axes
        hollow = {
            (server, x)
            for server in SPEEDS
            for (x, _), line in spots(axes, server).items()
            if line.get_markerfacecolor() == look.PAPER and line.get_alpha() == marks.PALE
        }
        assert hollow == {("libuv", 256)}
        dotted = [line.get_xdata() for line in axes.lines if line.get_linestyle() == ":"]
        assert [list(xs) for xs in dotted] == [[16, 256]]


def test_points_that_are_all_spoilt_come_last(tmp_path):
    flags = lambda server, point: "too-short" if point["n"] == 1 else ""  # noqa: E731
    names = [picture.name for picture in latency.section(made(tmp_path, flags=flags)).pictures]
    assert names[0].endswith("n20") and names[-1].endswith("n1")


def test_where_connections_do_not_vary_each_server_has_a_row(tmp_path):
    known = made(tmp_path, [{"n": 1}, {"n": 20}], flags=lambda s, p: "overloaded" if s == "coro" else "")
    section = latency.section(known)
    assert [picture.name for picture in section.pictures] == [
        f"latency-{name}-rows" for name in latency.PERCENTILES
    ]
    picture = section.pictures[0]
    assert [row[:2] for row in picture.table[1:]] == [[f"n={n}", s] for n in (1, 20) for s in SPEEDS]
    with drawing.drawn(picture, known.found) as figure:
        (axes,) = figure.axes
        assert [tick.get_text() for tick in axes.get_yticklabels()] == [*SPEEDS, *SPEEDS]
        for server in SPEEDS:
            values = [run["p50_us"] / 1000 for entry in known.found.at(server) for run in entry.runs]
            assert sorted(x for x, _ in dots(axes, f"runs of {server}")) == pytest.approx(sorted(values))
            pale = {line.get_alpha() for line in spots(axes, server).values()}
            assert pale == ({marks.PALE} if server == "coro" else {1})


def test_a_value_that_is_missing_or_0_is_left_out_and_no_more(tmp_path):
    rows = synthetic.runs([{"c": 1}, {"c": 16}], SPEEDS, blocks=2)
    for row in rows:
        row["p999_us"] = None if row["c"] == 1 else row["p999_us"]
        row["p99_us"] = 0 if row["server"] == "libuv" else row["p99_us"]
    known = evidence.load(synthetic.write(tmp_path / "run", rows))
    by_name = {picture.name: picture for picture in latency.section(known).pictures}
    assert [row[:2] for row in by_name["latency-p999"].table[1:]] == [["16", server] for server in SPEEDS]
    assert "libuv" not in {row[1] for row in by_name["latency-p99"].table[1:]}
    assert {key.server for key in by_name["latency-p99"].key} == {"threaded", "coro"}


CASES = {
    "two servers, one point, one block": ([{}], {"a": 900, "b": 1000}, 1),
    "three servers": (POINTS, SPEEDS, 3),
    "names that look like formulas": ([{}], ODD, 1),
    "twelve servers in rows": ([{"n": 0}, {"n": 1}, {"n": 20}], MANY, 1),
    "twelve servers over connections": (POINTS[:3], MANY, 1),
    "thirty points": ([{"n": n, "m": 64 * m} for n in range(6) for m in range(1, 6)], SPEEDS, 1),
}


@pytest.mark.parametrize("slide", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_it_is_legible(tmp_path, case, slide):
    points, speeds, blocks = CASES[case]
    known = made(tmp_path, points, speeds, blocks=blocks)
    pictures = latency.section(known).pictures
    picture = pictures[0]
    assert drawing.faults(picture, known.found, slide) == []
    of_p50 = [picture for picture in pictures if "p50" in picture.name]
    assert {row[1] for picture in of_p50 for row in picture.table[1:]} == set(speeds)
    assert sum(len(picture.table) - 1 for picture in of_p50) == len(points) * len(
        speeds
    ), "nothing is dropped"
    if speeds == ODD and not slide:
        text = markup.svg(picture, look.page(known.found.servers, known.found.colours), {})
        assert all(f">{name}<" in text for name in ODD)


# The percentile spectrum


def with_histograms(path, points=({"c": 16}, {"c": 64}), speeds=SPEEDS, requests=20000, left_out=(), **more):
    rows = synthetic.runs(points, speeds, **({"blocks": 3} | more))
    folder = synthetic.write(path / "run", rows)
    table = results.Table(folder / "histogram.csv", results.HISTOGRAM)
    random = numpy.random.default_rng(4)
    for row in rows:
        if row["block"] not in left_out:
            values = random.lognormal(7, 1, requests).astype(int) + 1
            key = {name: row[name] for name in results.KEY}
            table.append(*(key | one for one in spectra.rows(numpy.unique(values, return_counts=True))))
    return evidence.load(folder)


def test_every_run_is_a_line_of_its_own_percentiles(tmp_path):
    known = with_histograms(tmp_path, flags=lambda s, p: "generator-bound" if s == "coro" else "")
    section = spectrum.section(known)
    assert [picture.name for picture in section.pictures] == ["spectrum-c16", "spectrum-c64"]
    picture = section.pictures[0]
    with drawing.drawn(picture, known.found) as figure:
        (axes,) = figure.axes
        ticks = [tick.get_text() for tick in axes.get_xticklabels()]
        assert ticks == ["50%", "90%", "99%", "99.9%"] and axes.get_yscale() == "log"
        drawn = {}
        for server in SPEEDS:
            blocks = [run["block"] for run in known.found.at(server)[0].runs]
            for block in blocks:
                (line,) = drawing.of(axes, Line2D, f"{server}, block {block}")
                drawn[server, block] = line
                run = known.spectra[block, server]
                for x, ms in zip(*line.get_data()):
                    assert ms == spectra.percentile(run, 1 - 1 / x) / 1000
                assert max(line.get_xdata()) == pytest.approx(20000 / 10), "10 of 20,000 requests are slower"
            (medians,) = drawing.of(axes, Line2D, f"{server}, median")
            every = numpy.array([drawn[server, block].get_ydata() for block in blocks])
            assert list(medians.get_ydata()) == pytest.approx(list(numpy.median(every, axis=0)))
            assert (medians.get_linestyle() == ":") == (server == "coro")
        rows = {(row[0], row[1]): row for row in picture.table[1:]}
        assert len(rows) == 3 * 4 and rows["coro", "median"][-1] == "* the generator was the bottleneck"
        for (server, block), line in drawn.items():
            cells = [float(text.replace(",", "")) for text in rows[server, str(block)][2:-1] if text]
            assert cells == pytest.approx(list(line.get_ydata()), rel=0.006)


def test_only_percentiles_that_ten_requests_are_beyond(tmp_path):
    run = [(us, 1) for us in range(1000, 1100)]
    assert max(spectrum.line(run)) == 0.9 and spectrum.line(run)[0.9] == pytest.approx(1.089)
    assert spectrum.line(run[:20]) == {0.5: pytest.approx(1.009)} and spectrum.line(run[:19]) == {}
    assert spectrum.line([(0, 100)]) == {}


def test_runs_without_a_histogram_are_counted(tmp_path):
    known = with_histograms(tmp_path, left_out=(1, 2))
    assert all(
        p.sentence.endswith("; 3 of 9 runs have no histogram.") for p in spectrum.section(known).pictures
    )
    assert spectrum.section(made(tmp_path / "old")) is None


@pytest.mark.parametrize("slide", [False, True])
@pytest.mark.parametrize("speeds, blocks, requests", [(SPEEDS, 3, 20000), (MANY, 1, 30), (ODD, 1, 2_000_000)])
def test_a_spectrum_is_legible(tmp_path, speeds, blocks, requests, slide):
    known = with_histograms(tmp_path, [{}], speeds, min(requests, 10_000), blocks=blocks)
    if requests > 10_000:
        known.spectra.update({key: [(us, 200 * n) for us, n in run] for key, run in known.spectra.items()})
    (picture,) = spectrum.section(known).pictures
    assert drawing.faults(picture, known.found, slide) == []
