"""The part of report.html about servers in several languages."""

from ..judge import summary
from . import html_parts, peer_tables, peers
from .html_parts import text


def tables(found: summary.Summary) -> str:
    """Empty for a run in one language."""
    if not found.several_languages:
        return ""
    seen = peers.view(found)
    parts = [
        _table("At each point, what is furthest apart", peer_tables.widest(seen)),
        _comparisons(seen, "Inside one language: async to threads", seen.inside),
        _comparisons(seen, "Between languages, inside one model", seen.between),
        _table("What a variant does to its server", peer_tables.variant_rows(seen)),
        _table("Inside one language, with and without nginx", peer_tables.behind_rows(seen)),
        f"<details><summary>Each pair in a sentence</summary><ul>{_items(peers.sentences(seen))}</ul></details>",
    ]
    note = (
        f"{text(peers.CAUTION)} In the tables a ratio is paired in blocks, and the intervals of one measure in one"
        " table hold jointly, so those of the main table may be narrower. A geometric mean counts each point once, whatever"
        " differs between them. * the load generator was the bottleneck of one of the two."
    )
    return html_parts.section("Languages and models", "".join(parts), note)


def _comparisons(seen: peers.View, title: str, comparisons: list) -> str:
    """The means at once, each point behind a click."""
    means = _table(title, peer_tables.mean_rows(seen, comparisons))
    points = _table("", peer_tables.point_rows(seen, comparisons))
    return means + (f"<details><summary>Each point</summary>{points}</details>" if points else "")


def _table(title: str, made: peer_tables.Table) -> str:
    head, rows = made
    if not rows:
        return ""
    words = [place for place, cell in enumerate(rows[0]) if not cell[:1].isdigit()]
    shown = html_parts.table([head, *rows], title or "Each point", words=words)
    return (f"<h3>{text(title)}</h3>" if title else "") + shown


def _items(sentences: list[str]) -> str:
    return "".join(f"<li>{text(sentence)}</li>" for sentence in sentences)
