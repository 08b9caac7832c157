"""The pictures of the report. Every mark is a number of runs.csv or summary.csv, and nothing is smoothed. A
picture for which the run has no data is not drawn (None, or an empty list)."""

import math
import statistics
from typing import Iterator

from ..judge import stats, summary
from ..plan import matrix
from . import formatting, svg

SHAPES = list(svg.SHAPES)
ROW = 15  # px from one server's row to the next
NARROW, WIDE = 380, 780
LETTER = 6  # px, of the name of a point
SHARES = (
    ("server", "server_cpu_share"),
    ("database", "db_cpu_share"),
    ("wrk", "wrk_cpu_share"),
    ("idle", "idle_share"),
)


def style(found: summary.Summary, server: str) -> tuple[str, str]:
    """(class, shape) of a server, the same in all pictures. colours.style() gives the class its colour."""
    index = found.servers.index(server)
    return f"s{index}", SHAPES[index % len(SHAPES)]


FORESTS = {
    "rps": ("Throughput", "to the right is faster"),
    "cpu": ("CPU per request", "to the left is cheaper"),
    "p99": ("p99 latency", "to the left is shorter"),
}


def forest(found: summary.Summary, measure: summary.Measure) -> svg.Drawing | None:
    """The ratio to the baseline at every point with its interval, the line of 1 and the 5% band."""
    entries = [entry for entry in _entries(found) if entry.estimates.get(measure.name)]
    if not entries:
        return None
    title, better = FORESTS[measure.name]
    about = f"{len(entries)} ratios; {better}; the table has them all"
    rows = _Rows(found, entries)
    drawing = rows.drawing(NARROW, 32, f"{title}, ratio to {found.baseline}", about)
    left, right, bottom = _room(found), NARROW - 48, rows.bottom
    estimates = [entry.estimates[measure.name] for entry in entries]
    scale = svg.RatioScale(
        _without_extremes([end for e in estimates for end in (e.low, e.high, e.ratio)]), left, right
    )
    begin, end = scale(1 / stats.MARGIN), scale(stats.MARGIN)
    drawing.add("rect", class_="band", x=begin, y=8, width=round(end - begin, 1), height=bottom - 8)
    for tick in scale.ticks():
        drawing.line(scale(tick), 8, scale(tick), bottom, "one" if tick == 1 else "grid")
        drawing.text(scale(tick), bottom + 14, f"{tick:.2g}", "tick", "middle")
    drawing.text((left + right) / 2, bottom + 28, f"ratio to {found.baseline}, {better}", "tick", "middle")
    rows.label(drawing)
    for y, entry in rows:
        _ratio(drawing, scale, y, entry, measure.name, style(found, entry.server))
    return drawing


def _ratio(drawing, scale, y, entry, name, look):
    """One row of a forest; hollow where the verdict is inconclusive."""
    class_, shape = look
    estimate, word = entry.estimates[name], entry.verdicts[name]
    ratio = formatting.ratio(estimate.ratio)
    tip = f"{entry.server} at {entry.point}: {ratio} {formatting.interval(estimate)} {formatting.decision(name, estimate, word)}"
    if estimate.low is not None:
        drawing.line(scale(estimate.low), y, scale(estimate.high), y, f"{class_} interval")
    drawing.mark(
        scale(estimate.ratio), y, shape, class_ + (" hollow" if word == stats.INCONCLUSIVE else ""), tip
    )
    drawing.text(NARROW - 42, y + 4, ratio + ("*" if entry.generator_bound else ""), "tick")


def along(found: summary.Summary, axis: str, column: str, most: int = 4) -> list[svg.Drawing]:
    """A picture for each combination of the other axes that has every value of this one: the median of
    each server, joined, and every run as a dot. Of more than `most` combinations, evenly chosen ones."""
    groups: dict[matrix.Point, list[matrix.Point]] = {}
    for point in found.points:
        groups.setdefault(point.without(axis), []).append(point)
    widest = max(len(points) for points in groups.values())
    if widest < 2:
        return []
    names = [name for name in formatting.varying(found.points) if name != axis]
    full = [(key, points) for key, points in groups.items() if len(points) == widest]
    full = full[:: math.ceil(len(full) / most)]
    drawings = (
        _lines(found, axis, column, points, formatting.label(key, names) if names else "")
        for key, points in full
    )
    return [drawing for drawing in drawings if drawing]


