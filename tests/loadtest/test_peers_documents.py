"""loadtest/tables with the kind `peers`: what a document says of servers in several languages."""

import re
from pathlib import Path

import polyglot
import pytest
import synthetic
from waitbench import Failure
from waitbench.show import findings, markdown, peer_tables

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return polyglot.folder(tmp_path_factory.mktemp("documents"))


def test_a_document_says_what_is_exploratory(tmp_path, folder):
    few = polyglot.folder(tmp_path, blocks=3)
    said = [markdown.made("peers", [str(path), "table=answer"]) for path in (few, folder)]
    assert ["- Exploratory: fewer than 12 blocks.\n" in text for text in said] == [True, False]


def test_tables_of_a_document(folder):
    words = [str(folder)]
    whole = markdown.made("peers", words)
    for name, (title, _) in peer_tables.PARTS.items():
        made = markdown.made("peers", [*words, f"table={name}"])
        assert made in whole and (not title or f"### {title}\n\n" in whole)
    assert markdown.made("peers", [*words, "table=variants"]) == "Not measured in this run.\n"
    head, rule, *rows = markdown.made("peers", [*words, "table=inside"]).splitlines()
    assert head.startswith("| point | pair | language | waits by | throughput [joint 95%] | verdict |")
    assert len(rows) == 8 and rows[3].startswith(
        "| n=0 | p-async / p-threads | Python | async/await / threads | 0.8"
    )
    means = markdown.made("peers", [*words, "table=between-means"]).splitlines()[2:]
    assert any(
        row.startswith("| 2 points | s / c-loop | JavaScript / C | async/await / event loop | 0.25x")
        for row in means
    )


def test_variants_and_nginx_have_their_tables(tmp_path):
    speeds = {name: polyglot.SPEEDS[name] for name in ("c-threads", "c-loop", "p-threads", "p-async")}
    path = polyglot.folder(tmp_path, [{}, {"proxy": "nginx"}], speeds | {"c-loop+pipeline": 2400}, blocks=4)
    words = str(path)
    assert re.search(
        r"\| c-loop\+pipeline / c-loop \| C \| event loop \| (2\.0|1\.9)",
        markdown.made("peers", [words, "table=variants"]),
    )
    assert markdown.made("peers", [words, "table=nginx"]).count("\n") == 2 + 5
    behind = markdown.made("peers", [words, "table=behind"])
    assert behind.count("\n") == 2 + 2 and "| p-async / p-threads | 0." in behind
    assert "Points with nginx in front are not among these" in findings.text(path)


@pytest.mark.parametrize(
    "words, said",
    [
        ("", "of one folder"),
        ("{0} {0}", "of one folder"),
        ("{0} table=speeds", "'table=speeds' chooses no table of peers"),
        ("{0} n=1", "'n=1' chooses no table"),
        ("{1}", "no servers in two languages"),
    ],
)
def test_what_cannot_be_made_is_said(folder, tmp_path, words, said):
    other = synthetic.write(tmp_path / "one", synthetic.runs([{}], {"threaded": 1, "libuv": 2}, blocks=1))
    with pytest.raises(Failure, match=said):
        markdown.made("peers", words.format(folder, other).split())


def test_the_places_in_the_document_name_tables_that_there_are():
    text = (ROOT / "docs/peers.md").read_text()
    places = re.findall(r"^<!-- loadtest/tables (\w+) results/[a-z-]+ (.+) -->$", text, re.M)
    named = [words.removeprefix("table=") for kind, words in places if kind == "peers"]
    assert sorted(named) == sorted(peer_tables.PARTS)
    assert len(re.findall(r"^<!-- end of table -->$", text, re.M)) == len(places)
