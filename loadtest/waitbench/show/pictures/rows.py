"""Rows one below the other, each with a name at its left, under headings."""

import textwrap
from typing import NamedTuple, Sequence

from matplotlib.axes import Axes

from . import look as looks
from . import words

ROW, OF_TWO_LINES = 17, 1.75  # px on the page; rows that a name of two lines takes
LETTERS, ON_SLIDE = 26, 44  # of a line of a name, on the page and on a slide, which is wider and not as high


class Heading(NamedTuple):
    text: str


Listed = Sequence[str | Heading]  # the names of the rows


def height(listed: Listed) -> int:
    """px on the page, with the axis below."""
    return 56 + round(sum(_size(row, LETTERS) for row in listed) * ROW)


def frame(axes: Axes, look: looks.Look, listed: Listed) -> list[float]:
    """Names and headings; where the marks of each row go, from the top down."""
    letters = ON_SLIDE if look.on_slide else LETTERS
    places, names, end = [], [], 0.0
    for row in listed:
        begin, end = end, end + _size(row, letters)
        middle = (begin + end) / 2
        if isinstance(row, Heading):
            axes.text(
                0.005, middle, row.text, transform=axes.get_yaxis_transform(), weight="bold", va="center"
            )
            if begin:
                axes.axhline(begin, color=looks.RULE, linewidth=0.6)
        else:
            places.append(middle)
            names.append(_name(row, letters))
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0, labelcolor=looks.INK)
    axes.grid(False, axis="y")
    axes.set_ylim(end + 0.1, -0.1)
    return places


def under_headings(rows: Sequence[tuple[str, str]]) -> list[str | Heading]:
    """Of (heading, name) of each row: the names, and a heading before the first that has it. Empty headings are none."""
    listed: list[str | Heading] = []
    last = ""
    for heading, name in rows:
        if heading and heading != last:
            listed.append(Heading(heading))
        last = heading
        listed.append(name)
    return listed


def _size(row: str | Heading, letters: int) -> float:
    return OF_TWO_LINES if not isinstance(row, Heading) and len(row) > letters else 1


def _name(row: str, letters: int) -> str:
    """In two lines where it is long."""
    lines = textwrap.wrap(row, letters, max_lines=2, placeholder=" …") or [""]
    return "\n".join(words.short(line, letters) for line in lines)
