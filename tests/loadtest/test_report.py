"""report.html: one page that needs nothing else, well-formed, whose pictures say what they show."""

import html.parser
import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
import synthetic
from waitbench.plan import server_list
from waitbench.show import colours, report
from waitbench.show.pictures import look

POINTS = [{"n": n, "c": c} for n in (0, 1, 20) for c in (16, 256)]
SPEEDS = {"threaded": 1000, "libuv": 1300, "coro": lambda point: 1200 - 20 * point["n"]}
OPEN = synthetic.ENVIRONMENT | {"settings": synthetic.ENVIRONMENT["settings"] | {"MODE": "open", "SLO": "10"}}
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(html.parser.HTMLParser):
    """Fails on a tag that is not closed, or closed by another, and on two elements with one name."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.tags, self.words, self.names = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open
        assert len(self.names) == len(set(self.names))

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "action")]
        self.names += [value for name, value in attributes if name == "id"]
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
    files = {"summary.csv", "runs.csv", "detail.csv", "syscalls.csv", "series.csv", "histogram.csv"}
    assert set(page.links) <= files and "runs.csv" in page.links
    assert "@import" not in made and "link" not in page.tags
    names = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\"' ]+", made)) <= names, "nothing is fetched from anywhere"
    assert "prefers-color-scheme: dark" in made and "width=device-width" in made


def test_the_answer_comes_first(tmp_path):
    made = text(tmp_path)
    said, heads = " ".join(Page(made).words), re.findall("<h2>(.*?)</h2>", made)
    wanted = ["How to read it", "One configuration", "Ratios", "In words", "Numbers", "Environment"]
    assert [head for head in heads if head in wanted] == wanted
    assert "threads" in said.partition("How to read it")[0]
    assert "Made-up CPU" in said


def test_figures_are_written_beside_it_for_slides(tmp_path):
    made = folder(tmp_path, points=[{}])
    page = Page(report.write(made, report.SLIDES).read_text())
    linked = {link for link in page.links if link.startswith("figures/")}
    assert linked == {f"figures/{path.name}" for path in (made / "figures").iterdir()} and linked
    assert {link[-3:] for link in linked} == {"svg", "png"}
    slide = (made / "figures" / "forest-rps.svg").read_text()
    root = ElementTree.fromstring(slide)
    assert root.get("viewBox") == "0 0 1280 720"
    assert "Made-up CPU" in slide and "var(--" not in slide
    sizes = [float(size) for size in re.findall(r"(?:font: |font-size: )(?:\d+ )?([\d.]+)px", slide)]
    assert min(sizes) >= 18
    png = (made / "figures" / "forest-rps.png").read_bytes()
    assert (int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")) == (1920, 1080)


def test_without_pictures_there_are_their_tables(tmp_path):
    made = report.write(folder(tmp_path), report.NONE).read_text()
    assert "<svg role" not in made and made.count("<summary>The numbers</summary>") >= 8 and Page(made)


def test_with_and_without_nginx_stand_side_by_side(tmp_path):
    speeds = {"threaded": 1000, "libuv": lambda point: 1500 if point["proxy"] == "none" else 1100}
    both = [{"n": n, "proxy": proxy} for n in (1, 20) for proxy in ("none", "nginx")]
    made = report.write(
        synthetic.write(tmp_path / "both", synthetic.runs(both, speeds, noise=1e-4))
    ).read_text()
    rows = re.findall(
        r"<tr><td>(n=\d+)</td><th scope='row'>(\w+)</th>(.*?)</tr>",
        made.split("What nginx in front changes")[1],
    )
    assert [row[:2] for row in rows[:4]] == [
        (f"n={n}", server) for n in (1, 20) for server in ("threaded", "libuv")
    ]
    cells = re.findall(r"<td>(.*?)</td>", rows[1][2])
    assert [cell[:4] for cell in cells[2:5]] == [
        "0.73",
        "1.50",
        "1.10",
    ], "nginx / direct, ratio without, with"


@pytest.mark.parametrize("proxy", ["none", "nginx"])
def test_without_a_comparison_nginx_is_not_mentioned(tmp_path, proxy):
    made = text(tmp_path, [{"n": n, "proxy": proxy} for n in (1, 20)])
    assert "What nginx in front changes" not in made


def test_pictures_are_announced_and_say_what_they_show(tmp_path):
    made = text(tmp_path)
    pictures = re.findall(r"<figure id='picture-([^']+)'.*?</figure>", made, re.S)
    drawings = re.findall(r"<svg role=.*?</svg>", made, re.S)
    assert len(pictures) == len(drawings) >= 8 and len(set(pictures)) == len(pictures)
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.get("role") == "img" and len(root.get("aria-label")) > 20
        assert not re.search(
            r"#[0-9a-f]{6}\b", re.sub(r"#[mph][0-9a-f]{10}", "", drawing)
        ), "a colour of the scheme"
    assert made.count("<summary>The numbers</summary>") == len(drawings)


def test_every_measured_configuration_can_be_chosen(tmp_path):
    made = text(tmp_path)
    data = json.loads(re.search(r"id='picker-data'>(.*?)</script>", made)[1])
    assert data["axes"] == ["n", "c"] and len(data["said"]) == len(POINTS)
    first, second, _ = data["said"]["20 256"]
    assert first.startswith("threaded: ") and second.startswith("libuv, relative to threaded: 1.")


def test_names_are_escaped(tmp_path):
    environment = synthetic.ENVIRONMENT | {"system": '<b>alert(1)</b></script> & "more"'}
    made = text(tmp_path, environment=environment)
    assert '<b>alert(1)</b></script> & "more"' in " ".join(Page(made).words)
    odd = {"threaded": 1000, "a$b_c^d": 1100}
    page = Page(
        report.write(synthetic.write(tmp_path / "odd", synthetic.runs([{}], odd, blocks=2))).read_text()
    )
    assert "a$b_c^d" in " ".join(page.words)


def test_of_an_open_loop_the_highest_loads_are_seen_first(tmp_path):
    points = [{"n": n, "load": load} for n in (0, 1, 20) for load in (10, 50, 75, 90, 95)]
    made = text(tmp_path, points=points, environment=OPEN)
    first = re.search(r"<figure id='picture-overview'.*?</figure>", made, re.S)[0]
    assert "n=20 load=95%" in first and "n=0 load=50%" in first and "load=10%" not in first
    assert "3 more configurations are below" in first


def test_where_wrk_was_the_bottleneck(tmp_path):
    made = text(tmp_path, flags=lambda server, point: "generator-bound" if point["n"] == 0 else "")
    assert "n=0 c=16 *" in made and "the load generator was the bottleneck" in made
    p99 = re.search(r"<figure id='picture-forest-p99'.*?</figure>", made, re.S)[0]
    assert "n=0" not in p99 and "n=1" in p99


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


def test_10000_rows_stay_a_page_that_opens_at_once(tmp_path):
    points = [{"n": n, "c": c} for n in (1, 20) for c in (16, 512)]
    rows = synthetic.runs(points, SPEEDS, blocks=840, noise=0.1)
    assert len(rows) > 10000
    made = report.write(synthetic.write(tmp_path / "run", rows))
    assert made.stat().st_size < 5e6


LISTED = {"threaded": "#0063a8", "libuv": "#ffee00", "coro": "#000000"}


def test_colours_are_those_of_the_list_and_legible_on_both_papers(tmp_path):
    assert colours.contrast("#ffffff", "#000000") == pytest.approx(21)
    for colour in (*LISTED.values(), *colours.SPARE, "#ffffff", "#777777", "#ff0000"):
        for paper in (colours.LIGHT, colours.DARK):
            assert colours.contrast(colours.legible(colour, paper), paper) >= 4.5
    assert colours.legible("#0063a8", colours.LIGHT) == "#0063a8"
    assert (look.PAPER, look.DARK[look.PAPER]) == (colours.LIGHT, colours.DARK)
    made = text(tmp_path)
    light, dark = re.findall(r":root \{ (--paper.*?) \}", made)
    for index, entry in enumerate(entry for entry in server_list.read() if entry.role == "core"):
        assert f"--s{index}: {colours.legible(entry.colour, colours.LIGHT)};" in light
        assert f"--s{index}: {colours.legible(entry.colour, colours.DARK)};" in dark


def test_a_part_has_the_colour_of_no_server():
    own = {
        colour
        for name, colour in look.own_colours(
            ["a", "b"], {e.name: e.colour for e in server_list.read()}
        ).items()
    }
    listed = {colours.legible(entry.colour, colours.LIGHT) for entry in server_list.read()}
    every = [*look.PARTS.values(), *look.DIVERGING, *look.VARIABLES]
    assert len(set(every)) == len(every) and not set(every) & (own | listed)
    assert look.PARTS.keys() == look.PARTS_DARK.keys() and len(look.DIVERGING) == len(look.DIVERGING_DARK)
    for step, dark in zip(look.DIVERGING, look.DIVERGING_DARK):
        assert colours.contrast(look.INK, step) >= 4.5 and colours.contrast(look.DARK[look.INK], dark) >= 4.5


def test_servers_that_are_not_listed_have_colours_of_their_own():
    names = ["threaded", "a", "libuv", *"bcdef"]
    found = colours.of_servers(names, LISTED)
    assert (found[0], found[2]) == ("#0063a8", "#ffee00")
    assert len(set(found)) == len(names) - 1 and "#0063a8" not in found[1:]
    assert len(colours.of_servers("abcdefgh", {})) == 8
