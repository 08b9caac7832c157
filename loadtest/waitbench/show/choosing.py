"""For somebody who must choose: under which conditions one or the other will do, as far as the run decides it.

A condition covers measured configurations only, and all that it covers were decided (judge/rules.py).
"""

from typing import Any, Sequence

from ..judge import claims, languages, rules, stats, summary
from ..judge.claims import Claim
from ..judge.rules import Condition, Rule
from ..plan.matrix import Point
from . import capacity, facts, saying, wording


def of(found: summary.Summary) -> list[str]:
    """Up to three sentences; none where nothing is decided."""
    subject, servers = _subject(found)
    if found.several_languages and not subject.startswith("async"):
        return []
    base = wording.names(found)[found.baseline]
    made = [claim for claim in claims.of_capacities(found) if claim.server in servers]
    made = made or claims.of_runs(found, servers)
    if not made:
        return []
    noun = "point" if len({claim.point.load for claim in made}) > 1 else "configuration"
    group = saying.Group(made, dict.fromkeys(servers, subject), base, noun, [], capacity.objective(found))
    points = list(dict.fromkeys(claim.point for claim in made))
    by_point = {point: [claim for claim in made if claim.point == point] for point in points}
    whole = {point: own for point, own in by_point.items() if len(own) == len(servers)}
    pays = rules.best(
        points, [p for p, own in whole.items() if all(c.direction == stats.FASTER for c in own)]
    )
    does = rules.best(points, [p for p, own in whole.items() if all(c.base_will_do for c in own)])
    said = []
    if does:
        said.append(f"{base} will do{_if(found, does)}: {_at_most(subject, does, by_point)}.")
    if pays:
        covered = [claim for point in pays.points for claim in by_point[point]]
        cost = saying.cpu(covered)
        better = f"{_pronoun(subject)} {saying.better(group, covered)}".removesuffix(",")
        said.append(f"{subject} {_pays(subject)}{_if(found, pays)}: {better}{', ' + cost if cost else ''}.")
    said += _cost(group, subject, servers)
    return [wording.capital(sentence) for sentence in said]


def _subject(found: summary.Summary) -> tuple[str, list[str]]:
    """Async, where the others beside threads are; else what they are called."""
    known, words = wording.models(found), wording.names(found)
    plain = [server for server in found.servers[1:] if languages.plain(server) == server]
    if found.several_languages:  # only beside the baseline of their own language
        own = found.kinds.get(found.baseline, languages.UNKNOWN).language
        plain = [server for server in plain if found.kinds.get(server, languages.UNKNOWN).language == own]
    waiting = [server for server in plain if known.get(server, languages.THREADS) != languages.THREADS]
    if known.get(found.baseline) == languages.THREADS and waiting:
        return ("async" + (f" (in {own})" if found.several_languages else "")), waiting
    servers = plain or found.servers[1:]
    return wording.subject([words[server] for server in servers]), servers


def _pays(subject: str) -> str:
    return "pays" if subject.startswith("async") or not saying.several(subject) else "pay"


def _pronoun(subject: str) -> str:
    return "they" if saying.several(subject) and not subject.startswith("async") else "it"


def _at_most(subject: str, rule: Rule, by_point: dict[Point, list[Claim]]) -> str:
    """Non-inferiority: the highest end of what async gains there."""
    covered = [claim for point in rule.points for claim in by_point[point]]
    ends = claims.reach(covered)
    assert ends
    most, name = ends[1], covered[0].measure.name
    if name == "p99":
        return f"{subject} had at least {wording.outward(1 / most, up=False, digits=3)} of their p99 latency there"
    text = wording.outward(most, up=True, digits=3)
    if name == "capacity":
        return f"{subject} took at most {text} times their rate there"
    return f"{subject} answered at most {text} times as many requests there"


def _cost(group: saying.Group, subject: str, servers: Sequence[str]) -> list[str]:
    """The CPU per request, which counts where CPU time is paid for."""
    less, more, total = [], [], 0
    for server in servers:
        own = [claim for claim in group.of(server) if claim.cpu]
        less.append([claim for claim in own if claim.cpu_verdict == stats.FASTER])
        more.append([claim for claim in own if claim.cpu_verdict == stats.SLOWER])
        total = max(total, len(own))
    parts = []
    for of_servers, word in ((less, "less"), (more, "more")):
        every = [claim for own in of_servers for claim in own]
        if every:
            place = wording.places([len(own) for own in of_servers], total, group.noun)
            parts.append(f"{saying.cpu(every).removeprefix('with ')}{place}")
    if not parts:
        return []
    return [f"where CPU time is what counts: {subject} took {wording.listed(parts)}."]


def _if(found: summary.Summary, rule: Rule) -> str:
    """if requests make 20 queries and there are no more connections than the pool has (16)"""
    if not rule.conditions:
        few = len(rule.points)
        return " here" if few == 1 else f"{wording.places([few], few, 'configuration')} that were measured"
    pool = facts.text(found.environment, "settings", "POOL")
    words = [_condition(condition, int(pool) if pool.isdecimal() else None) for condition in rule.conditions]
    return f" if {wording.listed(words)}"


def _condition(condition: Condition, pool: int | None) -> str:
    first, last = condition.values[0], condition.values[-1]
    shown = [f"{value:,}" if isinstance(value, int) else value for value in (first, last)]
    joined = " or " if len(condition.values) == 2 else " to "
    reach = joined.join(dict.fromkeys(shown))
    if condition.axis == "c":
        return _connections(first, last, reach, pool)
    return WORDS[condition.axis](first, last, reach)


def _connections(first: int, last: int, reach: str, pool: int | None) -> str:
    noun = "connection" if last == 1 else "connections"
    if pool and last == pool:
        return f"there are no more connections than the pool has ({reach})"
    if pool and last < pool:
        return f"there are {reach} {noun}, fewer than the pool has ({pool}),"
    if pool and first > pool:
        return f"there are more connections ({reach}) than the pool has ({pool:,})"
    return f"there are {reach} {noun}"


def _queries(first: Any, last: Any, reach: str) -> str:
    if last == 0:
        return "requests make no query"
    return f"requests make {reach} {'query' if last == 1 else 'queries'}"


WORDS = {
    "n": _queries,
    "m": lambda first, last, reach: "responses have "
    + " to ".join(dict.fromkeys(wording.size(value) for value in (first, last))),
    "w": lambda first, last, reach: "nothing is written"
    if last == 0
    else f"{reach} of the queries are updates",
    "d": lambda first, last, reach: (
        "queries are not delayed" if last == 0 else f"the database takes {reach} ms longer for each query"
    ),
    "t": lambda first, last, reach: (
        "requests wait for nothing else" if last == 0 else f"requests wait {reach} ms for something else, too"
    ),
    "k": lambda first, last, reach: (
        "connections stay open"
        if last == 0
        else f"a connection makes {reach} request{'s' if last != 1 else ''}"
    ),
    "i": lambda first, last, reach: (
        "no other connections are open" if last == 0 else f"{reach} idle connections are open, too"
    ),
    "load": lambda first, last, reach: f"the load is {reach}% of the reference rate",
    "proxy": lambda first, last, reach: "no proxy is in front" if first == "none" else f"{first} is in front",
}
