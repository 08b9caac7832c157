"""The documents: every link leads somewhere, README has no number that is not made from results, and the index is whole."""

import re
from urllib.parse import unquote

import pytest
from waitbench import ROOT
from waitbench.show import markdown

OTHERS = {".git", "build", "node_modules", "target", "__pycache__"}  # folders of what others wrote
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.M)
FENCED = re.compile(r"^ *(```|~~~).*?^ *\1[^\n]*$", re.M | re.S)
INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?: {4}[^\n]*\n+)+")
CODE = re.compile(r"(`+)(?:(?!`).)+?\1", re.S)
# README may name these with a number, and says nothing else in numbers but what is made from results.
NAMED = re.compile(r"\bDebian \d+( or \d+)*")
MEASURED = re.compile(
    r"\d|%|\b(twice|thrice|half|third|quarter|tenfold|times as|factor of|orders? of magnitude)\b", re.I
)


def documents():
    return sorted(path for path in ROOT.rglob("*.md") if not OTHERS & set(path.relative_to(ROOT).parts))


def prose(text):
    """Without code: neither links nor headings are there."""
    return CODE.sub("", INDENTED.sub("\n", FENCED.sub("", text)))


def anchors(text):
    """As GitHub makes them of headings."""
    found = {}
    for heading in HEADING.findall(FENCED.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {
        slug if number == 0 else f"{slug}-{number}"
        for slug, most in found.items()
        for number in range(most + 1)
    }


def dead_links(path, text):
    """Those to files that are not there, and to headings that a document has not."""
    dead = []
    for target in LINK.findall(prose(text)):
        if re.match("[a-z]+:", target):
            continue
        file, _, anchor = unquote(target).partition("#")
        there = path.parent / file if file else path
        if file and not there.exists():
            dead.append(target)
        elif (
            anchor
            and there.suffix == ".md"
            and anchor not in anchors(text if there == path else there.read_text())
        ):
            dead.append(target)
    return dead


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    assert dead_links(path, path.read_text()) == []


def test_a_dead_link_is_found():
    text = "# One `two`: 3\n\n[a](b.md) [`c`](README.md#no) [d](#one-two-3) [e](https://x.y/z) `[f](g)`\n\n    [h](i)\n"
    assert dead_links(ROOT / "x.md", text) == ["b.md", "README.md#no"]


def by_hand(text):
    """What README says in numbers outside of the parts that are made from results, of code and of what is linked to."""
    text = LINK.sub(lambda found: found[0].replace(f"({found[1]})", ""), markdown.BLOCK.sub("", text))
    return [found[0] for found in MEASURED.finditer(NAMED.sub("", prose(text)))]


def test_every_number_of_readme_is_made_from_results():
    assert by_hand((ROOT / "README.md").read_text()) == []


@pytest.mark.parametrize(
    "words, found",
    [
        ("Debian 12 or 13, `C=256`, [a page](x.md#2)\n\n    make N=20\n", []),
        ("<!-- loadtest/tables headline x -->\n1.3 times\n<!-- end of table -->\n", []),
        ("1.3 times as many", ["1", "3", "times as"]),
        ("Twice as many", ["Twice"]),
        ("[1,000 connections](x.md)", ["1", "0", "0", "0"]),
        ("Linux 6", ["6"]),
    ],
)
def test_a_number_by_hand_is_found(words, found):
    assert by_hand(words) == found


def test_readme_is_read_in_three_minutes():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120 and len(prose(markdown.BLOCK.sub("", "\n".join(lines))).split()) < 800


def test_the_index_has_every_document():
    index = set(LINK.findall((ROOT / "docs/README.md").read_text()))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"} - index == set()


def test_every_picture_of_a_document_is_committed():
    files = [
        word
        for path in documents()
        for block in markdown.BLOCK.findall(path.read_text())
        for word in block[0].split()
    ]
    pictures = [word.partition("=")[2] for word in files if word.startswith("file=")]
    assert pictures and all((ROOT / name).exists() for name in pictures)
