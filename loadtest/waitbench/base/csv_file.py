"""A CSV file that somebody may have saved with another program, as lines of fields. What is no such file is a Failure that
says what it is and what to do. A byte order mark is accepted, and lines that end as on any system."""

import codecs
import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

from .. import Failure

SAVE = "save it as CSV in UTF-8, with commas between the fields and points in the numbers"
# Beginnings of files that are no CSV, and what to do about each.
KINDS = {
    b"PK\x03\x04": (
        "a spreadsheet or another ZIP archive",
        f"open it in the program that wrote it, and {SAVE}",
    ),
    b"\xd0\xcf\x11\xe0": ("a spreadsheet of an old Excel", f"open it in a spreadsheet, and {SAVE}"),
    b"\x1f\x8b": ("compressed with gzip", "uncompress it (gunzip)"),
    b"%PDF": ("a PDF", "take the CSV of the results folder"),
    b"<": ("a page or a drawing (HTML, XML)", "fetch the file itself, not the page that shows it"),
    b"{": ("JSON", "take the CSV of the results folder"),
}
UTF_16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE


class Line(NamedTuple):
    number: int  # in the file, from 1
    fields: list[str]
    is_cut: bool  # it is the last one, and nothing ends it


def read_bytes(path: Path) -> bytes:
    """Raises Failure, also for what is no CSV, and FileNotFoundError."""
    data = _read(path)
    begin = data.removeprefix(codecs.BOM_UTF8).lstrip()
    for first, (kind, remedy) in KINDS.items():
        if begin.startswith(first):
            raise Failure(f"{path} is {kind}, and no CSV: {remedy}")
    _refuse_utf_16(path, data, SAVE)
    return data


def text(path: Path) -> str:
    """The text of a file in UTF-8. Raises Failure, and FileNotFoundError."""
    data = _read(path)
    _refuse_utf_16(path, data, "save it in UTF-8")
    return _decoded(path, data, "save it in UTF-8")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}") from None


def _refuse_utf_16(path: Path, data: bytes, remedy: str) -> None:
    if data.startswith(UTF_16) or (b"\0" in data[:2] and data[:2].strip(b"\0")):
        raise Failure(f"{path} is in UTF-16: {remedy}")


def _decoded(path: Path, data: bytes, remedy: str) -> str:
    if (zero := data.find(b"\0")) >= 0:
        raise Failure(
            f"{path}, line {_line(data, zero)}: it has NUL bytes, as a power failure leaves them:"
            " delete the file from this line on, or take a whole copy"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"{path}, line {_line(data, error.start)}"
        if error.reason == "unexpected end of data":
            raise Failure(
                f"{where}: the file is cut off here, in the middle of a character; delete this line"
            ) from None
        raise Failure(f"{where}: it has characters that are not UTF-8: {remedy}") from None


def lines(path: Path) -> list[Line]:
    """All but the empty ones; the first names the columns. Raises Failure, and FileNotFoundError."""
    whole = _decoded(path, read_bytes(path), SAVE)
    reader = csv.reader(io.StringIO(whole, newline=""), strict=True)
    ends = whole.endswith(("\n", "\r"))
    found = []
    begin = 0
    try:
        for fields in reader:
            if fields:
                found.append(Line(reader.line_num, fields, False))
            begin = reader.line_num
    except csv.Error as error:
        raise Failure(f"{path}, line {begin + 1}: {_said(error)}") from None
    if not found:
        raise Failure(
            f"{path} is empty: not even its columns are named; take a whole copy, or another results folder"
        )
    if not ends:
        found[-1] = found[-1]._replace(is_cut=True)
    return found


def _line(data: bytes, place: int) -> int:
    return len(re.findall(rb"\r\n|\r|\n", data[:place])) + 1


def _said(error: csv.Error) -> str:
    if "end of data" in str(error) or "field larger" in str(error):
        return "a field begins with a quotation mark, and no other one ends it"
    return f"it is no line of a CSV ({error})"
