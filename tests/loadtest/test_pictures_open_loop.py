"""Pictures of an open loop and of servers in several languages: what is drawn is what the CSVs say."""

import drawing
import numpy
import polyglot
import pytest
import synthetic
import test_capacity_shown as open_runs
from matplotlib.lines import Line2D
from test_pictures_latency import dots, spots
from waitbench.judge import evidence, summary
from waitbench.show import by_language
from waitbench.show.pictures import look, marks, open_loop, peers

HIGHER, SERVERS = open_runs.HIGHER, open_runs.SERVERS


def made(path, capacity=HIGHER, **more):
    return evidence.load(open_runs.folder(path / "run", capacity, **more))


def by_name(section):
    return {picture.name: picture for picture in section.pictures}


def test_a_picture_for_each_configuration_and_those_of_the_capacities(tmp_path):
    known = made(tmp_path)
    found = by_name(open_loop.section(known))
    assert list(found) == ["open-loop-p99-n0", "open-loop-p99-n20", "capacity", "capacity-ratios"]
    picture = found["open-loop-p99-n0"]
    with drawing.drawn(picture, known.found) as figure:
        (axes,) = figure.axes
        (objective,) = drawing.of(axes, Line2D, "objective")
        assert set(objective.get_ydata()) == {10} and "SLO 10 ms" in [text.get_text() for text in axes.texts]
        for server in SERVERS:
            own = [entry for entry in known.found.at(server) if entry.point.n == 0]
            runs = [(run["offered_rps"], run["p99_us"] / 1000) for entry in own for run in entry.runs]
            assert numpy.allclose(sorted(dots(axes, f"runs of {server}")), sorted(runs))
            medians = [(entry.median("offered_rps"), entry.median("p99_us") / 1000) for entry in own]
            assert sorted(spots(axes, server)) == pytest.approx(sorted(medians))
            (capacity,) = drawing.of(axes, Line2D, f"capacity of {server}")
            mean = known.found.capacities[own[0].point.configuration, server].mean.ratio
            assert (capacity.get_xdata()[0], capacity.get_ydata()[0]) == (pytest.approx(mean), 10)
    assert [row[:2] for row in picture.table[1:]] == [
        *(["50%", server] for server in SERVERS),
        *(["90%", server] for server in SERVERS),
        *(["capacity", server] for server in SERVERS),
    ]
    assert (
        picture.sentence.startswith("At a load of 90% p99 is ")
        and "within the objective of 10 ms: none" in picture.sentence
    )


def test_capacities_have_every_search_and_the_mean_with_its_interval(tmp_path):
    known = made(tmp_path)
    picture = by_name(open_loop.section(known))["capacity"]
    entries = [
        known.found.capacities[point, s]
        for point in sorted({p for p, _ in known.found.capacities})
        for s in SERVERS
    ]
    assert len(picture.table) - 1 == len(entries) == 4
    with drawing.drawn(picture, known.found) as figure:
        (axes,) = figure.axes
        for server in SERVERS:
            own = [entry for entry in entries if entry.server == server]
            values = sorted(value for entry in own for value in entry.values)
            assert sorted(x for x, _ in dots(axes, f"runs of {server}")) == pytest.approx(values)
            assert sorted(x for x, _ in spots(axes, server)) == pytest.approx(
                sorted(e.mean.ratio for e in own)
            )
            intervals = [list(line.get_xdata()) for line in drawing.of(axes, Line2D, f"interval of {server}")]
            assert sorted(intervals) == sorted([list(entry.mean.interval()) for entry in own])
    ratios = by_name(open_loop.section(known))["capacity-ratios"]
    assert [row[1] for row in ratios.table[1:]] == ["libuv", "libuv"]
    with drawing.drawn(ratios, known.found) as figure:
        found = sorted(x for x, _ in spots(figure.axes[0], "libuv"))
        assert found == pytest.approx(sorted(e.estimate.ratio for e in entries if e.estimate))


def test_a_capacity_that_is_a_bound_is_pale_and_not_compared(tmp_path):
    known = made(tmp_path, bound=open_runs.bounded)
    found = by_name(open_loop.section(known))
    capacity = found["capacity"]
    assert "of 1 of 4 only a bound is known (*)" in capacity.sentence
    assert [row[1] for row in capacity.table[1:] if row[4].startswith("*")] == ["libuv"]
    assert any(row[2].startswith("at least ") for row in capacity.table)
    assert len(found["capacity-ratios"].table) == 2
    with drawing.drawn(capacity, known.found) as figure:
        drawn = [line for line in spots(figure.axes[0], "libuv").values()]
        hollow = [line for line in drawn if line.get_markerfacecolor() == look.PAPER]
        assert len(drawn) == 2 and [line.get_alpha() for line in hollow] == [marks.PALE]


