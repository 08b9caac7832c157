"""A run with servers in several languages, in sentences and tables (judge/peers.py): for the terminal,
report.html and documents. Every word about a size is read off the joint intervals of the table that it is about."""

from typing import NamedTuple

from ..judge import peers, stats, summary
from ..judge.languages import THREADS
from ..judge.peers import Comparison, Couple
from ..plan import matrix
from . import by_language, formatting

CAUTION = (
    "A language here is its runtime, its HTTP server and its database driver together, one of each: the ratios are of"
    " those, not of languages as such."
)

BOUND = (
    "* the load generator was the bottleneck of one of the two, which does more than was measured: such a ratio counts as"
    " ten times only if it is so all the more, and else as one that cannot tell."
)

BYSTANDER = "bystander"  # of soundness.REASONS: no fault of the server whose run it was
OTHERS = "each of its blocks was unsound because of another server, or was not run."


class View(NamedTuple):
    """The comparisons of one run."""

    found: summary.Summary
    inside: list[Comparison]
    between: list[Comparison]

    @property
    def lead(self) -> summary.Measure:
        return peers.measures(self.found)[0]

    @property
    def cpu(self) -> summary.Measure:
        return peers.measures(self.found)[1]


def view(found: summary.Summary) -> View:
    points = peers.direct(found)
    return View(
        found,
        peers.compare(found, peers.inside(found), points),
        peers.compare(found, peers.between(found), points),
    )


def closing(found: summary.Summary) -> list[str]:
    """The answer in a few sentences; [] for a run in one language."""
    if not found.several_languages:
        return []
    seen = view(found)
    models = [
        found.kinds[couple.server].model == found.kinds[couple.base].model for couple in peers.between(found)
    ]
    one_model = "inside one model" if all(models) else "inside one model, or the nearest that there is"
    said = [
        *_averages(seen),
        _span(seen, seen.inside, "Between the models of one language (async to threads)"),
        _span(seen, seen.between, f"Between languages {one_model} (to {peers.reference(found)})"),
        *(_tenfold(seen, measure) for measure in (seen.lead, seen.cpu)),
    ]
    return [sentence for sentence in said if sentence] + missing(found)


def _averages(seen: View) -> list[str]:
    """The reader's first question: from the lowest to the highest geometric mean over the points, of both measures."""
    said = []
    for comparisons, subject in (
        (seen.inside, "Async beside threads of the same language"),
        (seen.between, f"Servers in other languages beside those in {peers.reference(seen.found)}"),
    ):
        parts = []
        for measure in (seen.lead, seen.cpu):
            means = peers.means(comparisons, measure)
            if means:
                ends = sorted(means, key=lambda couple: means[couple].mean)
                texts = [
                    f"{ratio_text(means[couple])} ({couple.server} to {couple.base})"
                    for couple in dict.fromkeys((ends[0], ends[-1]))
                ]
                parts.append(f"{' to '.join(texts)} in {named(measure)}")
        points = len({one.point for one in comparisons})
        if points > 1 and parts:
            said.append(f"{subject}, on average over {points} points: {'; '.join(parts)}.")
    return said


def _span(seen: View, comparisons: list[Comparison], subject: str) -> str:
    """From the lowest to the highest ratio, of both measures."""
    parts = []
    for measure in (seen.lead, seen.cpu):
        name = named(measure)
        ends = peers.extremes(comparisons, measure)
        if not ends:
            parts.append(f"{name} is not compared")
            continue
        places = dict.fromkeys(_place(seen, one, measure) for one in ends)
        parts.append(f"{' to '.join(places)} in {name}: {_magnitude(comparisons, measure)}")
    if not any(peers.extremes(comparisons, measure) for measure in (seen.lead, seen.cpu)):
        return f"{subject} nothing was compared."
    size = f"{count(len(comparisons), 'comparison')} of {count(len({one.couple for one in comparisons}), 'pair')}"
    return f"{subject}, in {size}, lie {'; '.join(parts)}."


def _place(seen: View, one: Comparison, measure: summary.Measure) -> str:
    """0.81x [0.78, 0.85] (one to other, n=0 c=16)"""
    estimate = one.estimates[measure.name]
    assert estimate
    where = f"{one.couple.server} to {one.couple.base}, {label(seen.found, one.point)}"
    return f"{ratio_text(estimate)}{mark(one, measure)} ({where})"


def _tenfold(seen: View, measure: summary.Measure) -> str:
    halves = [
        _tally(peers.tally(comparisons, measure), what)
        for comparisons, what in ((seen.inside, "the model"), (seen.between, "the language"))
    ]
    said = ", by ".join(half for half in halves if half)
    return f"A factor of ten or more in {named(measure)} was made by {said}." if said else ""


def _tally(found: peers.Tally, what: str) -> str:
    """the language in 3 of 12 comparisons (2 cannot tell)"""
    if not found.total:
        return ""
    said = f"{what} in {found.beyond or 'none'} of {count(found.total, 'comparison')}"
    if not found.open:
        return said
    return said + ("" if found.beyond else " for certain") + f" ({found.open} cannot tell)"


def sentences(seen: View) -> list[str]:
    """The ratios of each server to the one that it is compared with."""
    found = []
    for comparisons in (seen.inside, seen.between):
        for couple in dict.fromkeys(one.couple for one in comparisons):
            found.append(_sentence(seen, couple, [one for one in comparisons if one.couple == couple]))
    return found


