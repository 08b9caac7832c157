"""The tables of a run with servers in several languages (judge/peers.py), for report.html and documents."""

from typing import Callable, Iterable, Sequence

from .. import ROOT, Failure
from ..judge import peers, stats, summary
from ..judge.peers import Comparison, Couple
from . import formatting, proxy_comparison
from .peers import CAUTION, View, closing, count, label, mark, named, ratio_text, sentences, view

Table = tuple[list[str], list[list[str]]]
INSIDE, BETWEEN = "inside one language", "between languages"


def heads(seen: View, first: Sequence[str]) -> list[str]:
    lead = named(seen.lead)
    return [*first, f"{lead} {formatting.JOINT}", "verdict", f"CPU per request {formatting.JOINT}", "verdict"]


def point_rows(seen: View, comparisons: Iterable[Comparison]) -> Table:
    """Every comparison."""
    rows = []
    for one in comparisons:
        cells = []
        for measure in (seen.lead, seen.cpu):
            estimate = one.estimates[measure.name]
            cells += [
                _cell(one, measure),
                formatting.decision(measure.name, estimate, one.verdicts[measure.name]),
            ]
        rows.append([label(seen.found, one.point), *_couple(seen.found, one.couple), *cells])
    return heads(seen, ["point", "pair", "language", "waits by"]), rows


def mean_rows(seen: View, comparisons: list[Comparison]) -> Table:
    """The geometric mean over the points of each couple."""
    leads, costs = (peers.means(comparisons, measure) for measure in (seen.lead, seen.cpu))
    rows = []
    for couple in dict.fromkeys(one.couple for one in comparisons):
        own = [one for one in comparisons if one.couple == couple]
        cells = []
        for measure, known in ((seen.lead, leads), (seen.cpu, costs)):
            estimate = known.get(couple)
            word = stats.verdict(estimate, measure.more_is_better)
            bound = "*" if any(mark(one, measure) for one in own) else ""
            cells += [
                ratio_text(estimate) + bound if estimate else "",
                formatting.verdict(measure.name, word),
            ]
        rows.append([_points(seen, own), *_couple(seen.found, couple), *cells])
    return heads(seen, ["mean over", "pair", "language", "waits by"]), rows


def _points(seen: View, own: list[Comparison]) -> str:
    """6 points; 5 and 6 points where p99, say, was compared at fewer of them than the CPU."""
    counts = [sum(bool(one.estimates[measure.name]) for one in own) for measure in (seen.lead, seen.cpu)]
    most = count(counts[1], "point")
    return most if counts[0] == counts[1] else f"{counts[0]} and {most}"


def _couple(found: summary.Summary, couple: Couple) -> list[str]:
    """one / other, Java / C, virtual threads / stackful coroutines; what both have stands once."""
    both = [found.kinds.get(server) for server in couple]
    own = zip(*both) if all(both) else [("", ""), ("", "")]  # type: ignore[arg-type]
    return [" / ".join(couple), *(" / ".join(dict.fromkeys(words)) for words in own)]


def widest(seen: View) -> Table:
    """At each point, what is furthest apart: between two models of one language, and between two languages."""
    rows = []
    for point in peers.direct(seen.found):
        cells = [label(seen.found, point)]
        for measure in (seen.lead, seen.cpu):
            for comparisons in (seen.inside, seen.between):
                one = peers.furthest([one for one in comparisons if one.point == point], measure)
                cells.append(f"{_cell(one, measure)} {' / '.join(one.couple)}" if one else "")
        rows.append(cells)
    names = [named(seen.lead), named(seen.cpu)]
    return ["point", *(f"{name}, {what}" for name in names for what in (INSIDE, BETWEEN))], rows


def _cell(one: Comparison, measure: summary.Measure) -> str:
    estimate = one.estimates[measure.name]
    return f"{ratio_text(estimate)}{mark(one, measure)}" if estimate else ""


def variant_rows(seen: View) -> Table:
    return point_rows(seen, peers.compare(seen.found, peers.variants(seen.found), seen.found.points))


def nginx_rows(seen: View) -> Table:
    """Each server behind nginx, of the same without."""
    head, *rows = proxy_comparison.rows(seen.found) or [proxy_comparison.HEADS]
    return list(head[:5]), [list(row[:5]) for row in rows]


def behind_rows(seen: View) -> Table:
    """The ratio of async to threads without nginx, behind it, and what nginx makes of it."""
    rows = []
    for one in peers.behind(seen.found, peers.inside(seen.found)):
        cells = []
        for measure in (seen.lead, seen.cpu):
            change = one.change[measure.name]
            cells += [_cell(each, measure) for each in (one.direct, one.proxied)]
            cells.append(ratio_text(change) if change else "")
        rows.append([label(seen.found, one.direct.point), " / ".join(one.direct.couple), *cells])
    lead = named(seen.lead)
    columns = [f"{name}, {what}" for name in (lead, "CPU") for what in ("direct", "nginx", "nginx / direct")]
    return ["point", "pair", *columns], rows


def answer(found: summary.Summary) -> list[str]:
    """For a page that has nothing else of the run."""
    few = [f"Exploratory: fewer than {stats.BLOCKS} blocks."] if found.exploratory else []
    return [*closing(found), *few, CAUTION]


PARTS: dict[str, tuple[str, Callable[[View], list[str] | Table]]] = {
    "answer": ("", lambda seen: answer(seen.found)),
    "sentences": ("", sentences),
    "widest": ("What is furthest apart", widest),
    "inside": ("Inside one language", lambda seen: point_rows(seen, seen.inside)),
    "inside-means": ("Inside one language, all points", lambda seen: mean_rows(seen, seen.inside)),
    "between": ("Between languages", lambda seen: point_rows(seen, seen.between)),
    "between-means": ("Between languages, all points", lambda seen: mean_rows(seen, seen.between)),
    "variants": ("What pipelining does", variant_rows),
    "nginx": ("What nginx in front changes", nginx_rows),
    "behind": ("Inside one language, behind nginx", behind_rows),
}


def parts(words: Iterable[str]) -> list[str | Table]:
    """For a document: a folder and `table=` with names of PARTS. Raises Failure."""
    folders, wanted = [], list(PARTS)
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            folders.append(ROOT / word)
        elif name != "table" or not set(value.split(",")) <= PARTS.keys():
            raise Failure(f"'{word}' chooses no table of peers: table= {', '.join(PARTS)}")
        else:
            wanted = value.split(",")
    if len(folders) != 1:
        raise Failure("a table of peers is of one folder of results")
    found = summary.load(folders[0])
    if not found.several_languages:
        raise Failure(
            f"{folders[0]} has no servers in two languages: its environment.json says of each server which one"
        )
    seen = view(found)
    made: list[str | Table] = []
    for name in wanted:
        title, make = PARTS[name]
        made += [f"### {title}\n"] * (len(wanted) > 1 and bool(title))
        made.append(_shown(make(seen)))
    return made


def _shown(made: list[str] | Table) -> str | Table:
    """As Markdown: sentences as a list, and a mark is no emphasis."""
    if isinstance(made, list):
        return "".join(f"- {_escaped(sentence)}\n" for sentence in made)
    head, rows = made
    return (
        (head, [[_escaped(cell) for cell in row] for row in rows]) if rows else "Not measured in this run.\n"
    )


def _escaped(text: str) -> str:
    return text.replace("*", "\\*")