def test_a_server_without_any_capacity_is_in_the_table(tmp_path):
    never = lambda server, point, block: "none" if server == "libuv" else ""  # noqa: E731
    known = made(tmp_path, bound=never)
    found = by_name(open_loop.section(known))
    assert [row[2] for row in found["capacity"].table[1:] if row[1] == "libuv"] == ["none", "none"]
    assert "capacity-ratios" not in found


def test_without_a_search_there_is_no_objective_and_a_closed_loop_has_none_of_it(tmp_path):
    rows = synthetic.runs(open_runs.POINTS, SERVERS)
    known = evidence.load(synthetic.write(tmp_path / "run", rows, open_runs.OPEN))
    found = by_name(open_loop.section(known))
    assert (
        list(found) == ["open-loop-p99-n0", "open-loop-p99-n20"]
        and "objective" not in found["open-loop-p99-n0"].sentence
    )
    closed = synthetic.write(tmp_path / "closed", synthetic.runs(open_runs.CONFIGURATIONS, SERVERS))
    assert open_loop.section(evidence.load(closed)) is None


def test_spoilt_latencies_are_marked(tmp_path):
    rows = synthetic.runs(
        open_runs.POINTS, SERVERS, flags=lambda s, p: "overloaded" if p["load"] == 90 else ""
    )
    known = evidence.load(synthetic.write(tmp_path / "run", rows, open_runs.OPEN))
    picture = open_loop.section(known).pictures[0]
    assert [row[0] for row in picture.table[1:] if row[-1] == "* requests without a response"] == ["90%"] * 2
    assert "threaded*" in picture.sentence and "pale and hollow (*), 2 of 4" in picture.sentence


@pytest.mark.parametrize("slide", [False, True])
def test_an_open_loop_is_legible(tmp_path, slide):
    known = made(tmp_path, blocks=1)
    for picture in open_loop.section(known).pictures:
        assert drawing.faults(picture, known.found, slide) == [], picture.name


# Several languages


def polyglots(tmp_path, *arguments, **more):
    return evidence.load(polyglot.folder(tmp_path, *arguments, **({"blocks": 3} | more)))


def test_each_server_stands_under_its_language(tmp_path):
    known = polyglots(tmp_path)
    section = peers.section(known)
    assert [picture.name for picture in section.pictures] == ["peers-rps", "peers-cpu"]
    picture = section.pictures[0]
    assert [row[1] for row in picture.table[1:]] == known.found.servers[1:]
    with drawing.drawn(picture, known.found) as figure:
        (axes,) = figure.axes
        assert [text.get_text() for text in axes.texts] == ["C", "Go", "Java", "Python", "JavaScript"]
        names = [tick.get_text() for tick in axes.get_yticklabels()]
        assert names[:2] == ["c-loop, event loop", "c-coro, stackful\ncoroutines"]
        means = by_language.mean_to_baseline(known.found, summary.THROUGHPUT)
        for server in known.found.servers[1:]:
            ((x, _),) = spots(axes, server)
            assert x == pytest.approx(means[server].ratio)
            (interval,) = drawing.of(axes, Line2D, f"interval of {server}")
            assert list(interval.get_xdata()) == pytest.approx([means[server].low, means[server].high])
            points = [e.estimates["rps"].ratio for e in known.found.at(server)]
            found = [line.get_xdata()[0] for line in drawing.of(axes, Line2D, f"points of {server}")]
            assert found == pytest.approx(points) and len(found) == 2


def test_a_ratio_that_is_a_bound_is_hollow(tmp_path):
    flags = (
        lambda server, point: "generator-bound" if (server, point["n"]) == ("c-loop", 0) else ""
    )  # noqa: E731
    known = polyglots(tmp_path, flags=flags)
    throughput, cpu = peers.section(known).pictures
    assert "; at 1 of 16 points (*) the generator was the bottleneck" in throughput.sentence
    assert "*" not in cpu.sentence and [row[1] for row in throughput.table if "x* (" in row[-1]] == ["c-loop"]
    with drawing.drawn(throughput, known.found) as figure:
        faces = [
            line.get_markerfacecolor() for line in drawing.of(figure.axes[0], Line2D, "points of c-loop")
        ]
        assert faces[0] == "none" and faces[1] != "none"


def test_one_language_has_no_such_picture_and_an_open_loop_compares_p99(tmp_path):
    assert (
        peers.section(evidence.load(synthetic.write(tmp_path, synthetic.runs([{}], SERVERS, blocks=1))))
        is None
    )
    known = polyglots(tmp_path / "open", [{"load": load} for load in (50, 90)])
    assert [picture.name for picture in peers.section(known).pictures] == ["peers-p99", "peers-cpu"]


@pytest.mark.parametrize("slide", [False, True])
def test_languages_are_legible(tmp_path, slide):
    known = polyglots(tmp_path, [{}], blocks=1)
    for picture in peers.section(known).pictures:
        assert drawing.faults(picture, known.found, slide) == []
