"""Sections of pictures as HTML: each picture with its sentence, the table behind it, and links to its files."""

from typing import Sequence

from . import html_parts
from .html_parts import text
from .pictures import look as looks, markup, side_by_side
from .pictures.picture import Key, Picture, Section

ROWS_MOST = 200  # of a table behind a picture; the CSV has the others
MARKS = {
    "o": "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
    "s": "M-3.5,-3.5h7v7h-7z",
    "^": "M0,-4.5L4.3,3.5H-4.3z",
    "D": "M0,-5L5,0L0,5L-5,0z",
    "P": "M-4,-2h2v-2h4v2h2v4h-2v2h-4v-2h-2z",
    "v": "M0,4.5L4.3,-3.5H-4.3z",
}


class Gallery:
    """The pictures of one page. draw() comes first: without it there are their tables alone."""

    def __init__(self, look: looks.Look, variables: dict[str, str], has_files: bool):
        """`has_files`: figures/ stands beside the page, so that a link leads there."""
        self.look, self.variables, self.has_files = look, variables, has_files
        self.drawn: dict[str, str] = {}  # name of a picture -> its SVG

    def draw(self, pictures: Sequence[Picture]) -> None:
        """All at once, which is faster than one after the other."""
        made = side_by_side.each(lambda picture: markup.svg(picture, self.look, self.variables), pictures)
        self.drawn |= {picture.name: drawing for picture, drawing in zip(pictures, made)}

    def section(self, section: Section) -> str:
        figures = [self.figure(picture) for picture in section.pictures]
        shown, hidden = figures[: section.shown], figures[section.shown :]
        body = self.legend(_keys(section.pictures)) + _grid(shown)
        if hidden:
            body += f"<details class='more'><summary>{len(hidden)} more pictures</summary>{_grid(hidden)}</details>"
        return html_parts.section(section.title, body, text(section.how), section.name)

    def figure(self, picture: Picture, level: int = 3) -> str:
        drawing = self.drawn.get(picture.name, "")
        return (
            f"<figure id='picture-{picture.name}'><figcaption><h{level}>{text(picture.title)}</h{level}>"
            f"<p>{text(picture.sentence)}</p></figcaption>{drawing}"
            f"<p class='links'>{self._links(picture)}</p>{_behind(picture)}</figure>"
        )

    def _links(self, picture: Picture) -> str:
        links = [(picture.source, f"data: {picture.source}")]
        if self.has_files:
            links += [
                (f"figures/{picture.name}.{kind}", f"save as {kind.upper()}") for kind in ("svg", "png")
            ]
        return " · ".join(f"<a href='{text(path)}' download>{text(words)}</a>" for path, words in links)

    def legend(self, keys: Sequence[Key]) -> str:
        return f"<ul class='legend'>{''.join(map(self._entry, keys))}</ul>" if keys else ""

    def _entry(self, key: Key) -> str:
        if key.server is None:
            colour = self.variables.get(key.colour or "", key.colour)
            return f"<li><i style='background:{colour}'></i> {text(key.label)}</li>"
        colour = self.variables.get(self.look.colour(key.server), self.look.colour(key.server))
        mark = f"<path style='fill:{colour}' d='{MARKS[self.look.marker(key.server)]}'/>"
        return f"<li><svg aria-hidden='true' viewBox='-6 -6 12 12' width='14' height='14'>{mark}</svg> {text(key.label)}</li>"


def _keys(pictures: Sequence[Picture]) -> list[Key]:
    return list(dict.fromkeys(key for picture in pictures for key in picture.key))


def _grid(figures: list[str]) -> str:
    return f"<div class='figures'>{''.join(figures)}</div>" if figures else ""


def _behind(picture: Picture) -> str:
    head, *rows = picture.table
    if not rows:
        return ""
    left = len(rows) - ROWS_MOST
    more = f"<p class='note'>{left} more rows are in {text(picture.source)}.</p>" if left > 0 else ""
    words = [place for place, cell in enumerate(rows[0]) if not cell[:1].isdigit()]
    shown = html_parts.table([head, *rows[:ROWS_MOST]], picture.title, words=words)
    return f"<details><summary>The numbers</summary>{shown}{more}</details>"