TITLES = {
    "rps": "req/s",
    "cpu_us_per_req": "CPU µs/req",
    "rss_kib": "resident MiB",
    "kernel_kib": "kernel MiB",
}
DIVIDE = {"rss_kib": 1024, "kernel_kib": 1024}


def _lines(found, axis, column, points, where):
    entries = [entry for point in points for entry in at(found, point)]
    seen = {id(entry): _positive(entry, column) for entry in entries}
    entries = [entry for entry in entries if seen[id(entry)]]
    if not entries:
        return None
    width, height, left, bottom = 250, 190, 46, 150
    title = f"{TITLES[column]} by {axis.upper()}" + (f" at {where}" if where else "")
    middles = {id(entry): statistics.median(seen[id(entry)]) for entry in entries}
    medians = (
        f"{e.server} {formatting.significant(middles[id(e)])} at {axis}={getattr(e.point, axis)}"
        for e in entries
    )
    drawing = svg.Drawing(width, height, title, f"Medians: {', '.join(medians)}")
    drawing.text(4, 12, TITLES[column] + (f" at {where}" if where else ""), "head")
    scale = svg.Scale([value for values in seen.values() for value in values], bottom, 24, least_span=1.5)
    for tick in scale.ticks(5):
        drawing.line(left, scale(tick), width - 8, scale(tick), "grid")
        drawing.text(left - 5, scale(tick) + 4, formatting.significant(tick, 2), "tick", "end")
    step = (width - 8 - left) / len(points)
    across = {point: left + step * (i + 0.5) for i, point in enumerate(points)}
    for point, x in across.items():
        drawing.text(x, bottom + 16, getattr(point, axis), "tick", "middle")
    drawing.text((left + width) / 2, bottom + 32, formatting.AXES[axis], "tick", "middle")
    apart = min(10, step / (len(found.servers) + 1))  # servers stand beside each other
    for index, server in enumerate(found.servers):
        shift = (index - (len(found.servers) - 1) / 2) * apart
        spots = [
            (e, round(across[e.point] + shift, 1), middles[id(e)]) for e in entries if e.server == server
        ]
        _joined(drawing, scale, spots, seen, style(found, server))
    return drawing


def _joined(drawing, scale, spots, seen, look):
    """One server's medians with a line through them, and its runs. spots: [(entry, x, median)]"""
    class_, shape = look
    drawing.add(
        "polyline", class_=f"{class_} joined", points=" ".join(f"{x},{scale(y)}" for _, x, y in spots)
    )
    for entry, x, middle in spots:
        for value in seen[id(entry)]:
            drawing.add("circle", class_=f"{class_} run", cx=x, cy=scale(value), r=1.5)
        drawing.mark(
            x,
            scale(middle),
            shape,
            class_,
            f"{entry.server} at {entry.point}: {formatting.significant(middle)}",
        )


def _positive(entry, column):
    """The runs' values in the picture's unit; the growth of kernel memory may be below zero,
    which a logarithmic scale cannot show."""
    return [run[column] / DIVIDE.get(column, 1) for run in entry.runs if run[column] and run[column] > 0]


def latencies(found: summary.Summary) -> svg.Drawing | None:
    """The 50th and the 99th percentile of every run, run by run: never pooled, never averaged."""
    entries = _entries(found)
    values = [
        run[name] / 1000 for e in entries for run in e.runs for name in ("p50_us", "p99_us") if run[name]
    ]
    if not values:
        return None
    rows = _Rows(found, entries)
    about = "Hollow: 50th percentile; filled: 99th; milliseconds"
    drawing = rows.drawing(WIDE, 36, "Latency by point, run by run", about)
    left, bottom = _room(found), rows.bottom
    scale = svg.Scale(values, left, WIDE - 12, least_span=3)
    for tick in scale.ticks(8):
        drawing.line(scale(tick), 8, scale(tick), bottom, "grid")
        drawing.text(scale(tick), bottom + 14, formatting.significant(tick, 2), "tick", "middle")
    drawing.text(
        (left + WIDE) / 2,
        bottom + 29,
        "milliseconds (hollow: half of the requests are faster; filled: 99 of 100)",
        "tick",
        "middle",
    )
    rows.label(drawing)
    for y, entry in rows:
        class_, shape = style(found, entry.server)
        faint = " faint" if entry.latencies_spoilt else ""
        note = f", {' '.join(entry.flags)}: not compared" if faint else ""
        for run in entry.runs:
            for name, look in (("p50_us", " hollow"), ("p99_us", "")):
                if run[name]:
                    ms = run[name] / 1000
                    tip = f"{entry.server} at {entry.point}, block {run['block']}: {formatting.significant(ms)} ms{note}"
                    drawing.mark(scale(ms), y, shape, class_ + look + faint, tip)
    return drawing


