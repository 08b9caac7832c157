"""Pictures of bars: their lengths are the means of the CSV, follow each other from 0, and stand in the table."""

import statistics

import drawing
import pytest
import synthetic
from waitbench.show.pictures import bars, cost, groups, request_time, shares, switches

POINTS = [{"n": 5, "c": c, "m": m} for c in (16, 256) for m in (64, 1024)]
SPEEDS = {"threaded": 1000, "libuv": 1300, "coro": 1200}


def runs(points=POINTS, speeds=SPEEDS, blocks=3, **kwargs):
    return synthetic.runs(points, speeds, blocks=blocks, noise=0.2, **kwargs)


def folder(tmp_path, rows=None, details=drawing.detail, **kwargs):
    return drawing.folder(tmp_path / "run", rows or runs(), details, **kwargs)


def of(known, entry, column):
    """The mean over the runs, computed from the files alone."""
    values = [
        run[column] if column in run else known.details[run["block"], entry.server][column]
        for run in entry.runs
    ]
    return statistics.fmean(values)


def lengths(axes, sheet, part):
    """entry -> the begin and the end of its bar of a part"""
    places = [y for y, row in enumerate(bars.rows(sheet)) if not isinstance(row, str)]
    found = {}
    for x, y, width, height in drawing.boxes(axes, part):
        entry = sheet.entries[min(range(len(places)), key=lambda place: abs(places[place] - y - height / 2))]
        found[id(entry)] = x, x + width
    return found


def follow_each_other(axes, sheet, parts):
    """part -> entry -> length; the first begins at 0, and each where the one before it ends."""
    ends, found = {id(entry): 0.0 for entry in sheet.entries}, {}
    for part in parts:
        found[part] = {}
        for entry, (begin, end) in lengths(axes, sheet, part).items():
            assert begin == pytest.approx(ends[entry])
            ends[entry], found[part][entry] = end, end - begin
    return found


def test_cpu_per_request_is_stacked_from_0_as_the_csv_and_the_table_have_it(tmp_path):
    known = folder(tmp_path)
    (sheet,) = groups.sheets(known.found, groups.entries(known.found), ["n"])
    (picture,) = cost.section(known).pictures
    with drawing.drawn(picture, known.found) as figure:
        (axes,) = figure.axes
        assert axes.get_xlim()[0] == 0 and axes.get_xscale() == "linear"
        drawn = follow_each_other(axes, sheet, [*cost.COLUMNS, cost.OTHERS])
        numbers = [text for text in axes.texts if text.get_text().replace(",", "").isdecimal()]
        assert len(numbers) == 12 and all(text.get_window_extent().x0 > axes.bbox.x1 for text in numbers)
    for place, entry in enumerate(sheet.entries):
        expected = {
            part: of(known, entry, column) for part, column in cost.COLUMNS.items() if part != "proxy"
        }
        expected["others"] = statistics.fmean(0.02 * 2 * 1e6 / run["rps"] for run in entry.runs)
        assert {part: drawn[part][id(entry)] for part in expected} == pytest.approx(expected)
        row = dict(zip(picture.table[0], picture.table[place + 1]))
        assert row["point"] == str(entry.point) and row["server"] == entry.server and row["proxy, µs"] == "?"
        assert float(row["server, user, µs"]) == pytest.approx(expected["server, user"], rel=0.006)
    assert [key.label for key in picture.key] == [
        "server, user",
        "server, kernel",
        "database",
        "generator",
        "others",
    ]


def test_a_part_that_is_not_known_is_not_drawn_and_the_sentence_says_so(tmp_path):
    known = folder(tmp_path, details=None, environment=None)
    (picture,) = cost.section(known).pictures
    assert [key.label for key in picture.key] == ["server, user", "server, kernel"]
    assert "of the database and generator is not known everywhere" in picture.sentence
    assert picture.source == "runs.csv"