def _sentence(seen: View, couple: Couple, comparisons: list[Comparison]) -> str:
    """one answered 0.061 [0.05, 0.07] times as many requests as other at n=1 c=64, with 9.1 [8, 10] times the CPU."""
    lead = _times(seen, comparisons, seen.lead)
    cpu = _times(seen, comparisons, seen.cpu)
    if seen.lead.name == "rps":
        said = f"answered {lead} times as many requests as {couple.base}"
    else:
        said = f"had {lead} times the p99 latency of {couple.base}"
    if not lead:
        said = f"is compared with {couple.base} in nothing but its cost"
    cost = f"with {cpu} times the CPU per request" if cpu else "and the CPU per request is not known"
    where = f" at {label(seen.found, comparisons[0].point)}" if len(comparisons) == 1 else ""
    return f"{couple.server} {said}{where}, {cost}."


def _times(seen: View, comparisons: list[Comparison], measure: summary.Measure) -> str:
    ends = peers.extremes(comparisons, measure)
    if not ends:
        return ""
    texts = []
    for one in ends if ends[0] is not ends[1] else ends[:1]:
        estimate = one.estimates[measure.name]
        assert estimate
        where = f" ({label(seen.found, one.point)})" if len(comparisons) > 1 else ""
        texts.append(
            f"{formatting.ratio(estimate.ratio)[:-1]} {formatting.interval(estimate)}{mark(one, measure)}{where}"
        )
    return " to ".join(texts)


def missing(found: summary.Summary) -> list[str]:
    """Servers that were not measured, were unsound, or have none to be compared with."""
    said = []
    if len(peers.direct(found)) < len(found.points):
        said.append("Points with nginx in front are not among these, and compared apart.")
    failed = {one.server: one for one in peers.discarded(found)}
    disturbed = [
        one for one in failed.values() if set(one.words) == {BYSTANDER} and one.server in found.servers
    ]
    for one in disturbed:
        del failed[one.server]
    for server in peers.without_a_run(found):
        why = _discarded(failed.pop(server)) if server in failed else OTHERS
        said.append(f"{server} has no sound run: {why}")
    for one in failed.values():
        said.append(
            f"{one.server} had unsound runs, whose blocks were run again or given up: {_discarded(one)}"
        )
    if disturbed:
        runs = sum(one.runs for one in disturbed)
        were, blocks = ("was", "its block") if runs == 1 else ("were", "their blocks")
        said.append(
            f"{count(runs, 'run')} of {count(len(disturbed), 'server')} {were} discarded, and {blocks} run again,"
            " since a server that was not loaded used more of a CPU than BYSTANDER_MAX; the first:"
            f" {_ended(disturbed[0].example)}"
        )
    for point in (found.environment.get("outcome") or {}).get("unsound_points", ()):
        where = matrix.Point(**{name: value for name, value in point.items() if name in matrix.Point._fields})
        said.append(f"{where} was given up, for all servers: {_ended(point['reason'])}")
    if any(entry.generator_bound for entry in found.entries.values()):
        said.append(BOUND)
    if alone := _alone(found):
        said.append(
            f"Inside {', '.join(alone)} there is nothing to compare: no two models, or none that is {THREADS}."
        )
    if strangers := [server for server in found.servers if server not in found.kinds]:
        said.append(f"The language of {', '.join(strangers)} is not known, and nothing is said of it here.")
    if peers.left_out(found):
        said.append(f"Listed, and no part of this run: {', '.join(peers.left_out(found))}.")
    return said


def _discarded(one: peers.Discarded) -> str:
    words = ", ".join(f"{word} ({number})" for word, number in one.words.items())
    return _ended(f"{count(one.runs, 'run')} discarded, {words}; the first: {one.example}")


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(("?", ".", "!")) else sentence + "."


def _alone(found: summary.Summary) -> list[str]:
    compared = {found.kinds[couple.server].language for couple in peers.inside(found)}
    languages = dict.fromkeys(kind.language for kind in found.kinds.values())
    return [language for language in languages if language not in compared]


def named(measure: summary.Measure) -> str:
    return by_language.LEADS.get(measure.name, "CPU per request")


def label(found: summary.Summary, point: matrix.Point) -> str:
    return formatting.label(point, formatting.varying(found.points) or ["n", "c"])


def ratio_text(estimate: stats.Estimate | None) -> str:
    assert estimate
    return f"{formatting.ratio(estimate.ratio)} {formatting.interval(estimate)}"


def mark(one: Comparison, measure: summary.Measure) -> str:
    """Where the generator was the bottleneck of either."""
    return "*" if measure == summary.THROUGHPUT and any(one.bound) else ""


def _magnitude(comparisons: list[Comparison], measure: summary.Measure) -> str:
    """From that of the smallest difference to that of the largest, as far as their intervals reach, and how many cannot
    tell: what is too uncertain, what has one block, and where the generator was the bottleneck."""
    estimates = [(one, estimate) for one in comparisons if (estimate := one.estimates[measure.name])]
    reaches = []
    for one, estimate in estimates:
        low, high = estimate.low, estimate.high
        if low and high and not mark(one, measure):
            words = formatting.magnitude(low, high)
            reaches += [(max(high, 1 / low), words)] if words != formatting.UNCERTAIN else []
    if not reaches:
        return "no order of magnitude can be told"
    said = " to ".join(dict.fromkeys(words for _, words in (min(reaches), max(reaches))))
    rest = len(estimates) - len(reaches)
    return said + (f" ({rest} cannot tell)" if rest else "")


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")
