"""Pictures of limits.csv, ahead.csv and saturation.csv, and of all CSVs that have no runs: every row is drawn, and nothing else."""

import statistics
import types

import drawing
import numpy
import pytest
from matplotlib.lines import Line2D
from test_pictures_latency import dots, spots
from waitbench import ROOT, Failure
from waitbench.base import results
from waitbench.judge import limits as judge_limits
from waitbench.judge import saturation as judge_saturation
from waitbench.show.pictures import limits, look, marks, primitives, saturation

COLOURS = {"threaded": "#0060a8", "libuv": "#c04f00", "coro": "#007a52"}
MANY = [f"server-{number}" for number in range(1, 13)]


def of(servers):
    """What drawing needs to know of a run."""
    return types.SimpleNamespace(
        servers=list(servers), colours={s: COLOURS.get(s, "#445566") for s in servers}
    )


def write(path, columns, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(results.line(columns, row) for row in [dict(zip(columns, columns)), *rows]))
    return path.parent


def by_name(section):
    return {picture.name: picture for picture in section.pictures}


def bars_of(axes, label):
    return [bar for bars in axes.containers if bars.get_label() == label for bar in bars]


# Limits


def held(server, kind, repeat, step, asked, held, rss, **more):
    return {name: "" for name in judge_limits.COLUMNS} | locals() | {"rss_kib": rss, "raised": ""} | more


def limit_rows(servers=("threaded", "libuv"), kinds=("idle", "waiting"), repeats=(1, 2)):
    rows = []
    for server in servers:
        each = 20 if server == "threaded" else 1
        for kind in kinds:
            for repeat in repeats:
                rows.append(held(server, kind, repeat, 0, 0, 0, 1000))
                rows.append(
                    held(server, kind, repeat, 1, 100, 100, 1000 + 100 * each, rps=5000 * repeat, p99_us=300)
                )
                end = {
                    "side": "server",
                    "limit": "RLIMIT_NOFILE",
                    "evidence": "accept4",
                    "rps": 4000,
                    "p99_us": 400,
                }
                rows.append(held(server, kind, repeat, 2, 1000, 900 + repeat, 1000 + 900 * each, **end))
    return rows


def ahead_rows(servers=("threaded", "libuv"), count=3):
    return [
        {
            "server": server, "kind": "waiting", "raised": "", "repeat": repeat, "place": place, "limit": f"limit_{place}",
            "value": 1000 * place, "at_none": 5, "per_connection": place, "connections": 1000**place + repeat,
        }
        for server in servers for repeat in (1, 2) for place in range(1, count + 1)
    ]  # fmt: skip


def limit_section(tmp_path, rows=None, ahead=None):
    folder = write(tmp_path / judge_limits.FILE, judge_limits.COLUMNS, limit_rows() if rows is None else rows)
    write(
        folder / judge_limits.AHEAD_FILE, judge_limits.AHEAD_COLUMNS, ahead_rows() if ahead is None else ahead
    )
    return by_name(limits.section(folder))


def test_what_each_server_held_and_what_stopped_it(tmp_path):
    picture = limit_section(tmp_path)["limits-reached"]
    assert picture.sentence == "Each held 902 connections: RLIMIT_NOFILE."
    assert [line[:4] for line in picture.table[1:]] == [
        [f"{kind} connections", server, "902 [901, 902]", "RLIMIT_NOFILE"]
        for kind in ("idle", "waiting") for server in ("threaded", "libuv")
    ]  # fmt: skip
    with drawing.drawn(picture, of(COLOURS)) as figure:
        (axes,) = figure.axes
        assert axes.get_xlim()[0] == 0
        for server in ("threaded", "libuv"):
            assert [bar.get_width() for bar in bars_of(axes, server)] == [901.5, 901.5]
        assert sum("RLIMIT_NOFILE" in text.get_text() for text in axes.texts) == 4


def test_a_server_that_nothing_stopped_is_said_so(tmp_path):
    rows = [line | {"limit": "", "side": ""} if line["server"] == "libuv" else line for line in limit_rows()]
    picture = limit_section(tmp_path, rows)["limits-reached"]
    assert {line[3] for line in picture.table[1:] if line[1] == "libuv"} == {"nothing stopped it"}


