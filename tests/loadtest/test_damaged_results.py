"""A CSV that is damaged, or is none: a sentence that says what it is and what to do, for every reader, and no traceback."""

import contextlib
import io
import random
import shutil
import zipfile

import pytest
import synthetic
from test_edited_results import READERS, folder
from waitbench import ROOT, Failure
from waitbench.base import csv_file, results
from waitbench.judge import evidence
from waitbench.show import markdown

SAVE = csv_file.SAVE
WIDTH = len(results.COLUMNS)


def tables(path):
    """loadtest/tables, whose exit status is 2 and whose last line is the sentence."""
    document = path.parent / "document.md"
    document.write_text(f"<!-- loadtest/tables ratios {path} -->\n<!-- end of table -->\n")
    with contextlib.redirect_stderr(io.StringIO()) as said:
        status = markdown.main([str(document)])
    if status == 2:
        raise Failure(said.getvalue().partition(".md: ")[2].strip())
    assert status == 0


ALL = READERS | {"evidence": evidence.load, "tables": tables}
CONTINUES = ["continued"]  # which drops half a row at the end by itself


def spreadsheet(data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", data)
    return out.getvalue()


def in_europe(data):
    """What a spreadsheet in German makes of it."""
    return data.replace(b",", b";").replace(b".", b",")


def doubled(data):
    return b"".join(line + b"," + line.split(b",")[10] + b"\n" for line in data.splitlines())


def with_bytes(line, data):
    def change(whole):
        lines = whole.splitlines(keepends=True)
        return b"".join([*lines[: line - 1], data, *lines[line - 1 :]])

    return change


# What somebody has in place of runs.csv, and what is said after its path.
DAMAGED = {
    "a spreadsheet": (spreadsheet, f" is a spreadsheet or another ZIP archive, and no CSV: open it in the program that wrote it, and {SAVE}"),
    "an old spreadsheet": (lambda data: b"\xd0\xcf\x11\xe0\xa1\xb1" + data, f" is a spreadsheet of an old Excel, and no CSV: open it in a spreadsheet, and {SAVE}"),
    "compressed": (lambda data: b"\x1f\x8b\x08" + data, " is compressed with gzip, and no CSV: uncompress it (gunzip)"),
    "a page": (lambda data: b"\n<!DOCTYPE html>\n<html>" + data, " is a page or a drawing (HTML, XML), and no CSV: fetch the file itself, not the page that shows it"),
    "JSON": (lambda data: b'{"rows": []}', " is JSON, and no CSV: take the CSV of the results folder"),
    "Unicode text of Excel": (lambda data: data.decode().replace(",", "\t").encode("utf-16"), f" is in UTF-16: {SAVE}"),
    "UTF-16 without a mark": (lambda data: data.decode().encode("utf-16-be"), f" is in UTF-16: {SAVE}"),
    "Latin 1": (lambda data: data.replace(b"libuv", "für".encode("latin-1"), 1), f", line 3: it has characters that are not UTF-8: {SAVE}"),
    "semicolons": (lambda data: data.replace(b",", b";"), f", line 1: semicolons separate the columns: {SAVE}"),
    "semicolons and decimal commas": (in_europe, f", line 1: semicolons separate the columns: {SAVE}"),
    "tabs": (lambda data: data.replace(b",", b"\t"), f", line 1: tabs separate the columns: {SAVE}"),
    "only spaces": (lambda data: b" \n\n" * 3, " is of another program: line 1 names none of the columns block, order, server and so on; name a results folder of waitbench"),
    "only line ends": (lambda data: b"\n\n", " is empty: not even its columns are named; take a whole copy, or another results folder"),
    "another program's": (lambda data: b"date,price\n2026-01-01,5\n", " is of another program: line 1 names none of the columns block, order, server and so on; name a results folder of waitbench"),
    "a column twice": (doubled, ', line 1: it names the column "requests" twice: delete one of the two'),
    "an open quotation mark": (with_bytes(4, b'1,1,"threaded,none\n'), ", line 4: a field begins with a quotation mark, and no other one ends it"),
    "NUL bytes inside": (with_bytes(4, b"\0" * 64 + b"\n"), ", line 4: it has NUL bytes, as a power failure leaves them: delete the file from this line on, or take a whole copy"),
}  # fmt: skip
# What a reader that continues mends by itself.
CUT = {
    "cut in a row": (lambda data: data[:-60], ", line 13: it has {} fields where line 1 names {} columns: the file is cut off here; delete this line"),
    "cut in a character": (lambda data: data + "1,1,ü".encode()[:-1], ", line 14: the file is cut off here, in the middle of a character; delete this line"),
    "NUL bytes at the end": (lambda data: data + b"\0" * 512, ", line 14: it has NUL bytes, as a power failure leaves them: delete the file from this line on, or take a whole copy"),
}  # fmt: skip


def damaged(path, change):
    runs = folder(path, facts=synthetic.ENVIRONMENT | {"server_environment": {}}) / "runs.csv"
    runs.write_bytes(change(runs.read_bytes()))
    return path


@pytest.mark.parametrize("reader", ALL)
@pytest.mark.parametrize("what", [*DAMAGED, *CUT])
def test_what_is_wrong_and_what_to_do_is_said(tmp_path, what, reader):
    change, sentence = (DAMAGED | CUT)[what]
    path = damaged(tmp_path / "x", change)
    if what in CUT and reader in CONTINUES:
        ALL[reader](path)
        return
    fields = (path / "runs.csv").read_bytes().splitlines()[-1].count(b",") + 1
    with pytest.raises(Failure) as failure:
        ALL[reader](path)
    assert str(failure.value) == f"{path}/runs.csv" + sentence.format(fields, WIDTH)


@pytest.mark.parametrize("what", DAMAGED)
def test_a_file_that_cannot_be_continued_stays_as_it_is(tmp_path, what):
    runs = damaged(tmp_path, DAMAGED[what][0]) / "runs.csv"
    before = runs.read_bytes()
    with pytest.raises(Failure):
        results.Folder(tmp_path)
    assert runs.read_bytes() == before


def test_half_a_row_is_dropped_only_of_a_file_of_the_table(tmp_path):
    other = b"date,price\n2026-01-01,5"
    runs = damaged(tmp_path, lambda _: other) / "runs.csv"
    with pytest.raises(Failure, match="another program"):
        results.Folder(tmp_path)
    assert runs.read_bytes() == other


@pytest.mark.parametrize("reader", ALL)
@pytest.mark.parametrize("data", [b"", b"block", ",".join(results.COLUMNS).encode(), ",".join(results.COLUMNS).encode() + b"\n"], ids=["nothing", "half a head", "a head without its end", "a head"])  # fmt: skip
def test_a_file_without_rows(tmp_path, data, reader):
    path = damaged(tmp_path / "x", lambda _: data)
    if reader in CONTINUES and data != b"block":
        ALL[reader](path)
        assert (path / "runs.csv").read_text() == ",".join(results.COLUMNS) + "\n"
        return
    said = (
        " is empty: not even its columns are named; take a whole copy, or another results folder"
        if not data
        else " has other columns than this version's: it has no column order"
        if data == b"block"
        else " has no rows: nothing was measured there"
    )
    with pytest.raises(Failure) as failure:
        ALL[reader](path)
    assert str(failure.value) == f"{path}/runs.csv{said}"


@pytest.mark.parametrize("reader", ALL)
@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r"),
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.rstrip(b"\n"),
    ],
    ids=["a byte order mark", "lines that end in CR", "lines that end in CR LF", "no end of the last line"],
)
def test_what_can_be_read_is_read(tmp_path, change, reader):
    ALL[reader](damaged(tmp_path / "x", change))


