"""The picture of the answer, as a file beside a document.

    <!-- loadtest/tables picture results/one file=docs/answer.svg measure=rps m=1024 w=0 d=0 -->

The file says what it was drawn from, as a digest: another version of matplotlib draws other bytes from the same numbers,
and the file is up to date nevertheless. Its paper is opaque, so that it is legible on a dark page, too.
"""

import hashlib
import html
import re
from pathlib import Path
from typing import Callable, Iterable, NamedTuple

from .. import ROOT, Failure
from ..judge import summary
from . import answer
from .pictures import forest, look as looks, slides
from .pictures.picture import Picture

DIGEST = re.compile(rb"<!-- drawn from: ([0-9a-f]{64}) -->")
FONTS = "'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif"  # of about the same width, where a reader lacks the first


class Drawn(NamedTuple):
    path: Path
    digest: str
    draw: Callable[[], bytes]

    def is_up_to_date(self) -> bool:
        found = DIGEST.search(self.path.read_bytes()) if self.path.exists() else None
        return found is not None and found[1].decode() == self.digest


def markdown(words: Iterable[str]) -> str:
    """The image, for a document in the project's root. Raises Failure."""
    _, options, found = answer.chosen(words)
    picture = _picture(found, options)
    return f"![{html.escape(f'{picture.title}. {picture.sentence}', quote=False)}]({_file(options)})\n"


def drawn(words: Iterable[str]) -> Drawn:
    """Raises Failure."""
    _, options, found = answer.chosen(words)
    picture, corner = _picture(found, options), _corner(found)
    look = looks.slide(found.servers, found.colours)
    data = [picture.title, corner, sorted(look.own.items()), [list(row) for row in picture.table]]
    digest = hashlib.sha256(repr(data).encode()).hexdigest()
    return Drawn(ROOT / _file(options), digest, lambda: _svg(picture, look, corner, digest))


def _picture(found: summary.Summary, options: dict[str, str]) -> Picture:
    measure = next((m for m in found.measures if m.name == options.get("measure", found.lead.name)), None)
    picture = measure and forest.picture(found, measure)
    if not picture:
        raise Failure(f"no ratio of {options.get('measure', found.lead.name)} is known at these points")
    return picture


def _file(options: dict[str, str]) -> str:
    if "file" not in options:
        raise Failure("a picture needs file=docs/NAME.svg")
    return options["file"]


def _corner(found: summary.Summary) -> str:
    """Machine and date."""
    machine, outcome = (found.environment.get(name) or {} for name in ("machine", "outcome"))
    cpus = machine.get("cpus_usable") or machine.get("cpus")
    words = [machine.get("cpu_model"), cpus and f"{cpus} CPUs", str(outcome.get("finished_at") or "")[:10]]
    return ", ".join(str(word) for word in words if word)


def _svg(picture: Picture, look: looks.Look, corner: str, digest: str) -> bytes:
    svg, _ = slides.files(picture, look, corner)
    svg = svg.replace(b"<svg ", b"<!-- drawn from: %s -->\n<svg " % digest.encode(), 1)
    return re.sub(rb"'DejaVu Sans'[^;\"]*", FONTS.encode(), svg)
