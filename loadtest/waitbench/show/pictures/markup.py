"""A picture as SVG for the page: its colours are variables, its text is the page's."""

import html
import io
import re
from typing import Mapping

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from .look import Look
from .picture import WIDTH, Picture

FONT = re.compile(r"'DejaVu Sans'[^;\"]*")
COLOUR = re.compile(r"#[0-9a-f]{6}\b")
LONG = re.compile(r"(\d\.\d\d)\d+")
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def svg(picture: Picture, look: Look, variables: Mapping[str, str]) -> str:
    """An <svg> element without a prolog, that a screen reader announces with the title and the sentence."""
    with matplotlib.rc_context({**look.settings, "svg.hashsalt": picture.name}):
        figure = Figure(figsize=(WIDTH / 72, picture.height / 72), dpi=72, layout="constrained")
        picture.draw(figure, look)
        lay_out(figure)
        out = io.StringIO()
        FigureCanvasSVG(figure).print_svg(out, metadata=NO_METADATA)
    body = re.sub(r".*?<svg[^>]*>", "", out.getvalue(), count=1, flags=re.S)
    body = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", body, flags=re.S)
    body = re.sub(r"(<g) id=\"[^\"]*\"", r"\1", body)  # matplotlib's own names, the same in every picture
    body = LONG.sub(r"\1", FONT.sub("system-ui, sans-serif", body))
    body = COLOUR.sub(lambda found: variables.get(found[0], found[0]), body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    said = html.escape(f"{picture.title}. {picture.sentence}")
    return (
        f'<svg role="img" aria-label="{said}" viewBox="0 0 {WIDTH} {picture.height}" style="max-width:{WIDTH}px"'
        f' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )


def lay_out(figure: Figure) -> None:
    """Finds the places of axes and texts once; savefig would do it for each file, and draw everything twice."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
