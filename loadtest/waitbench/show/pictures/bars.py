"""Horizontal bars of parts that follow each other from 0, a row for each server at each point."""

import dataclasses
from typing import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter

from ...judge import summary
from .. import formatting
from . import look as looks
from . import words
from .groups import Sheet
from .picture import Key
from .scales import from_zero

ROW = 17  # px on the page
PALE = 0.5


@dataclasses.dataclass(frozen=True)
class Bar:
    entry: summary.Entry
    parts: Mapping[str, float]  # part -> its length, in the order in which they follow each other
    text: str  # at the end of the row
    under: Mapping[str, float] = dataclasses.field(default_factory=dict)  # of a thin bar below it, from 0 too
    mark: float | None = None  # a stroke across the bar
    pale: bool = False

    @property
    def length(self) -> float:
        ends = sum(max(0.0, part) for part in self.parts.values()), sum(self.under.values())
        return max(*ends, self.mark or 0.0)


def height(sheet: Sheet) -> int:
    """px on the page"""
    return 52 + ROW * len(rows(sheet))


def rows(sheet: Sheet) -> list[summary.Entry | str]:
    """A heading before the servers of each point, unless nothing tells the points apart."""
    found: list[summary.Entry | str] = []
    points = [entry.point for entry in sheet.entries]
    for place, entry in enumerate(sheet.entries):
        if place == 0 or entry.point != points[place - 1]:
            if sheet.axes:
                found.append(formatting.label(entry.point, sheet.axes))
        found.append(entry)
    return found


def keys(bars: Sequence[Bar], colours: Mapping[str, str]) -> list[Key]:
    """Of the parts that occur."""
    drawn = {part for bar in bars for part in (*bar.parts, *bar.under)}
    return [Key(part, colour=colour) for part, colour in colours.items() if part in drawn]


def draw(
    figure: FigureBase,
    look: looks.Look,
    sheet: Sheet,
    bars: Sequence[Bar],
    colours: Mapping[str, str],
    unit: str,
    shares: bool = False,
) -> None:
    axes = figure.add_subplot()
    own = {id(bar.entry): bar for bar in bars}
    placed: list[tuple[int, Bar]] = []
    listed = rows(sheet)
    for y, row in enumerate(listed):
        if isinstance(row, str):
            heading(axes, y, row)
        else:
            placed.append((y, own[id(row)]))
    _bars(axes, placed, colours)
    places, names = [y for y, _ in placed], [words.short(bar.entry.server) for _, bar in placed]
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0, labelcolor=looks.INK)
    axes.set_ylim(len(listed) - 0.4, -0.6)
    axes.grid(False, axis="y")
    if shares:
        axes.set_xlim(0, max([1.0, *(bar.length for bar in bars)]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    else:
        from_zero(axes, "x", [bar.length for bar in bars])
    few_ticks(axes)
    axes.set_xlabel(unit)


def few_ticks(axes: Axes) -> None:
    axes.locator_params(axis="x", nbins=5)


def heading(axes: Axes, y: float, text: str) -> None:
    """Of the rows below it, within the axes."""
    axes.text(
        0.005, y, text, transform=axes.get_yaxis_transform(), weight="bold", va="center", zorder=4
    )  # fmt: skip


def _bars(axes: Axes, placed: Sequence[tuple[int, Bar]], colours: Mapping[str, str]) -> None:
    """All bars of a part are one artist: a picture of many is drawn ten times as fast."""
    boxes: dict[tuple[str, bool], list] = {}
    for y, bar in placed:
        middle, thick = (y - 0.14, 0.5) if bar.under else (y, 0.72)
        for parts, where, size in ((bar.parts, middle, thick), (bar.under, y + 0.28, 0.2)):
            begin = 0.0
            for part, length in parts.items():
                if length > 0:
                    boxes.setdefault((part, bar.pale), []).append(box(begin, where - size / 2, length, size))
                    begin += length
        if bar.mark is not None:
            ends = middle - 0.4, middle + 0.4
            axes.plot([bar.mark, bar.mark], ends, color=looks.INK, linewidth=1.5, zorder=3)
        # Beside the axes, one below the other, where no bar can reach it.
        axes.text(1.015, y, bar.text, transform=axes.get_yaxis_transform(), va="center")
    for (part, pale), corners in boxes.items():
        axes.add_collection(
            PolyCollection(
                corners, facecolors=colours[part], alpha=PALE if pale else None, linewidths=0, label=part
            )
        )


def box(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    """Its corners."""
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
