"""A flame graph: each call chain is a column of boxes, as wide as its share of the samples, callers below callees."""

import html
import zlib
from collections import Counter
from typing import Iterator, NamedTuple

WIDTH, ROW, MARGIN, TOP = 1200, 16, 10, 40
LEAST = 0.8  # px: narrower boxes are left out, and all above them
CHARACTER = 6.6  # px of a letter at this size
# The colours of what is not the server's own.
KERNEL_COLOUR, LIBRARY_COLOUR, OWN_COLOUR = (205, 120, 70), (105, 165, 105), (225, 185, 75)


class Node:
    def __init__(self) -> None:
        self.count = 0
        self.children: dict[str, "Node"] = {}


class Box(NamedTuple):
    name: str
    depth: int
    begin: int  # in samples
    samples: int


def tree(folded: Counter) -> Node:
    root = Node()
    for chain, count in folded.items():
        root.count += count
        node = root
        for name in chain.split(";"):
            node = node.children.setdefault(name, Node())
            node.count += count
    return root


def boxes(node: Node, least: float, depth: int = 0, begin: int = 0) -> Iterator[Box]:
    """In alphabetical order, so that two graphs can be held side by side. `least`: samples."""
    for name, child in sorted(node.children.items()):
        if child.count >= least:
            yield Box(name, depth, begin, child.count)
            yield from boxes(child, least, depth + 1, begin)
        begin += child.count


def svg(folded: Counter, title: str, kernel: set[str], own: set[str]) -> str:
    """A picture that needs nothing else. `kernel`, `own`: the functions of the kernel and of the server, which have
    colours of their own. Pointing at a box shows its whole name and share."""
    root = tree(folded)
    total = max(root.count, 1)
    scale = (WIDTH - 2 * MARGIN) / total
    found = list(boxes(root, LEAST / scale))
    height = TOP + ROW * (1 + max((box.depth for box in found), default=0)) + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fffdf6"/>',
        f'<text x="{MARGIN}" y="18" font-size="14">{html.escape(title)}</text>',
        f'<text x="{MARGIN}" y="32">{total} samples; yellow: the server; green: libraries; orange: the kernel</text>',
    ]
    for box in found:
        base = KERNEL_COLOUR if box.name in kernel else OWN_COLOUR if box.name in own else LIBRARY_COLOUR
        lines.append(_box(box, scale, height - MARGIN - ROW * (box.depth + 1), total, base))
    return "\n".join([*lines, "</svg>\n"])


def _box(box: Box, scale: float, y: int, total: int, base: tuple[int, int, int]) -> str:
    shade = zlib.crc32(box.name.encode()) % 31 - 15  # the same name has the same shade in every graph
    colour = "".join(f"{min(255, max(0, part + shade)):02x}" for part in base)
    x, width = MARGIN + box.begin * scale, box.samples * scale
    fits = int((width - 4) / CHARACTER)
    label = box.name if len(box.name) <= fits else box.name[: fits - 1] + "…" if fits >= 4 else ""
    text = f'<text x="{x + 2:.1f}" y="{y + 12}">{html.escape(label)}</text>' if label else ""
    return (
        f"<g><title>{html.escape(box.name)}: {box.samples / total:.1%}</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{max(width - 0.3, 0.2):.1f}" height="{ROW - 1}" fill="#{colour}"/>{text}</g>'
    )
