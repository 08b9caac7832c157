"""Just enough SVG for the report: scales with ticks, and a drawing that a screen reader can announce.

Colours are classes that the page's style sheet fills in, so that a drawing follows the light or dark
scheme. Lengths are CSS pixels of a drawing shown at its natural width.
"""

import html
import math
from typing import Any, Iterable, Sequence

# One shape for each server beside its colour, which not everyone can tell apart.
SHAPES = {
    "circle": "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
    "square": "M-3.5,-3.5h7v7h-7z",
    "triangle": "M0,-4.5L4.3,3.5H-4.3z",
    "diamond": "M0,-5L5,0L0,5L-5,0z",
    "cross": "M-4,-2h2v-2h4v2h2v4h-2v2h-4v-2h-2z",
    "wedge": "M0,4.5L4.3,-3.5H-4.3z",
}


class Scale:
    """From values to pixels, logarithmic; ticks at round numbers."""

    def __init__(self, values: Iterable, begin: float, end: float, least_span: float = 1.0):
        known = [value for value in values if value and value > 0 and math.isfinite(value)] or [1.0]
        low, high = math.log(min(known)), math.log(max(known))
        widen = max(0.04 * (high - low), (math.log(least_span) - (high - low)) / 2, 0.01)
        self.low, self.high = low - widen, high + widen
        self.begin, self.end = begin, end

    def __call__(self, value: float) -> float:
        share = (math.log(value) - self.low) / (self.high - self.low)
        return round(self.begin + min(1.02, max(-0.02, share)) * (self.end - self.begin), 1)

    def ticks(self, most: int = 6) -> list[float]:
        """Round numbers within the scale, from the finest steps of which there are not too many."""
        for steps in (
            (1, 1.1, 1.2, 1.3, 1.5, 1.7, 2, 2.5, 3, 4, 5, 6, 7, 8, 9),
            (1, 1.5, 2, 3, 5, 7),
            (1, 2, 5),
            (1, 3),
            (1,),
        ):
            found = self._within(steps)
            if len(found) <= most:
                return found or [math.exp((self.low + self.high) / 2)]
        stride = math.ceil(len(found) / most)
        return found[::stride]

    def _within(self, steps: Sequence[float]) -> list[float]:
        exponents = range(math.floor(self.low / math.log(10)) - 1, math.ceil(self.high / math.log(10)) + 1)
        values = [step * 10.0**exponent for exponent in exponents for step in steps]
        return [value for value in values if self.low <= math.log(value) <= self.high]


class RatioScale(Scale):
    """A scale for ratios: 1 is on it with 5% to both sides, and ticks lie around 1 evenly."""

    AROUND = (1.02, 1.05, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 1000, 10000)

    def __init__(self, values: Iterable, begin: float, end: float):
        super().__init__([*values, 0.93, 1.075], begin, end)

    def ticks(self, most: int = 7) -> list[float]:
        for first in range(len(self.AROUND)):
            for stride in (1, 2, 3):
                near = self.AROUND[first::stride]
                found = [
                    v
                    for v in (*(1 / a for a in reversed(near)), 1, *near)
                    if self.low <= math.log(v) <= self.high
                ]
                gaps = [self(b) - self(a) for a, b in zip(found, found[1:])]
                if len(found) <= most and all(gap >= 30 for gap in gaps):
                    return found
        return [1]


class Drawing:
    def __init__(self, width: int, height: int, title: str, description: str):
        self.width, self.height = width, height
        self.parts: list[str] = []
        self.title, self.description = title, description

    def add(self, tag: str, content: object = None, tip: str | None = None, **attributes: Any) -> None:
        """Attribute names: class_ for class, stroke_width for stroke-width. A tip shows on hovering."""
        named = " ".join(
            f'{name.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
            for name, value in attributes.items()
        )
        inner = (f"<title>{html.escape(tip)}</title>" if tip else "") + (
            "" if content is None else html.escape(str(content))
        )
        self.parts.append(f"<{tag} {named}>{inner}</{tag}>" if inner else f"<{tag} {named}/>")

    def line(self, x1: float, y1: float, x2: float, y2: float, class_: str, **more: Any) -> None:
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_, **more)

    def text(self, x: float, y: float, content: object, class_: str = "", anchor: str = "start") -> None:
        self.add("text", content, x=x, y=y, class_=class_, text_anchor=anchor)

    def mark(self, x: float, y: float, shape: str, class_: str, tip: str | None = None) -> None:
        self.add("path", tip=tip, d=SHAPES[shape], transform=f"translate({x},{y})", class_=class_)

    def __str__(self):
        return (
            f'<svg role="img" viewBox="0 0 {self.width} {self.height}" style="max-width:{self.width}px"'
            f' aria-label="{html.escape(self.title)}. {html.escape(self.description)}">'
            + "".join(self.parts)
            + "</svg>"
        )
