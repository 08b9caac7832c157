"""Throughput and CPU per request against the number of connections."""

from ...judge import evidence, summary
from . import lines
from .picture import Section

HOW = (
    "A mark is the median over the runs, and the ribbon reaches from the least run to the largest. A hollow mark: the load"
    " generator was the bottleneck, so that the server could have done more, or the run was too short for its slow"
    " requests. Connections stand"
    " on a logarithmic scale, each server at the same place."
)
POOL = (
    " The dashed line is the pool: how many connections to the database a server has (unless it has a pool of its own, as"
    " with a pipeline). With more clients than that, requests wait for one of them."
)


def section(known: evidence.Evidence) -> Section | None:
    found = known.found
    size = pool(found)
    asking = {point.without("c") for point in found.points if point.is_crud or point.n}
    kinds = [lines.CPU] if found.is_open else [lines.THROUGHPUT, lines.CPU]
    pictures = lines.pictures(found, "c", kinds, dict.fromkeys(asking, size) if size else {})
    how = HOW + (POOL if size and asking else "")
    return Section("connections", "More connections", how, pictures) if pictures else None


def pool(found: summary.Summary) -> int | None:
    """Connections to the database, where the folder says it."""
    text = found.environment.get("settings", {}).get("POOL") or ""
    return int(text) if text.isdecimal() and int(text) else None
