"""The cost of each model's primitive operations, from micro.csv: a switch, a task, its memory."""

from pathlib import Path
from typing import Sequence

from matplotlib.figure import FigureBase

from ...judge import micro
from .. import micro as as_text
from . import look as looks
from . import rows, words
from .picture import Key, Picture, Section
from .scales import from_zero, logarithmic, thousands

HOW = (
    "Each operation timed alone, by the model that needs it. A mark is the mean over the repetitions, the line its 95% interval; the"
    " scale of times and counts is logarithmic. One CPU: all tasks run on the same one; not pinned: wherever the kernel puts them. A"
    " stroke: what others have published for the same operation, on other machines. Memory is what one task that waits takes, from"
    " 0: resident in the process, and of the kernel (its stack, page tables and slab; of the whole machine, so other programs are in"
    " the spread)."
)
ONE, OTHER = micro.PLACEMENTS
FIRST = (micro.SWITCH, micro.READINESS, micro.MEMORY, "task creation")  # what a reader asks for first
TITLES = {
    micro.SWITCH: "A switch from one task to another",
    micro.READINESS: "A switch because I/O is ready",
    micro.MEMORY: "Memory of a task that waits",
    "task creation": "To begin and end a task",
    micro.STEP: "One step of a task",
    micro.AWAIT: "async/await, relative to a state machine written by hand",
    micro.RATIO: "Switches, relative to each other",
}
RESIDENT, KERNEL = "resident", "kernel in all"
COLOURS = {RESIDENT: looks.PARTS["server, user"], KERNEL: looks.PARTS["server, kernel"]}
LABELS = {RESIDENT: "resident in the process", KERNEL: "of the kernel"}
LEAST = 1e-3  # of the value: an end of an interval below it, which no logarithmic axis has room for


def section(folder: Path) -> Section | None:
    """None where there is no micro.csv. Raises Failure."""
    if not (folder / micro.FILE).exists():
        return None
    found: dict[str, list[micro.Row]] = {}
    for row in micro.read(folder):
        if row.unit != "1 or 0":  # what the kernel has, which is no cost
            found.setdefault(row.metric, []).append(row)
    order = [
        *(metric for metric in FIRST if metric in found),
        *(metric for metric in found if metric not in FIRST),
    ]
    pictures = [made for metric in order if (made := _picture(metric, found[metric]))]
    return Section("primitives", "What the primitives cost", HOW, pictures) if pictures else None


def _picture(metric: str, found: list[micro.Row]) -> Picture | None:
    return memory(found) if metric == micro.MEMORY else costs(metric, found)


def _table(found: Sequence[micro.Row]) -> list[list[str]]:
    return [as_text.HEAD[1:]] + [
        [
            row.model,
            row.variant,
            row.unit,
            as_text.number(row.value),
            as_text.interval(row),
            row.published,
            row.source,
        ]
        for row in found
    ]


def _split(variant: str) -> tuple[str, str]:
    """(what was done, where)"""
    place = next((place for place in micro.PLACEMENTS if variant.endswith(place)), "")
    return variant.removesuffix(place), place


def costs(metric: str, every: list[micro.Row]) -> Picture | None:
    """On a logarithmic axis; what is not above 0 (a difference of two times may be so) is in the table alone."""
    found = [row for row in every if row.value > 0]
    if not found:
        return None
    lines: dict[tuple[str, str], list[micro.Row]] = {}
    for row in found:
        lines.setdefault((row.model, _split(row.variant)[0]), []).append(row)
    listed = rows.under_headings(list(lines))
    several = len({_split(row.variant)[1] for row in found}) > 1
    key = [Key("one CPU", colour=looks.INK), Key("not pinned", colour=looks.SOFT)] if several else []
    return Picture(
        words.slug("primitives", metric),
        TITLES.get(metric, f"{metric[0].upper()}{metric[1:]}"),
        _sentence(found, len(every) - len(found)),
        micro.FILE,
        _table(every),
        lambda figure, look: _draw_costs(figure, look, list(lines.values()), listed),
        key,
        height=rows.height(listed),
    )