def test_the_limits_that_come_next_are_in_order_with_their_spread(tmp_path):
    picture = limit_section(tmp_path)["limits-next-waiting"]
    assert len(picture.table) == 1 + 6 and picture.source == "ahead.csv"
    with drawing.drawn(picture, of(COLOURS)) as figure:
        (axes,) = figure.axes
        assert axes.get_xscale() == "log"
        for server in ("threaded", "libuv"):
            medians = [line.get_xdata()[0] for line in drawing.of(axes, Line2D, server)]
            assert medians == [1000**place + 1.5 for place in (1, 2, 3)]
            reach = [list(line.get_xdata()) for line in drawing.of(axes, Line2D, f"reach of {server}")]
            assert reach == [[1000**place + 1, 1000**place + 2] for place in (1, 2, 3)]


def test_many_limits_of_many_servers_have_a_picture_each(tmp_path):
    found = limit_section(tmp_path, limit_rows(MANY), ahead_rows(MANY, 8))
    own = [name for name in found if name.startswith("limits-next")]
    assert len(own) == len(set(own)) == 12
    assert sum(len(found[name].table) - 1 for name in own) == 12 * 8


def test_memory_over_connections_is_a_slope_from_0(tmp_path):
    found = limit_section(tmp_path)
    picture = found["limits-rss-waiting"]
    with drawing.drawn(picture, of(COLOURS)) as figure:
        (axes,) = figure.axes
        assert axes.get_xlim()[0] == axes.get_ylim()[0] == 0
        assert axes.get_xscale() == axes.get_yscale() == "linear"
        assert sorted(spots(axes, "threaded")) == pytest.approx([(100, 2000 / 1024), (901.5, 18000 / 1024)])
    assert "limits-kernel-waiting" not in found, "its column is empty"
    rates = found["limits-rps-idle"]
    assert (
        next(line for line in rates.table if line[:3] == ["libuv", "nothing", "100"])[3]
        == "7,500 [5,000, 10,000]"
    )


# Saturation


def ideal(server, part, t, c, block, flags=""):
    """A request costs more where few are under way."""
    cpu = {"threaded": 40.0}.get(server, 20.0) * (2 if c == 4 else 1)
    per_s = min(c / (t / 1000), 1e6 / cpu) * (1 + 0.01 * block)
    return judge_saturation.Figure(
        block,
        part,
        server,
        t,
        c,
        per_s,
        cpu,
        t * 1000 + cpu,
        t * 1500.0,
        10_000 + 4.0 * c,
        5.0 * c,
        3.0,
        flags,
    )


def figures(servers=("threaded", "libuv"), blocks=(1, 2)):
    made = [
        ideal(s, "knee", t, c, b) for s in servers for t in (1, 20) for c in (4, 1000, 3000) for b in blocks
    ]
    for server in servers:
        for c in (100, 10_000):
            flags = "generator-bound machine-busy" if (server, c) == ("libuv", 10_000) else ""
            made += [ideal(server, "waiting", 500, c, block, flags) for block in blocks]
    return made


def saturated(tmp_path, rows=None):
    rows = figures() if rows is None else rows
    columns = judge_saturation.Figure._fields
    return write(tmp_path / judge_saturation.FILE, columns, [one._asdict() for one in rows])


def test_every_run_and_median_of_many_waiting_requests(tmp_path):
    found = by_name(saturation.section(saturated(tmp_path)))
    assert list(found)[:2] == ["saturation-waiting-t500-rps", "saturation-waiting-t500-cpu"]
    picture = found["saturation-waiting-t500-rps"]
    own = [one for one in figures() if one.part == "waiting"]
    with drawing.drawn(picture, of(COLOURS)) as figure:
        (axes,) = figure.axes
        for server in ("threaded", "libuv"):
            runs = [(one.c, one.per_s) for one in own if one.server == server]
            assert numpy.allclose(sorted(dots(axes, f"runs of {server}")), sorted(runs))
            medians = [(c, statistics.median(y for x, y in runs if x == c)) for c in (100, 10_000)]
            assert sorted(spots(axes, server)) == pytest.approx(medians)
        pale = [
            x for (x, _), line in spots(axes, "libuv").items() if line.get_markerfacecolor() == look.PAPER
        ]
        assert pale == [10_000] and spots(axes, "libuv")[pale[0], medians[1][1]].get_alpha() == marks.PALE
        (asked,) = drawing.of(axes, Line2D, "asked for")
        assert list(asked.get_ydata()) == [200, 20_000]
    assert [line[:2] for line in picture.table[1:] if line[-1].startswith("*")] == [["10,000", "libuv"]]
    assert "libuv*" in picture.sentence and "at 1 of 4 marks" in picture.sentence
    cpu = found["saturation-waiting-t500-cpu"]
    assert "*" not in cpu.sentence, "the server's CPU is right whichever program was the bottleneck"
    with drawing.drawn(cpu, of(COLOURS)) as figure:
        assert figure.axes[0].get_ylim()[0] == 0 and figure.axes[0].get_yscale() == "linear"


