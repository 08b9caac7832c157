"""Lines of cells on a terminal."""

from typing import Collection, Sequence


def columns(lines: Sequence[tuple], left: Collection[int]) -> list[str]:
    """Lines of cells, aligned: the columns in `left` are words, the others numbers. The first line has the
    heads, and is underlined; a first cell that repeats (the point) is shown once."""
    out = plain([(once, *line[1:]) for once, line in zip(_once(lines), lines)], left)
    out.insert(1, "-" * (sum(_widths(lines)) + 2 * (len(lines[0]) - 1)))
    return out


def plain(lines: Sequence[tuple], left: Collection[int]) -> list[str]:
    """The same without a line below the heads, and with every cell as it is."""
    widths = _widths(lines)
    return [
        "  ".join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in lines
    ]


def narrow(lines: Sequence[tuple], left: Collection[int], keys: int, width: int) -> list[str]:
    """Lines no longer than `width`, if that can be: first with a line of its own for the first cell, and then as several
    tables, each of which begins with the second to the `keys`-th cell."""
    whole = plain([(once, *line[1:]) for once, line in zip(_once(lines), lines)], left)
    if max(map(len, whole)) <= width:
        return whole
    inner = [tuple(line[1:]) for line in lines]
    widths = _widths(inner)
    out: list[str] = []
    begin = sum(size + 2 for size in widths[: keys - 1]) + 2
    groups: list[list[int]] = [[]]
    for place in range(keys - 1, len(widths)):
        taken = begin + sum(widths[other] + 2 for other in groups[-1]) + widths[place]
        if groups[-1] and taken > width:
            groups.append([])
        groups[-1].append(place)
    for group in groups:
        chosen = [*range(keys - 1), *group]
        own = [place for place, original in enumerate(chosen) if original + 1 in left]
        head, *rows = plain([tuple(line[place] for place in chosen) for line in inner], own)
        out += ([""] if out else []) + [f"  {head}"]
        for title, row in zip(_once(lines)[1:], rows):
            out += ([title] if title else []) + [f"  {row}"]
    return out


def _once(lines: Sequence[tuple]) -> list[str]:
    """The first cells, each empty that is as the one before."""
    firsts = [line[0] for line in lines]
    return [first if place == 0 or first != firsts[place - 1] else "" for place, first in enumerate(firsts)]


def _widths(lines: Sequence[tuple]) -> list[int]:
    return [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