def test_switches_and_system_calls(tmp_path):
    points = [{"n": n} for n in (1, 5)]
    rows = runs(points)
    calls = [synthetic.POINT | {"n": 5, "server": "coro", "syscalls_per_req": 4.25}]
    known = folder(tmp_path, rows, syscalls=calls)
    first, second, third = switches.section(known).pictures
    assert [first.title, third.title] == [
        "Context switches per request at n=1",
        "System calls per request at n=5",
    ]
    sheets = groups.sheets(known.found, groups.entries(known.found), ["n"])
    with drawing.drawn(second, known.found) as figure:
        drawn = follow_each_other(figure.axes[0], sheets[1], switches.COLUMNS)
    for entry in sheets[1].entries:
        assert drawn[switches.VOLUNTARY][id(entry)] == pytest.approx(
            of(known, entry, "ctx_voluntary_per_req")
        )
        assert drawn[switches.INVOLUNTARY][id(entry)] == pytest.approx(
            of(known, entry, "ctx_involuntary_per_req")
        )
    with drawing.drawn(third, known.found) as figure:
        ((x, _, width, _),) = drawing.boxes(figure.axes[0], switches.CALLS)
        assert (x, width) == (0, 4.25)
    assert third.table[1][1:] == ["coro", "4.25"] and third.source == "syscalls.csv"


def test_shares_are_those_of_the_csv_and_the_rest_is_others(tmp_path):
    known = folder(tmp_path)
    (sheet,) = groups.sheets(known.found, groups.entries(known.found), ["n"])
    (picture,) = shares.section(known).pictures
    with drawing.drawn(picture, known.found) as figure:
        drawn = follow_each_other(figure.axes[0], sheet, shares.PARTS)
        assert figure.axes[0].get_xlim() == (0, 1)
    for entry in sheet.entries:
        found = {part: drawn[part][id(entry)] for part in shares.PARTS if drawn[part]}
        assert found == pytest.approx(
            {"server": 0.2, "database": 0.5, "generator": 0.1, "others": 0.15, "idle": 0.05}
        )
    assert picture.table[1][2:] == ["20.0%", "50.0%", "", "10.0%", "15.0%", "5.0%"]


def test_shares_need_every_part(tmp_path):
    rows = runs()
    for row in rows:
        row["db_cpu_share"] = None
    assert shares.section(folder(tmp_path, rows)) is None


def request_times(tmp_path, change=lambda row: {}, points=POINTS):
    rows = runs(points)
    return folder(tmp_path, rows, lambda row: drawing.detail(row) | change(row))


def test_the_parts_of_a_request_add_up_to_its_mean_latency(tmp_path):
    known = request_times(tmp_path)
    (sheet, _) = groups.sheets(known.found, groups.entries(known.found), ["n", "c"])
    pictures = request_time.section(known).pictures
    assert [picture.name for picture in pictures] == ["request-time-c16", "request-time-c256"]
    with drawing.drawn(pictures[0], known.found) as figure:
        (axes,) = figure.axes
        parts = request_time.POOL, request_time.QUERIES, request_time.REST
        drawn = follow_each_other(axes, sheet, parts)
        under = follow_each_other(axes, sheet, [request_time.CPU, request_time.READY])
        strokes = sorted(line.get_xdata()[0] for line in axes.lines)
        assert axes.get_xlim()[0] == 0
    means = {id(entry): of(known, entry, "mean_us") / 1000 for entry in sheet.entries}
    assert strokes == pytest.approx(sorted(means.values()))
    for entry, mean in means.items():
        assert [drawn[part][entry] for part in parts] == pytest.approx(
            [0.5 * mean, 0.3 * mean, 0.2 * mean], rel=1e-4
        )
        assert under[request_time.READY][entry] == pytest.approx(0.1 * mean, rel=1e-4)
    assert "The wait for a database connection is the largest part at 6 of 6 bars" in pictures[0].sentence


