"""report.html: one page that needs nothing else, well-formed, with a mark for every number it claims."""

import html.parser
import re
import xml.etree.ElementTree as ElementTree

import pytest
import synthetic
from waitbench.judge import summary
from waitbench.plan import server_list
from waitbench.show import charts, colours, report, svg, table

POINTS = [{"n": n, "c": c} for n in (0, 1, 20) for c in (16, 256)]
SPEEDS = {"threaded": 1000, "libuv": 1300, "coro": lambda point: 1200 - 20 * point["n"]}
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(html.parser.HTMLParser):
    """Fails on a tag that is not closed, or closed by another."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.tags, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def folder(tmp_path, points=POINTS, speeds=SPEEDS, environment=synthetic.ENVIRONMENT, **kwargs):
    return synthetic.write(
        tmp_path / "run", synthetic.runs(points, speeds, **({"blocks": 4} | kwargs)), environment
    )


def text(tmp_path, *arguments, **kwargs):
    return report.write(folder(tmp_path, *arguments, **kwargs)).read_text()


def test_one_page_that_needs_nothing_else(tmp_path):
    made = text(tmp_path)
    page = Page(made)
    assert not page.links and "script" not in page.tags and "@import" not in made
    assert not re.search(r"(https?:)?//[a-z]", made), "nothing is fetched from anywhere"
    assert "prefers-color-scheme: dark" in made and "width=device-width" in made


def test_the_answer_comes_first_and_every_server_has_its_row(tmp_path):
    said = " ".join(Page(text(tmp_path)).words)
    heads = [
        "Answer",
        "Ratios",
        "Throughput and CPU",
        "Latency",
        "Memory by connections",
        "Where the CPU went",
        "Numbers",
    ]
    places = [said.index(head) for head in heads]
    assert places == sorted(places)
    assert "LIBUV against threaded" in said and "exploratory" in said
    assert "Made-up CPU" in said


def test_with_and_without_nginx_stand_side_by_side(tmp_path):
    speeds = {"threaded": 1000, "libuv": lambda point: 1500 if point["proxy"] == "none" else 1100}
    both = [{"n": n, "proxy": proxy} for n in (1, 20) for proxy in ("none", "nginx")]
    folder = synthetic.write(tmp_path / "both", synthetic.runs(both, speeds, noise=1e-4))
    made = report.write(folder).read_text()
    assert "What nginx in front changes" in Page(made).words
    rows = re.findall(
        r"<tr><td>(n=\d+)</td><th scope='row'>(\w+)</th>(.*?)</tr>", made.split("What nginx")[1]
    )
    assert [row[:2] for row in rows[:4]] == [
        (f"n={n}", server) for n in (1, 20) for server in ("threaded", "libuv")
    ]
    cells = re.findall(r"<td>(.*?)</td>", rows[1][2])
    assert [cell[:4] for cell in cells[2:5]] == [
        "0.73",
        "1.50",
        "1.10",
    ], "nginx / direct, ratio without, ratio with"
    shown = table.text(summary.write(folder)).split("what nginx in front changes")[1]
    assert re.search(r"n=1 +threaded.*\n +libuv .*0\.73x .* 1\.50x .* 1\.10x", shown)


@pytest.mark.parametrize("proxy", ["none", "nginx"])
def test_without_a_comparison_nginx_is_not_mentioned(tmp_path, proxy):
    made = text(tmp_path, [{"n": n, "proxy": proxy} for n in (1, 20)])
    assert "What nginx in front changes" not in made


def test_pictures_are_announced(tmp_path):
    pictures = re.findall(r"<svg role=.*?</svg>", text(tmp_path), re.S)
    assert len(pictures) >= 10
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        assert root.get("role") == "img" and len(root.get("aria-label")) > 20


def test_a_mark_for_every_ratio_and_every_run(tmp_path):
    found = summary.load(folder(tmp_path))
    for measure in summary.MEASURES:
        drawing = str(charts.forest(found, measure))
        assert len(re.findall(r'<path d=[^>]*class="s', drawing)) == len(found.points) * 2
        assert "libuv at n=20 m=1024 c=256" in drawing
    runs = sum(len(entry.runs) for entry in found.entries.values())
    assert len(re.findall(r"<path d=", str(charts.latencies(found)))) == 2 * runs


def test_all_that_is_drawn_lies_within_the_picture(tmp_path):
    found = summary.load(folder(tmp_path, noise=0.3, blocks=2))
    drawings = [charts.forest(found, measure) for measure in summary.MEASURES]
    drawings += [charts.latencies(found), charts.shares(found), *charts.along(found, "n", "rps")]
    for drawing in drawings:
        for x, y in re.findall(r"translate\(([^,]+),([^)]+)\)", str(drawing)):
            assert 0 <= float(x) <= drawing.width and 0 <= float(y) <= drawing.height


def test_names_are_escaped(tmp_path):
    environment = synthetic.ENVIRONMENT | {"system": '<script>alert(1)</script> & "more"'}
    page = Page(text(tmp_path, environment=environment))
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in " ".join(page.words)


def test_where_wrk_was_the_bottleneck(tmp_path):
    made = text(tmp_path, flags=lambda server, point: "generator-bound" if point["n"] == 0 else "")
    assert "not compared" in made and "wrk was the bottleneck at 2 of 6 points" in made
    found = summary.load(tmp_path / "run")
    p99 = str(charts.forest(found, charts.MEASURES["p99"]))
    assert "n=0 m=1024" not in p99 and "n=1 m=1024" in p99


@pytest.mark.parametrize(
    "points,speeds,blocks",
    [
        ([{}], {"threaded": 1000}, 1),
        ([{}], {"threaded": 1000, "libuv": 1000}, 1),
        ([{}], {"a": 1, "b": 1e6}, 2),
        ([{"n": 0}, {"n": 7, "c": 5}], SPEEDS, 2),
        ([{"c": c} for c in (1, 10, 100, 1000, 10000)], SPEEDS | {f"other-{i}": 900 for i in range(6)}, 3),
    ],
)
def test_runs_of_any_shape(tmp_path, points, speeds, blocks):
    Page(text(tmp_path, points, speeds, blocks=blocks))


def test_columns_without_a_value(tmp_path):
    rows = synthetic.runs(POINTS, SPEEDS, blocks=2)
    for row in rows:
        for name in ("p99_us", "db_cpu_share", "rss_kib", "kernel_kib", "cpu_user_us_per_req"):
            row[name] = None
    Page(report.write(synthetic.write(tmp_path / "run", rows, None)).read_text())


def test_scales():
    scale = svg.Scale([10, 1000], 0, 100)
    assert scale(100) == pytest.approx(50) and 0 < scale(10) < scale(1000) < 100
    assert 10 in [round(tick) for tick in scale.ticks()] and len(scale.ticks()) <= 6
    assert svg.Scale([5], 0, 100).ticks() and svg.Scale([], 0, 100)(1) == pytest.approx(50)
    for ends in ([0.99, 1.01], [0.5, 3], [1e-3, 1e3], [1.4, 1.6]):
        ratio = svg.RatioScale(ends, 0, 300)
        assert 1 in ratio.ticks() and all(0 <= ratio(tick) <= 300 for tick in ratio.ticks())


LISTED = {"threaded": "#0063a8", "libuv": "#ffee00", "coro": "#000000"}


def test_colours_are_those_of_the_list_and_legible_on_both_papers(tmp_path):
    assert colours.contrast("#ffffff", "#000000") == pytest.approx(21)
    for colour in (*LISTED.values(), *colours.SPARE, "#ffffff", "#777777", "#ff0000"):
        for paper in (colours.LIGHT, colours.DARK):
            assert colours.contrast(colours.legible(colour, paper), paper) >= 4.5
    assert colours.legible("#0063a8", colours.LIGHT) == "#0063a8"
    style = (
        charts.__file__.rpartition("/")[0] + "/report.css",
        f"--paper: {colours.DARK};",
        "--paper: #fff;",
    )
    assert all(words in open(style[0]).read() for words in style[1:])
    made = text(tmp_path)
    for index, entry in enumerate(server_list.read()):
        assert f".s{index} {{ --own: {colours.legible(entry.colour, colours.LIGHT)}; }}" in made
        assert f"  .s{index} {{ --own: {colours.legible(entry.colour, colours.DARK)}; }}" in made


def test_servers_that_are_not_listed_have_colours_of_their_own():
    names = ["threaded", "a", "libuv", *"bcdef"]
    found = colours.of_servers(names, LISTED)
    assert (found[0], found[2]) == ("#0063a8", "#ffee00")
    assert len(set(found)) == len(names) - 1 and "#0063a8" not in found[1:]
    assert len(colours.of_servers("abcdefgh", {})) == 8
