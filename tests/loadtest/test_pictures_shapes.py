"""All modules of pictures on runs of any shape: legible on the page and on a slide, nothing beyond the edge, names unique
and announced, and in no colour that the page does not know."""

import xml.etree.ElementTree as ElementTree

import drawing
import pytest
import synthetic
from waitbench.show.pictures import axes, connections, cost, every_run, heatmap, markup, memory, picture
from waitbench.show.pictures import look as looks
from waitbench.show.pictures import request_time, shares, switches, words

MODULES = (heatmap, connections, axes, cost, switches, request_time, memory, every_run, shares)
TWO = {"threaded": 1000, "libuv": 1300}
STRANGE = {
    name: 1000 for name in ("$a_b^c$", "costs $5 or $6", "_hidden", "<b>&\"'", "a" * 60, "a.b", "a-b", "\x01")
}


def sections(known):
    return [made for module in MODULES if (made := module.section(known))]


def first_of_each(known):
    """A picture of each kind: the others are drawn by the same code."""
    for section in sections(known):
        kinds = {}
        for one in section.pictures:
            kinds.setdefault((section.name, one.name.split("-")[0]), one)
        yield from kinds.values()


def folder(tmp_path, points, speeds, blocks=2, missing=(), **kwargs):
    rows = synthetic.runs(points, speeds, blocks=blocks, noise=0.1, **kwargs)
    for row in rows:
        row |= dict.fromkeys(missing)
    return drawing.folder(tmp_path / "run", rows, None if missing else drawing.detail)


GRID = [{"n": n, "m": m, "c": c} for n in (0, 20) for m in (64, 65536) for c in (16, 10000)]


@pytest.mark.parametrize("slide", [False, True])
@pytest.mark.parametrize(
    "points, speeds",
    [
        (GRID, TWO),
        ([{"c": c} for c in range(10, 18)], TWO | {"coro": 900}),
        (GRID[:4], {f"server-of-many-{place}": 10.0 ** (place % 6) for place in range(12)}),
    ],
)
def test_what_is_drawn_is_legible_and_within_the_picture(tmp_path, points, speeds, slide):
    known = folder(tmp_path, points, speeds)
    for one in first_of_each(known):
        assert drawing.faults(one, known.found, slide) == [], one.name


def test_names_are_what_they_are_and_have_room(tmp_path):
    known = folder(tmp_path, [point for point in GRID if point["m"] == 64], STRANGE)
    made = sections(known)
    names = [one.name for section in made for one in section.pictures]
    assert len(set(names)) == len(names) and all(words.slug(name) == name for name in names)
    one = cost.section(known).pictures[0]
    assert drawing.faults(one, known.found, True) == []
    with drawing.drawn(one, known.found) as figure:
        written = {text.get_text() for text in drawing.texts(figure)}
        assert {"$a_b^c$", "costs $5 or $6", "_hidden", "?", words.short("a" * 60)} <= written
        assert not any(text.get_parse_math() for text in drawing.texts(figure))
    look = looks.page(known.found.servers, known.found.colours)
    for one in (cost.section(known).pictures[0], heatmap.section(known).pictures[0]):
        root = ElementTree.fromstring(markup.svg(one, look, {}).replace("\x01", ""))
        assert root.get("role") == "img" and one.title in root.get("aria-label")


@pytest.mark.parametrize(
    "points, speeds, blocks",
    [
        ([{}], {"threaded": 1000}, 1),
        ([{}], {"a": 1, "b": 1e6}, 2),
        ([{"n": 0}, {"n": 7, "c": 5}], TWO, 1),
        ([{"c": c} for c in (1, 10, 100, 1000, 10000)], TWO | {f"other-{i}": 900 for i in range(10)}, 1),
        ([{"n": n, "m": m, "c": c} for n in range(5) for m in (0, 1) for c in (1, 2, 3)], TWO, 1),
        ([{"workload": "crud", "c": c} | dict.fromkeys("nmwdt") for c in (16, 256)], TWO, 2),
        ([{"load": load, "i": 100} for load in (10, 90)], TWO, 2),
        ([{"proxy": proxy, "t": 5, "d": 1} for proxy in ("none", "nginx")], TWO, 2),
    ],
)
def test_runs_of_any_shape(tmp_path, points, speeds, blocks):
    known = folder(tmp_path, points, speeds, blocks)
    made = sections(known)
    assert {"cost", "every-run", "shares"} <= {section.name for section in made}
    for section in made:
        assert section.title and section.how.endswith(".")
        for one in section.pictures:
            assert isinstance(one, picture.Picture) and one.title and one.source.endswith(".csv")
            assert one.sentence.endswith(".") and one.sentence.count(". ") == 0 and "nan" not in one.sentence
            assert len(one.table) > 1 and {len(row) for row in one.table} == {len(one.table[0])}
            assert all(isinstance(cell, str) and cell != "nan" for row in one.table for cell in row)


@pytest.mark.parametrize(
    "missing, gone",
    [
        (("p99_us", "db_cpu_share", "rss_kib", "kernel_kib"), {"shares", "memory"}),
        (("cpu_user_us_per_req",), {"cost"}),
        (("ctx_voluntary_per_req", "mean_us"), {"switches"}),
        (("rps",), {"every-run"}),
    ],
)
def test_columns_without_a_value(tmp_path, missing, gone):
    known = folder(tmp_path, GRID, TWO, missing=missing)
    made = sections(known)
    every = {"heatmaps", "connections", "parameters", "cost", "switches", "memory", "every-run", "shares"}
    assert {section.name for section in made} == every - gone
    drawn = list(first_of_each(known))[:3]
    assert all(drawing.faults(one, known.found) == [] for one in drawn)


def test_only_colours_of_the_page_are_used(tmp_path):
    known = folder(tmp_path, GRID, TWO, flags=lambda server, point: "generator-bound" if point["n"] else "")
    for one in first_of_each(known):
        assert drawing.foreign_colours(one, known.found) == set(), one.name


def test_twelve_servers_look_different():
    servers = [f"s{place}" for place in range(12)]
    look = looks.page(servers, {})
    assert len({(look.colour(server), look.marker(server)) for server in servers}) == 12


def test_short_names_keep_their_ends():
    assert words.short("a" * 30 + "-1") != words.short("a" * 30 + "-2") and len(words.short("a" * 99)) == 20
    assert (
        words.joined([]) == ""
        and words.joined(["a"]) == "a"
        and words.joined(["a", "b", "c"]) == "a, b and c"
    )
    slugs = words.server_slugs(["a.b", "a-b", "c", "日本"])
    assert len(set(slugs.values())) == 4 and slugs["c"] == "c" and all(slugs.values())