def shares(found: summary.Summary) -> svg.Drawing | None:
    """Where the machine's CPU time went: one bar per point and server."""
    # What remains is "others": with a share that is not known, that would be called others too.
    entries = [e for e in _entries(found) if all(e.median(name) is not None for _, name in SHARES)]
    if not entries:
        return None
    rows = _Rows(found, entries)
    about = "One bar per point and server: server, database, wrk, others, idle"
    drawing = rows.drawing(WIDE, 22, "Shares of the machine's CPU time", about)
    left, right = _room(found) + LETTER * max(map(len, found.servers)), WIDE - 12
    rows.label(drawing)
    for y, entry in rows:
        drawing.text(left - 8, y + 4, entry.server, "tick", "end")
        parts = [(part, entry.median(name) or 0.0) for part, name in SHARES]
        parts.insert(3, ("others", max(0.0, 1 - sum(share for _, share in parts))))
        x = left
        for part, share in parts:
            width = min(share, 1) * (right - left)
            tip = f"{entry.server} at {entry.point}: {part} {share:.0%}"
            drawing.add(
                "rect",
                tip=tip,
                class_=f"share-{part}",
                x=round(x, 1),
                y=y - 5,
                width=round(width, 1),
                height=11,
            )
            x += width
    for share in (0, 0.25, 0.5, 0.75, 1):
        drawing.text(left + share * (right - left), rows.bottom + 14, f"{share:.0%}", "tick", "middle")
    return drawing


def at(found: summary.Summary, point: matrix.Point) -> list[summary.Entry]:
    return [found.entries[point, server] for server in found.servers if (point, server) in found.entries]


class _Rows:
    """A row of a picture for each entry, with room between the points."""

    def __init__(self, found: summary.Summary, entries: list[summary.Entry]):
        self.found, self.entries = found, entries
        self.places: list[int] = []  # y of each entry
        self.begins: list[tuple[int, matrix.Point]] = []  # y of the first entry of each point
        y, last = 4, None
        for entry in entries:
            y += ROW + (5 if entry.point != last else 0)
            self.places.append(y)
            if entry.point != last:
                self.begins.append((y, entry.point))
            last = entry.point
        self.bottom = y + 12

    def __iter__(self) -> Iterator[tuple[int, summary.Entry]]:
        return iter(zip(self.places, self.entries))

    def drawing(self, width: int, below: int, title: str, description: str) -> svg.Drawing:
        return svg.Drawing(width, self.bottom + below, title, description)

    def label(self, drawing: svg.Drawing) -> None:
        """Names the points; drawn after the background and before the marks."""
        for y, point in self.begins:
            drawing.line(0, y - 10, drawing.width, y - 10, "rule")
            drawing.text(4, y + 4, _label(self.found, point), "point")


def _entries(found: summary.Summary) -> list[summary.Entry]:
    return [entry for point in found.points for entry in at(found, point)]


def _label(found, point):
    return formatting.label(point, formatting.varying(found.points) or ["n", "c"])


def _room(found):
    """px that the names of the points take."""
    return 16 + LETTER * max(len(_label(found, point)) for point in found.points)


def _without_extremes(ends):
    """Ends of intervals for a scale: the interval of two blocks (a factor of 1e9) would flatten all others."""
    return [end for end in ends if end and 1e-3 < end < 1e3]


MEASURES = {measure.name: measure for measure in summary.MEASURES}