def test_the_knee_is_marked_where_the_formula_says(tmp_path):
    found = by_name(saturation.section(saturated(tmp_path)))
    knees = {(knee.server, knee.t): knee for knee in judge_saturation.knees(figures())}
    with drawing.drawn(found["saturation-knee-t20-rps"], of(COLOURS)) as figure:
        (axes,) = figure.axes
        for server in ("threaded", "libuv"):
            (line,) = drawing.of(axes, Line2D, f"predicted knee of {server}")
            assert line.get_xdata()[0] == pytest.approx(knees[server, 20].busy_predicted.ratio)
            (ring,) = drawing.of(axes, Line2D, f"knee of {server}")
            assert ring.get_xdata()[0] == pytest.approx(knees[server, 20].measured.ratio)
            low, high = axes.get_xlim()
            assert low < line.get_xdata()[0] < high
    picture = found["saturation-knees"]
    assert len(picture.table) == 1 + len(knees)
    with drawing.drawn(picture, of(COLOURS)) as figure:
        for server in ("threaded", "libuv"):
            own = [knee for knee in knees.values() if knee.server == server]
            values = [e.ratio for knee in own for e in (knee.busy_predicted, knee.measured)]
            assert sorted(x for x, _ in spots(figure.axes[0], server)) == pytest.approx(sorted(values))


def test_one_part_alone_and_one_block(tmp_path):
    rows = [one for one in figures(blocks=[1]) if one.part == "waiting"]
    found = by_name(saturation.section(saturated(tmp_path, rows)))
    assert len(found) == 5 and not any("knee" in name for name in found)
    rows = [one for one in figures(blocks=[1]) if one.part == "knee"]
    found = by_name(saturation.section(saturated(tmp_path / "knee", rows)))
    assert len(found) == 1 + 2 * 2 and "[one block]" in found["saturation-knees"].table[1][3]


# All of them


SECTIONS = {"micro": primitives, "limits": limits, "saturation": saturation}


@pytest.mark.parametrize("name", SECTIONS)
def test_without_the_csv_there_is_no_section_and_a_wrong_one_is_a_sentence(tmp_path, name):
    assert SECTIONS[name].section(tmp_path) is None
    (tmp_path / f"{name}.csv").write_text("a;b\n")
    with pytest.raises(Failure, match=f"{name}.csv, line 1: semicolons separate the columns"):
        SECTIONS[name].section(tmp_path)


@pytest.mark.parametrize("slide", [False, True])
@pytest.mark.parametrize("name", SECTIONS)
def test_the_published_pictures_are_legible(name, slide):
    folder = ROOT / "results" / f"{name}-two-cpus"
    known = of(SECTIONS[name].servers(folder) if name != "micro" else [])
    for picture in SECTIONS[name].section(folder).pictures[:4]:
        assert drawing.faults(picture, known, slide) == [], picture.name


@pytest.mark.parametrize("slide", [False, True])
def test_twelve_servers_with_names_like_formulas_are_legible(tmp_path, slide):
    names = [*MANY[:10], "a$b$", "_b^c"]
    folder = saturated(tmp_path, [ideal(name, "waiting", 500, c, 1) for name in names for c in (100, 10_000)])
    write(folder / judge_limits.FILE, judge_limits.COLUMNS, limit_rows(names, ["idle"], [1]))
    for module in (limits, saturation):
        assert set(module.servers(folder)) == set(names)
        for picture in module.section(folder).pictures[:2]:
            assert drawing.faults(picture, of(names), slide) == [], picture.name
