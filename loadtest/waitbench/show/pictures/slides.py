"""Pictures for slides: figures/NAME.svg and figures/NAME.png, 16:9, each with its title, legend, machine and date."""

import io
import math
from pathlib import Path
from typing import Sequence

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ... import Failure
from ...base import results
from . import look as looks, side_by_side, words
from .markup import NO_METADATA, lay_out
from .picture import Key, Picture

WIDTH, HEIGHT = 1280, 720  # px of the SVG; the PNG has half as many again in each direction
FINER = 1.5
TITLE, LEGEND, CORNER = 64, 36, 40  # px, heights; of the legend for each line
ABREAST, LABEL = 5, 30  # entries on a line of the legend, letters of each
PAD = 14  # px, from the edge to whatever is drawn


def write(folder: Path, pictures: Sequence[Picture], look: looks.Look, corner: str) -> list[Path]:
    """Two files for each picture, in folder/figures. Raises Failure."""
    target = folder / "figures"
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise Failure(f"cannot make the folder {target}: {error.strerror}") from None
    written = []
    drawn = side_by_side.each(lambda picture: files(picture, look, corner), list(pictures))
    for picture, made in zip(pictures, drawn):
        for kind, data in zip(("svg", "png"), made):
            written.append(target / f"{picture.name}.{kind}")
            results.replace(written[-1], data)
    return written


def files(picture: Picture, look: looks.Look, corner: str) -> tuple[bytes, bytes]:
    """(SVG, PNG)"""
    with matplotlib.rc_context({**look.settings, "svg.hashsalt": picture.name}):
        figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), dpi=72, layout="constrained")
        lines = max(1, math.ceil(len(picture.key) / ABREAST))
        heights = (TITLE, lines * LEGEND, HEIGHT - TITLE - lines * LEGEND - CORNER, CORNER)
        top, legend, middle, bottom = figure.subfigures(4, 1, height_ratios=heights)
        top.text(0.02, 0.4, picture.title, fontsize=look.text * 1.4, weight="bold", va="center")
        _legend(legend, picture, look)
        picture.draw(middle, look)
        figure.get_layout_engine().set(w_pad=PAD / 72)
        bottom.text(0.98, 0.5, corner, ha="right", va="center", color=looks.SOFT)
        lay_out(figure)
        vector, pixels = io.BytesIO(), io.BytesIO()
        FigureCanvasSVG(figure).print_svg(vector, metadata=NO_METADATA)
        figure.set_dpi(72 * FINER)
        FigureCanvasAgg(figure).print_png(pixels, metadata={"Software": None})
    return vector.getvalue(), pixels.getvalue()


def _legend(place: SubFigure, picture: Picture, look: looks.Look) -> None:
    if picture.key:
        handles = [_handle(key, look) for key in picture.key]
        labels = [words.short(key.label, LABEL) for key in picture.key]
        shown = place.legend(
            handles, labels, loc="center left", ncols=min(len(handles), ABREAST), frameon=False
        )
        for line in shown.get_texts():
            line.set_parse_math(False)  # a name may have a $ in it


def _handle(key: Key, look: looks.Look) -> Line2D | Patch:
    if key.server is None:
        return Patch(color=key.colour)
    return Line2D([], [], color=look.colour(key.server), marker=look.marker(key.server))
