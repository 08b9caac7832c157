"""Parts of documents that are made from results: loadtest/tables.

A part stands between two comments. The first says what it shows, of which results:

    <!-- loadtest/tables ratios results/one -->
    <!-- loadtest/tables arrangements service=results/one flat=results/other n=20 -->
    <!-- loadtest/tables medians service=results/one flat=results/other n=20 server=a,b -->
    <!-- loadtest/tables capacity results/one k=0 -->
    <!-- loadtest/tables yardstick results/one c=512 -->
    <!-- loadtest/tables generators results/one c=64 -->
    <!-- loadtest/tables where results/one unit=us n=20 -->
    <!-- loadtest/tables limits results/one table=met -->
    <!-- loadtest/tables saturation results/one table=knee -->
    <!-- loadtest/tables micro results/one metric=context_switch -->
    <!-- loadtest/tables task-memory results/one -->
    <!-- loadtest/tables published results/one -->
    <!-- loadtest/tables peers results/one table=inside -->
    <!-- loadtest/tables estimate results/one -->
    <!-- loadtest/tables headline results/one part=sentences -->
    <!-- loadtest/tables printed results/one begins=Requests_per_second m=1024 -->
    <!-- loadtest/tables picture results/one file=docs/one.svg measure=rps m=1024 -->
    <!-- loadtest/tables excerpt NAME -->
    | ... |
    <!-- end of table -->

Words such as n=0,20 or server=a choose rows; without them all are shown. A picture is a file beside the document, which
is drawn again when what it was drawn from has changed.
"""

import re
import sys
from pathlib import Path
from typing import Callable, Iterable

from .. import ROOT, Failure
from ..base import command_line, results
from . import answer, answer_picture, excerpts
from . import limits, micro, peer_tables, profile, run_tables, saturation, where

DOCUMENTS = ("README.md", "docs", "results/README.md")
BLOCK = re.compile(r"^<!-- loadtest/tables ([^\n]*) -->\n(.*?)^<!-- end of table -->$", re.M | re.S)
PICTURE = "picture"
Cells = tuple[list[str], list[list[str]]]


def _estimate(words: Iterable[str]) -> Cells:
    from . import estimate  # which fits a cost model: not for documents without one

    return estimate.cells(words)


# Tables of files that have points and servers of their own.
CELLS: dict[str, Callable[[Iterable[str]], Cells]] = {
    "where": where.cells,
    "limits": limits.cells,
    "saturation": saturation.cells,
    "profile": profile.cells,
    "estimate": _estimate,
    **micro.KINDS,
}
# Of which one comment may ask for several, and for sentences.
PARTS = {"peers": peer_tables.parts}
TEXTS: dict[str, Callable[[Iterable[str]], str]] = {
    "headline": answer.headline,
    "printed": answer.printed,
    PICTURE: answer_picture.markdown,
    "excerpt": excerpts.markdown,
}


def made(kind: str, words: Iterable[str]) -> str:
    """One part of a document. Raises Failure."""
    if kind in TEXTS:
        return TEXTS[kind](words)
    if kind in PARTS:
        parts = PARTS[kind](words)
        return "\n".join(part if isinstance(part, str) else run_tables.render(*part) for part in parts)
    if kind in CELLS:
        return run_tables.render(*CELLS[kind](words))
    if kind not in run_tables.KINDS:
        known = ", ".join([*run_tables.KINDS, *CELLS, *PARTS, *TEXTS])
        raise Failure(f"'{kind}' is no table; there are {known}")
    return run_tables.KINDS[kind](run_tables.parse(words))


def remade(text: str) -> str:
    """The document with its parts made again. Raises Failure."""

    def part(found: re.Match) -> str:
        kind, *words = found[1].split()
        return f"<!-- loadtest/tables {found[1]} -->\n{made(kind, words)}<!-- end of table -->"

    return BLOCK.sub(part, text)


def stale_pictures(text: str) -> list[answer_picture.Drawn]:
    """Of the document's pictures, those that are not there or were drawn from something else. Raises Failure."""
    asked = [found[1].split() for found in BLOCK.finditer(text)]
    drawn = [answer_picture.drawn(words) for kind, *words in asked if kind == PICTURE]
    return [picture for picture in drawn if not picture.is_up_to_date()]


def documents(names: Iterable[str]) -> list[Path]:
    paths = [ROOT / name for name in names]
    return [file for path in paths for file in (sorted(path.glob("*.md")) if path.is_dir() else [path])]


def main(arguments: list[str]) -> int:
    """The command; returns its exit status."""
    parser = command_line.Parser(
        prog="loadtest/tables",
        description="Makes the tables, sentences and pictures again that documents have from committed results, as the"
        " comment before each says.",
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit status 1 when a part is not up to date"
    )
    parser.add_argument("documents", nargs="*", default=DOCUMENTS, help=f"by default {' '.join(DOCUMENTS)}")
    given = parser.parse_args(arguments)
    stale: list[Path] = []
    for path in documents(given.documents):
        try:
            stale += _update(path, given.check)
        except (Failure, OSError, UnicodeDecodeError) as error:
            print(f"loadtest/tables: {path}: {error}", file=sys.stderr)
            return 2
    for path in stale:
        print(f"{path}: {'not up to date: run loadtest/tables' if given.check else 'made again'}")
    return int(given.check and bool(stale))


def _update(path: Path, check: bool) -> list[Path]:
    """The document and its pictures, as far as they are not up to date; they are written again unless `check`."""
    text = path.read_text()
    again, pictures = remade(text), stale_pictures(text)
    if not check:
        for picture in pictures:
            results.replace(picture.path, picture.draw())
        if again != text:
            results.replace(path, again.encode())
    return ([path] if again != text else []) + [picture.path for picture in pictures]
