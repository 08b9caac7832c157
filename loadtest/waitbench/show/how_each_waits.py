"""How each server waits, from its source, beside what waiting costs it."""

from ..judge import evidence, summary
from ..plan.matrix import Point
from . import excerpts, formatting, html_parts
from .html_parts import text

COSTS = (
    ("µs of CPU per request", summary.CPU),
    ("voluntary context switches per request", "ctx_voluntary_per_req"),
    ("threads", "threads"),
    ("KiB resident", "rss_kib"),
)


def section(seen: evidence.Evidence) -> str:
    """Empty where the source is not there."""
    found = seen.found
    made = [(server, excerpts.of(server)) for server in found.servers]
    shown = "".join(_one(seen, server, excerpt) for server, excerpt in made if excerpt)
    note = "The lines of each server's source in which a request waits for the database."
    return (
        html_parts.section("How each waits", f"<div class='figures'>{shown}</div>", note, "waits")
        if shown
        else ""
    )


def _one(seen, server, excerpt):
    point = _busiest(seen.found)
    entry = seen.found.entries.get((point, server))
    costs = []
    for words, column in COSTS if entry else ():
        value = entry.median(column)
        costs += [f"{formatting.significant(value)} {words}"] if value is not None else []
    calls = seen.syscalls_per_request(entry) if entry else None
    costs += [f"{formatting.significant(calls)} system calls per request"] if calls else []
    label = formatting.label(point, formatting.varying(seen.found.points) or ["n", "c"])
    said = f"<p>At {text(label)}: {text(', '.join(costs))}.</p>" if costs else ""
    shown = "".join(_lines(server, piece) for piece in excerpt)
    return f"<figure><figcaption><h3>{text(server)}</h3>{said}</figcaption>{shown}</figure>"


def _lines(server, piece):
    where = f"{piece.path}, lines {piece.first} to {piece.last}"
    name = text(f"{server}: {where}")
    return (
        f"<div class='scroll' tabindex='0' role='region' aria-label='{name}'><pre>{text(piece.text)}</pre></div>"
        f"<p class='note'>{text(where)}</p>"
    )


def _busiest(found: summary.Summary) -> Point:
    """A point with one query, or as few as there are, and the most connections: waiting is most of what happens there."""
    some = [point for point in found.points if point.n] or found.points
    fewest = min(point.n or 0 for point in some)
    return max((point for point in some if (point.n or 0) == fewest), key=lambda point: point.c)
