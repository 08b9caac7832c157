"""Draws a picture as the page or a slide does, and looks at what is there. And results folders with what pictures show."""

import contextlib
import itertools

import matplotlib
import synthetic
from matplotlib import colors
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from waitbench.base import results
from waitbench.judge import evidence
from waitbench.show.pictures import look as looks
from waitbench.show.pictures import picture as pictures

SLIDE = 1280, 572  # px, of the part of a slide that a picture has


@contextlib.contextmanager
def drawn(picture, found, slide=False):
    """A Figure that is laid out; its colours and sizes are those of the page or of a slide."""
    look = (looks.slide if slide else looks.page)(found.servers, found.colours)
    width = pictures.WIDTH
    width, height = SLIDE if slide else (width, picture.height)
    with matplotlib.rc_context(look.settings):
        figure = Figure(figsize=(width / 72, height / 72), dpi=72, layout="constrained")
        picture.draw(figure, look)
        figure.draw_without_rendering()
        yield figure


def texts(figure):
    """All that is written, where there is anything to read."""
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def of(axes, kind, label):
    """The artists of a class that belong to a server or a part."""
    return [artist for artist in axes.findobj(kind) if artist.get_label() == label]


def boxes(axes, part):
    """(least x, least y, width, height) of every box of a part, from top to bottom."""
    corners = [path.vertices for artist in of(axes, PolyCollection, part) for path in artist.get_paths()]
    found = [(*points.min(0), *(points.max(0) - points.min(0))) for points in corners]
    return sorted(found, key=lambda box: box[1])


def faults(picture, found, slide=False):
    """What makes the picture illegible: too small a text, something beyond the edge, a text over another."""
    with drawn(picture, found, slide) as figure:
        least = (looks.slide if slide else looks.page)(found.servers, found.colours).text
        wide, high = figure.bbox.width, figure.bbox.height
        wrong = []
        for axes in figure.axes:
            box = axes.get_tightbbox()
            if box.x0 < -1 or box.y0 < -1 or box.x1 > wide + 1 or box.y1 > high + 1:
                wrong.append(f"beyond the edge: {box}")
        placed = [(text, text.get_window_extent()) for text in texts(figure)]
        wrong += [f"small: {text.get_text()}" for text, _ in placed if text.get_fontsize() < least]
        for (one, a), (other, b) in itertools.combinations(placed, 2):
            if a.x0 < b.x1 - 1 and b.x0 < a.x1 - 1 and a.y0 < b.y1 - 3 and b.y0 < a.y1 - 3:
                wrong.append(f"{one.get_text()!r} is over {other.get_text()!r}")
        return wrong


def foreign_colours(picture, found):
    """Colours for which the page has no variable."""
    known, _ = looks.variables(found.servers, found.colours)
    used = set()
    with drawn(picture, found) as figure:
        for artist in figure.findobj():
            for name in ("get_facecolor", "get_edgecolor", "get_color", "get_markerfacecolor"):
                value = getattr(artist, name, lambda: "none")()
                several = value if getattr(value, "ndim", 0) == 2 else [value]
                used |= {colors.to_hex(one) for one in several if colors.is_color_like(one)}
    return used - set(known) - {"#000000"}  # of what has no area: matplotlib's own default


def folder(path, rows, details=None, syscalls=(), environment=synthetic.ENVIRONMENT):
    """A results folder, loaded. `details`: a function from a row of runs.csv to what detail.csv says of it."""
    synthetic.write(path, rows, environment)
    if details:
        own = [{name: row[name] for name in results.KEY} | details(row) for row in rows]
        _write(path / "detail.csv", results.DETAIL, own)
    if syscalls:
        _write(path / "syscalls.csv", results.SYSCALLS, syscalls)
    return evidence.load(path)


def _write(path, columns, rows):
    with path.open("wb") as stream:
        stream.write(results.line(columns, dict(zip(columns, columns))))
        stream.writelines(results.line(columns, row) for row in rows)


def detail(row):
    """Of a request that waits for the pool for half of its latency, and for its queries for 3/10."""
    mean = row["mean_us"]
    return {
        "pool_wait_us_per_req": 0.5 * mean, "query_us_per_req": 0.3 * mean, "queries_per_req": row["n"],
        "runqueue_wait_us_per_req": 0.1 * mean, "server_cpu_us_per_req": row["cpu_user_us_per_req"] + row["cpu_sys_us_per_req"],
        "db_cpu_us_per_req": 70.0, "wrk_cpu_us_per_req": 20.0, "other_share": 0.02,
    }  # fmt: skip
