"""Throughput and CPU per request against what a request asks for: queries, bytes, and the other parameters."""

from ...judge import evidence
from .. import formatting
from . import lines
from .picture import Section

AXES = ("n", "m", "w", "d", "t", "k", "i")
HOW = (
    "A mark is the median over the runs, the ribbon reaches from the least run to the largest, and a hollow mark"
    " means that the load generator was the bottleneck or the run too short for its slow requests. Each value stands at"
    " its place on the scale,"
    " for every server at the same one; the axis says which scale it is."
)


def section(known: evidence.Evidence) -> Section | None:
    found = known.found
    kinds = [lines.CPU] if found.is_open else [lines.THROUGHPUT, lines.CPU]
    varying = [axis for axis in formatting.varying(found.points) if axis in AXES]
    pictures = [made for axis in varying for made in lines.pictures(found, axis, kinds)]
    return Section("parameters", "More work per request", HOW, pictures) if pictures else None