def test_a_delay_in_the_database_stands_apart_from_its_work_and_so_does_t(tmp_path):
    known = request_times(tmp_path, points=[{"n": 5, "d": 1, "t": 2, "c": 64}])
    ((_, entry),) = list(known.found.entries.items())[:1]
    found = request_time.times(known, entry)
    queries = of(known, entry, "query_us_per_req") / 1000
    assert found.parts[request_time.DELAY] == 5 and found.parts[request_time.QUERIES] == pytest.approx(
        queries - 5
    )
    assert found.parts[request_time.ASLEEP] == 2 and sum(found.parts.values()) == pytest.approx(found.mean)


def test_parts_that_exceed_the_latency_are_drawn_as_they_are(tmp_path):
    known = request_times(tmp_path, lambda row: {"pool_wait_us_per_req": 3 * row["mean_us"]}, [{"c": 64}])
    (picture,) = request_time.section(known).pictures
    with drawing.drawn(picture, known.found) as figure:
        widths = [width for _, _, width, _ in drawing.boxes(figure.axes[0], request_time.POOL)]
        strokes = [line.get_xdata()[0] for line in figure.axes[0].lines]
        assert sorted(widths) == pytest.approx(sorted(3 * mean for mean in strokes), rel=1e-4)
        assert figure.axes[0].get_xlim()[1] > max(widths)
    assert "at 3 the parts are longer than the latency measured" in picture.sentence


def test_a_server_that_does_not_count_its_waits_has_an_undivided_bar(tmp_path):
    nothing = {"pool_wait_us_per_req": None, "query_us_per_req": None, "runqueue_wait_us_per_req": None}
    known = request_times(tmp_path, lambda row: nothing if row["server"] == "coro" else {}, [{"c": 64}])
    (picture,) = request_time.section(known).pictures
    with drawing.drawn(picture, known.found) as figure:
        ((_, _, width, _),) = drawing.boxes(figure.axes[0], request_time.UNKNOWN)
        assert width in [pytest.approx(line.get_xdata()[0]) for line in figure.axes[0].lines]
    known = request_times(tmp_path / "none", lambda row: nothing, [{"c": 64}])
    assert request_time.section(known) is None


def test_spoilt_points_are_pale_and_starred(tmp_path):
    flags = lambda server, point: "too-short" if server == "coro" else ""
    known = folder(tmp_path, runs([{"c": 64}], flags=flags))
    (picture,) = request_time.section(known).pictures
    with drawing.drawn(picture, known.found) as figure:
        alphas = [
            artist.get_alpha()
            for artist in drawing.of(figure.axes[0], drawing.PolyCollection, request_time.POOL)
        ]
        assert sorted(alphas, key=bool) == [None, bars.PALE]
        assert sum(text.get_text().endswith("ms *") for text in drawing.texts(figure)) == 1
    assert [row[0].endswith("*") for row in picture.table[1:]] == [False, False, True]
    assert "at 1 of 3 the run was too short" in picture.sentence
    for module in (cost, switches, shares):
        (other,) = module.section(known).pictures
        assert "at 1 of 3 the run was too short" in other.sentence


def test_no_row_is_dropped_and_none_has_too_little_room(tmp_path):
    points = [{"n": n, "m": m, "c": c} for n in (0, 1) for m in (0, 64) for c in range(1, 9)]
    for count in (1, 3, 12, 30):
        rows = synthetic.runs(points, {f"server-{place}": 1000 for place in range(count)}, blocks=1)
        known = drawing.folder(tmp_path / str(count), rows)
        entries = groups.entries(known.found)
        sheets = groups.sheets(known.found, entries, ["n"])
        assert [entry for sheet in sheets for entry in sheet.entries] == entries and len(
            entries
        ) == 32 * count
        assert all(len(bars.rows(sheet)) <= groups.ROWS_MOST for sheet in sheets)
        assert len({sheet.name for sheet in sheets}) == len(sheets)
        sizes = [len(sheet.entries) for sheet in sheets]
        assert count > 12 or max(sizes) <= 2 * min(sizes)
