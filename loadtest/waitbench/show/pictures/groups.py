"""Which entries are shown together: the points that differ in one axis or two, and rows that fit into one picture."""

from typing import Callable, Iterable, NamedTuple, Sequence

from ...judge import summary
from ...plan import matrix
from .. import formatting
from . import words

ROWS_MOST = 22  # of one picture, with its headings: as many as a slide has room for


class Sheet(NamedTuple):
    """The rows of one picture."""

    where: str  # what its points have in common and other sheets have not: n=20
    name: str  # the same, for the name of a picture
    axes: list[str]  # the others, in which its points may differ
    entries: list[summary.Entry]


def at(found: summary.Summary, point: matrix.Point) -> list[summary.Entry]:
    return [found.entries[point, server] for server in found.servers if (point, server) in found.entries]


def entries(
    found: summary.Summary, wanted: Callable[[summary.Entry], object] = lambda entry: True
) -> list[summary.Entry]:
    """In the order of the points, and of the servers at each."""
    return [entry for point in found.points for entry in at(found, point) if wanted(entry)]


def combinations(points: Iterable[matrix.Point], *axes: str) -> dict[matrix.Point, list[matrix.Point]]:
    """The points that differ in nothing but these axes; each group under what its points have in common."""
    groups: dict[matrix.Point, list[matrix.Point]] = {}
    for point in points:
        key = point
        for axis in axes:
            key = key.without(axis)
        groups.setdefault(key, []).append(point)
    return groups


def sheets(
    found: summary.Summary, shown: Sequence[summary.Entry], axes: Sequence[str], most: int = ROWS_MOST
) -> list[Sheet]:
    """The entries in pictures of their own for each combination of the axes, and of at most `most` rows."""
    together: dict[tuple, list[summary.Entry]] = {}
    for entry in shown:
        together.setdefault(tuple(getattr(entry.point, axis) for axis in axes), []).append(entry)
    rest = [axis for axis in formatting.varying(found.points) if axis not in axes]
    made = []
    for group in together.values():
        where = words.label(group[0].point, axes, found.points)
        parts = list(_parts(group, most))
        for number, part in enumerate(parts, 1):
            of = f"{number} of {len(parts)}" if len(parts) > 1 else ""
            made.append(
                Sheet(
                    ", ".join(filter(None, [where, of])),
                    words.slug(where, str(number) if of else ""),
                    rest,
                    part,
                )
            )
    return made


def _parts(group: list[summary.Entry], most: int) -> Iterable[list[summary.Entry]]:
    """Broken between two points where that is possible, into parts of about the same length."""
    blocks: list[list[summary.Entry]] = []
    for entry in group:
        if blocks and blocks[-1][0].point == entry.point and len(blocks[-1]) < most - 1:
            blocks[-1].append(entry)
        else:
            blocks.append([entry])
    fewest = len(list(_filled(blocks, most, most)))
    return _filled(blocks, most, sum(len(block) + 1 for block in blocks) / fewest)


def _filled(blocks: list[list[summary.Entry]], most: int, enough: float) -> Iterable[list[summary.Entry]]:
    """Parts of at most `most` rows, each ended when it has `enough`."""
    part: list[summary.Entry] = []
    taken = 0
    for block in blocks:
        length = len(block) + 1  # with its heading
        if part and (taken + length > most or taken >= enough):
            yield part
            part, taken = [], 0
        part.extend(block)
        taken += length
    yield part