def test_rows_follow_a_file_whose_lines_end_in_cr(tmp_path):
    damaged(tmp_path, lambda data: data.replace(b"\n", b"\r"))
    found = results.Folder(tmp_path)
    found.runs.append(synthetic.row(synthetic.POINT, 7, 1, "threaded", 1000.0, 900.0))
    assert [row["block"] for row in found.runs.rows()] == ["1", "1", "2", "2", "3", "3", "4", "4", "5", "5", "6", "6", "7"]  # fmt: skip


def of_tables():
    """(file, words of a table that is made of it), of the kinds that documents have."""
    files = {
        "where": "where.csv",
        "limits": "limits.csv",
        "saturation": "saturation.csv",
        "profile": "profile.csv",
    }
    files |= {"micro": "micro.csv", "yardstick": "yardstick.csv", "generators": "generators.csv"}
    files |= {
        "capacity": "capacity.csv",
        "peers": "runs.csv",
        "task-memory": "micro.csv",
        "published": "micro.csv",
    }
    found = {}
    for document in markdown.documents(markdown.DOCUMENTS):
        for block in markdown.BLOCK.finditer(document.read_text()):
            kind, *words = block[1].split()
            if kind in files:
                found.setdefault(kind, (files[kind], kind, words))
    return found.values()


@pytest.mark.parametrize("file, kind, words", of_tables())
def test_no_table_of_a_document_ends_in_a_traceback(tmp_path, file, kind, words):
    """Whatever a field of its file is, and wherever that is cut."""
    place = next(i for i, word in enumerate(words) if word.startswith("results/"))
    shutil.copytree(
        ROOT / words[place], tmp_path / "x", ignore=shutil.ignore_patterns("*.html", "*.svg", "*.log")
    )
    words = [*words[:place], str(tmp_path / "x"), *words[place + 1 :]]
    path = tmp_path / "x" / file
    whole = path.read_text()
    markdown.made(kind, words)
    chance = random.Random(kind)
    lines = whole.splitlines()
    for number in range(24):
        line = chance.randrange(1, len(lines))
        fields = lines[line].split(",")
        fields[number % len(fields)] = ("", "-1", "x", "1e999", "0", '"1,5"')[number % 6]
        damaged_text = "\n".join([*lines[:line], ",".join(fields), *lines[line + 1 :]]) + "\n"
        for text in (damaged_text, whole[: chance.randrange(len(whole))]):
            path.write_text(text)
            try:
                markdown.made(kind, words)
            except Failure:
                pass
