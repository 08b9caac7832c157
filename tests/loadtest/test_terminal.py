"""What loadtest/run prints fits into 80 columns, whatever was measured, and its tables hold what summary.csv holds."""

import re
from pathlib import Path

import pytest
import synthetic
from waitbench.judge import summary
from waitbench.show import aligned, findings, formatting, table

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path.parent for path in (ROOT / "results").rglob("runs.csv"))


def widest(text):
    return max(map(len, text.splitlines()))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT / "results")))
def test_every_published_result_fits(folder):
    found = summary.load(folder)
    text = table.text(found)
    assert widest(text) <= 80 == formatting.WIDTH and widest(findings.text(folder)) <= 80
    assert "None" not in text and "nan" not in text
    # The answer comes first, and every ratio that was compared is in its table.
    assert text.index("On this machine") == 0
    part = text[text.index("All at") : text.index("+ better")] if "All at" in text else text
    shown = re.findall(r"\S+x [-+=~] \[", part)
    compared = sum(bool(e.estimates.get(m.name)) for e in found.entries.values() for m in found.measures)
    compared += sum(bool(entry.estimate) for entry in found.capacities.values())
    means = 2 * (len(found.servers) - 1) if found.several_languages else 0
    assert len(shown) == compared + means


def test_there_are_published_results():
    assert len(FOLDERS) > 15


def found(tmp_path, points, speeds, environment=synthetic.ENVIRONMENT, **kwargs):
    rows = synthetic.runs(points, speeds, **({"blocks": 4} | kwargs))
    return summary.load(synthetic.write(tmp_path / "run", rows, environment))


def test_the_table_looks_as_it_should(tmp_path):
    environment = synthetic.ENVIRONMENT | {"servers": ["threaded", "libuv", "coro"]}
    speeds = {"threaded": 13400, "libuv": 16900, "coro": 18200}
    flags = (
        lambda server, point: "generator-bound" if (server, point["c"]) == ("threaded", 256) else ""
    )  # noqa: E731
    text = table.text(found(tmp_path, [{"c": 16}, {"n": 20, "c": 256}], speeds, environment, flags=flags))
    lines = text[text.index("Requests per second\n") :].splitlines()
    assert lines[1] == " N    C  threads   libuv  vs threads             coro  vs threads"
    row = r"20  256  1\d,\d00\*  1\d,\d00  1\.2\dx \+ \[1\.\d\d 1\.\d\d\]  18,\d00  1\.3\dx \+ \[1\.\d\d 1\.\d\d\]"
    assert re.fullmatch(row, lines[3])
    assert (
        text.count(table.LEGEND) == 1 and "\n* the load generator was the bottleneck: a lower bound" in text
    )
    titles = [text.index(title) for title in table.RATES.values()]
    assert titles == sorted(titles)
    # Its latency is not compared where the generator was the bottleneck.
    assert re.search(r"\n20  256 +\d+\.\d\* +\d+\.\d +\d+\.\d\n", text[titles[2] :])


@pytest.mark.parametrize("count, length", [(1, 3), (2, 10), (5, 12), (3, 17), (9, 30), (2, 79), (1, 200)])
def test_more_servers_and_longer_names_make_more_tables(tmp_path, count, length):
    names = [f"{chr(97 + index)}{'x' * (length - 1)}" for index in range(count + 1)]
    made = found(tmp_path, [{"c": 16}, {"c": 256}], dict.fromkeys(names, 1000), blocks=2)
    tables = "\n".join(table.tables(made))
    assert widest(re.sub(r"\nResident memory(.|\n)*", "", tables)) <= 80
    assert len(re.findall(r"\S+x [-+=~] \[", tables)) == count * 2 * 3


def test_all_axes_at_once_have_a_line_of_their_own(tmp_path):
    points = [
        {"n": 1, "m": 64, "w": 0, "d": 0, "t": 0, "c": 16, "k": 0, "i": 0},
        {"n": 1000, "m": 123456, "w": 999, "d": 1000, "t": 60000, "c": 60000, "k": 1000000, "i": 60000},
    ]
    environment = synthetic.ENVIRONMENT | {"servers": ["threaded", "a-long-name", "another-long-name"]}
    made = found(
        tmp_path, points, {"threaded": 1000, "a-long-name": 1300, "another-long-name": 1400}, environment
    )
    text = "\n".join(table.tables(made))
    assert widest(text) <= 80
    assert "\nn=1000 m=123456 w=999 d=1000 c=60000 t=60000 k=1000000 i=60000\n  " in text


def test_sizes_are_short_where_they_are_round(tmp_path):
    points = [{"m": m} for m in (100, 1024, 65536, 1 << 20)]
    text = table.text(found(tmp_path, points, {"threaded": 1000, "libuv": 1300}, blocks=2))
    assert re.search(r"\n  M  threads.*\n100 .*\n 1K .*\n64K .*\n 1M ", text)


def test_one_configuration_has_no_axis(tmp_path):
    text = table.text(found(tmp_path, [{}], {"threaded": 1000, "libuv": 1300}, blocks=1))
    assert "All at n=1 m=1024 w=0 d=0 c=16; " in text and "\nthreads  libuv  vs threads\n" in text
    assert "1.3" in text and "~ [one block]" in text


def test_lines_too_long_become_several_tables():
    lines = [("point", "server", "a", "b"), ("n=1", "x", "1" * 20, "2" * 20), ("n=1", "y", "1", "2")]
    assert aligned.narrow(lines, (0, 1), 2, 80) == aligned.plain(
        [*lines[:2], ("", *lines[2][1:])], (0, 1)
    ), "as it is, where there is room"
    assert aligned.narrow(lines, (0, 1, 2, 3), 2, 40) == [
        "  server  a",
        "n=1",
        f"  x       {'1' * 20}",
        "  y       1",
        "",
        "  server  b",
        "n=1",
        f"  x       {'2' * 20}",
        "  y       2",
    ]
