"""loadtest/tables: tables of documents that are made from results."""

import csv

import pytest
import synthetic
from waitbench import Failure
from waitbench.show import markdown, run_tables

SPEEDS = {"threaded": 1000, "libuv": 1500}


@pytest.fixture
def folder(tmp_path):
    rows = synthetic.runs([{"n": 1}, {"n": 20, "c": 256}], SPEEDS, noise=0.001)
    synthetic.write(tmp_path / "one", rows)
    with (tmp_path / "one/detail.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["block", "server", "runqueue_wait_us_per_req"])
        writer.writerows([row["block"], row["server"], row["n"] * 10] for row in rows)
    return tmp_path / "one"


def table(words):
    kind, *rest = words.split()
    return [
        line.strip("| ").split(" | ") for line in run_tables.KINDS[kind](run_tables.parse(rest)).splitlines()
    ]


def test_ratios(folder):
    head, _, *rows = table(f"ratios {folder}")
    assert head[:3] == ["point", "server", "requests/s"] and "threaded" in head[3]
    assert [row[:2] for row in rows] == [
        ["n=1 c=16", "threaded"],
        ["n=1 c=16", "libuv"],
        ["n=20 c=256", "threaded"],
        ["n=20 c=256", "libuv"],
    ]
    assert rows[0][2].startswith("1,00") or rows[0][2].startswith("99")
    assert rows[1][3].startswith("1.50 [1.50, 1.50") or rows[1][3].startswith("1.50 [1.49")
    assert rows[1][-1] == "1.10"


def test_words_choose_rows(folder):
    assert [row[:2] for row in table(f"ratios {folder} n=20 server=libuv")[2:]] == [["n=20 c=256", "libuv"]]


def test_what_is_unusual_is_named(tmp_path):
    synthetic.write(tmp_path / "other", synthetic.runs([{"m": 65536, "w": 1, "d": 10}], SPEEDS))
    assert table(f"ratios {tmp_path}/other")[2][0] == "n=1 m=65536 w=1 d=10 c=16"


def test_a_bound_generator_is_marked(tmp_path):
    rows = synthetic.runs(
        [{}], SPEEDS, flags=lambda server, point: "generator-bound" if server == "libuv" else ""
    )
    synthetic.write(tmp_path / "bound", rows)
    assert [row[2].endswith("\\*") for row in table(f"ratios {tmp_path}/bound")[2:]] == [False, True]


def test_arrangements_have_the_points_of_all_folders(folder, tmp_path):
    synthetic.write(tmp_path / "other", synthetic.runs([{"n": 1}], {"threaded": 1000, "libuv": 900}))
    head, _, *rows = table(f"arrangements a={folder} b={tmp_path}/other")
    assert head == ["point", "server", "a: throughput", "CPU", "b: throughput", "CPU"]
    assert [row[:2] for row in rows] == [["n=1 c=16", "libuv"]]
    assert rows[0][2].startswith("1.5") and rows[0][4].startswith("0.9")


def test_medians_know_the_details(folder):
    rows = table(f"medians a={folder} n=20 server=libuv")[2:]
    assert rows == [["n=20 c=256 libuv, a", "1.0", "0.1", "600", "200"]]


def test_what_is_not_known_stays_empty(tmp_path):
    synthetic.write(tmp_path / "one", synthetic.runs([{}], SPEEDS))
    (tmp_path / "one/detail.csv").write_text("block,server\n1,threaded\n")
    assert run_tables.KINDS["medians"](run_tables.parse([f"a={tmp_path}/one"])).count("|  |\n") == 2


def test_a_document_is_made_again(folder, tmp_path, capsys):
    document = tmp_path / "document.md"
    document.write_text(
        f"Before\n\n<!-- loadtest/tables ratios {folder} -->\nold\n<!-- end of table -->\n\nAfter\n"
    )
    assert markdown.main(["--check", str(document)]) == 1
    assert "old" in document.read_text()
    assert markdown.main([str(document)]) == 0
    text = document.read_text()
    assert text.startswith("Before\n") and text.endswith("\nAfter\n") and "old" not in text
    assert "| n=1 c=16 | libuv | " in text
    capsys.readouterr()
    assert markdown.main(["--check", str(document)]) == 0 and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "words, said",
    [
        ("speeds results/nothing", "'speeds' is no table"),
        ("ratios n=1", "a table needs a folder"),
        ("ratios results/nothing", "is no folder"),
    ],
)
def test_what_cannot_be_made_is_said(words, said):
    with pytest.raises(Failure, match=said):
        markdown.remade(f"<!-- loadtest/tables {words} -->\n<!-- end of table -->\n")


def test_a_table_of_ratios_is_of_one_folder(folder):
    with pytest.raises(Failure, match="of one folder"):
        run_tables.ratios(run_tables.parse([f"a={folder}", f"b={folder}"]))


def test_the_documents_are_up_to_date():
    assert markdown.main(["--check"]) == 0