def _sentence(found: Sequence[micro.Row], not_drawn: int) -> str:
    """The least and the greatest of each model."""
    unit = found[0].unit
    said = []
    for model in dict.fromkeys(row.model for row in found):
        own = sorted(row.value for row in found if row.model == model)
        ends = list(dict.fromkeys(map(thousands, (own[0], own[-1]))))
        said.append(f"{model} {' to '.join(ends)}")
    rest = f"; what is not above 0 is in the table alone ({not_drawn})" if not_drawn else ""
    return f"{'Factor' if unit == 'ratio' else f'In {unit}'}: {'; '.join(said)}{rest}."


def _draw_costs(figure: FigureBase, look: looks.Look, lines: Sequence[Sequence[micro.Row]], listed) -> None:
    axes = figure.add_subplot()
    every = [row for line in lines for row in line]
    ends = [end for row in every for end in (*_ends(row), *_published(row))]
    logarithmic(axes, "x", ends, 4 if max(ends) > 1e5 else 6, least_span=3)
    for y, line in zip(rows.frame(axes, look, listed), lines):
        for row in line:
            other = row.variant.endswith(OTHER)
            place = y + (0.17 if other else -0.17) if len(line) > 1 else y
            colour = looks.SOFT if other else looks.INK
            axes.plot(_ends(row), [place, place], color=colour, label="interval")
            axes.plot([row.value], [place], "s" if other else "o", color=colour, label="value", zorder=4)
            published = _published(row)
            axes.plot(
                published, [place] * len(published), "|", color=looks.INK, markersize=look.mark * 1.6, label="published"
            )  # fmt: skip
    unit = every[0].unit
    axes.set_xlabel(f"{'factor' if unit == 'ratio' else unit}, logarithmic")


def _ends(row: micro.Row) -> tuple[float, float]:
    low, high = (row.value if end is None else end for end in (row.low, row.high))
    return max(low, row.value * LEAST), min(high, row.value / LEAST)


def _published(row: micro.Row) -> list[float]:
    return [float(text) for text in row.published.split(";") if text.strip() and float(text) > 0]


def memory(every: list[micro.Row]) -> Picture | None:
    """Resident and kernel memory one after the other, from 0."""
    lines: dict[tuple[str, str], dict[str, micro.Row]] = {}
    for row in every:
        state, _, kind = row.variant.partition(": ")
        lines.setdefault((row.model, state), {})[kind or RESIDENT] = row
    order = {state: place for place, state in enumerate(as_text.STATES)}
    drawn = {
        line: kinds
        for line, kinds in sorted(
            lines.items(), key=lambda item: (item[0][0], order.get(item[0][1], len(order)))
        )
        if any(kind in kinds for kind in COLOURS)
    }
    if not drawn:
        return None
    listed = rows.under_headings(list(drawn))
    sums = [(_sum(kinds), f"{model}, {state}") for (model, state), kinds in drawn.items()]
    (low, first), (high, last) = min(sums), max(sums)
    return Picture(
        words.slug("primitives", micro.MEMORY),
        TITLES[micro.MEMORY],
        f"Resident and kernel memory together are from {thousands(low)} bytes ({first}) to {thousands(high)} ({last}).",
        micro.FILE,
        _table(every),
        lambda figure, look: _draw_memory(figure, look, list(drawn.values()), listed),
        [Key(LABELS[kind], colour=COLOURS[kind]) for kind in COLOURS],
        height=rows.height(listed),
    )


def _sum(kinds: dict[str, micro.Row]) -> float:
    return sum(max(0.0, kinds[kind].value) for kind in COLOURS if kind in kinds)


def _draw_memory(figure: FigureBase, look: looks.Look, lines: Sequence[dict[str, micro.Row]], listed) -> None:
    axes = figure.add_subplot()
    published = [value for kinds in lines for row in kinds.values() for value in _published(row)]
    # Room for the number at the end of each bar.
    from_zero(axes, "x", [1.18 * max(map(_sum, lines)), *published])
    for y, kinds in zip(rows.frame(axes, look, listed), lines):
        begin = 0.0
        for kind in COLOURS:
            if kind in kinds:
                row, length = kinds[kind], max(0.0, kinds[kind].value)
                axes.barh(y, length, 0.62, left=begin, color=COLOURS[kind], linewidth=0, label=kind)
                if row.low is not None and row.high is not None:
                    ends = [max(0.0, begin + row.low), begin + row.high]
                    axes.plot(ends, [y, y], color=looks.INK, linewidth=1, label="interval")
                begin += length
        axes.text(begin, y, f" {thousands(begin)}", va="center")
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("bytes per task")
