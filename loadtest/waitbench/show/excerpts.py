"""How a server waits, in its own words: the lines between markers in its C sources.

    /* excerpt 1 */
    ...
    /* end of excerpt */

The number is the piece's place in the excerpt, which may come from several files of the folder server-NAME.
"""

import re
import textwrap
from pathlib import Path
from typing import Iterable, NamedTuple

from .. import ROOT, Failure

MARKED = re.compile(r"^[ \t]*/\* excerpt (\d+) \*/\n(.*?)^[ \t]*/\* end of excerpt \*/\n", re.M | re.S)
ANY = re.compile(r"/\* (?:end of excerpt|excerpt \d+) \*/")


class Piece(NamedTuple):
    path: str  # below the project's root
    first: int  # line
    last: int
    text: str  # of whole lines, without the indent that they share

    @property
    def place(self) -> str:
        return f"{self.path}, lines {self.first} to {self.last}"


def of(server: str, root: Path = ROOT) -> list[Piece] | None:
    """The pieces in order; None where there is no source, as in the image of the load test, or none of it is marked.
    Raises Failure for markers that do not match."""
    found: dict[int, Piece] = {}
    for path in sorted((root / f"server-{server}").glob("*.c")):
        source = path.read_text()
        marked = list(MARKED.finditer(source))
        if len(ANY.findall(source)) != 2 * len(marked):
            raise Failure(f"{path}: an excerpt has no end, or an end has no excerpt")
        for piece in marked:
            number = int(piece[1])
            if number in found:
                raise Failure(f"{path}: there are two excerpts {number}")
            first = source.count("\n", 0, piece.start(2)) + 1
            text = textwrap.dedent(piece[2])
            last = first + piece[2].count("\n") - 1
            found[number] = Piece(path.relative_to(root).as_posix(), first, last, text)
    return [found[number] for number in sorted(found)] or None


def markdown(words: Iterable[str]) -> str:
    """For a document in docs/: each piece as a block of C, below a link to its file. Line numbers are not named there, or
    each change above these lines would make the document stale. Raises Failure."""
    server, *others = [*words, ""]
    if others != [""]:
        raise Failure("an excerpt is of one server")
    pieces = of(server)
    if pieces is None:
        raise Failure(f"server-{server} has no excerpt")
    return "\n".join(f"[`{piece.path}`](../{piece.path}):\n\n```c\n{piece.text}```\n" for piece in pieces)
