"""The claims of one or several servers beside one other, summed up in sentences."""

import dataclasses
import math
import statistics
from typing import Mapping, Sequence

from ..judge import claims, stats
from ..judge.claims import Claim
from . import wording
from .wording import Phrases


@dataclasses.dataclass(frozen=True)
class Measure:
    """How a measure is said: of a server that is better, of a base that is, of two that are alike, and of a doubt."""

    better: Phrases
    ahead: Phrases
    alike: str
    doubt: str


THROUGHPUT = Measure(
    Phrases(
        "answered {span} times as many requests as {base}",
        "answered at least {near} times as many requests as {base}",
        "answered more requests than {base}, up to {far} times as many,",
        "answered more requests than {base}",
    ),
    Phrases(
        "{span} times as many requests",
        "at least {near} times as many requests",
        "up to {far} times as many requests",
        "",
    ),
    "answered equally many requests",
    "answer more requests",
)
# Ratios of latencies are turned around, so that more is better, and back again here.
LATENCY = Measure(
    Phrases(
        "had {span} of the p99 latency of {base}",
        "had at most {near} of the p99 latency of {base}",
        "had a shorter p99 latency than {base}, down to {far} of it,",
        "had a shorter p99 latency than {base}",
    ),
    Phrases(
        "{span} of the p99 latency",
        "at most {near} of the p99 latency",
        "down to {far} of the p99 latency",
        "",
    ),
    "had equal p99 latencies",
    "have the shorter p99 latency",
)
CAPACITY = Measure(
    Phrases(
        "took {span} times the rate of {base} with a p99 of at most {slo}",
        "took at least {near} times the rate of {base} with a p99 of at most {slo}",
        "took a higher rate than {base} with a p99 of at most {slo}, up to {far} times,",
        "took a higher rate than {base} with a p99 of at most {slo}",
    ),
    Phrases("{span} times the rate", "at least {near} times the rate", "up to {far} times the rate", ""),
    "took equal rates with a p99 of at most {slo}",
    "take the higher rate with a p99 of at most {slo}",
)
PAIR = "pair"  # of servers, as a noun of a claim
FAR = 4.0  # times the near end of an interval: a far end beyond that is no number to quote
MEASURES = {"rps": THROUGHPUT, "p99": LATENCY, "capacity": CAPACITY}
CPU_LESS = Phrases(
    "with {span} of the CPU per request",
    "with at most {near} of the CPU per request",
    "with less CPU per request (down to {far})",
    "with less CPU per request",
)
CPU_MORE = Phrases(
    "with {span} times the CPU per request",
    "with at least {near} times the CPU per request",
    "with more CPU per request (up to {far} times)",
    "with more CPU per request",
)


@dataclasses.dataclass(frozen=True)
class Group:
    claims: list[Claim]
    words: Mapping[str, str]  # of each server, in order
    base: str  # in words
    noun: str  # what a claim is of: a configuration
    axes: Sequence[str]  # by which a configuration is named
    slo: str = ""  # 10 ms, of capacities

    def of(self, server: str, *directions: str) -> list[Claim]:
        return [
            c for c in self.claims if c.server == server and (not directions or c.direction in directions)
        ]

    def subject(self, servers: Sequence[str]) -> str:
        return wording.subject([self.words[server] for server in servers])

    def places(self, servers: Sequence[str], direction: str) -> str:
        """at 2 or 3 of 7 configurations"""
        counts = [len(self.of(server, direction)) for server in servers]
        text = wording.places(counts, max(len(self.of(server)) for server in servers), self.noun)
        return text.replace(" at ", " in ", 1) if self.noun == PAIR else text

    @property
    def measure(self) -> Measure:
        return MEASURES[self.claims[0].measure.name]


def sentences(group: Group, where: str) -> list[str]:
    """`where`: what the first sentence begins with, on this machine."""
    undecided = [
        server for server in group.words if not group.of(server, stats.FASTER, stats.SLOWER, stats.SAME)
    ]
    decided = [server for server in group.words if server not in undecided]
    winners = [server for server in decided if group.of(server, stats.FASTER)]
    said = []
    if winners:
        said.append(_better(group, winners))
    if losers := [server for server in decided if group.of(server, stats.SLOWER)]:
        said.append(_ahead(group, losers, named=losers == winners))
    if alike := [server for server in decided if group.of(server, stats.SAME)]:
        said.append(_alike(group, alike, named=alike == decided and bool(said)))
    if any(group.of(server, stats.INCONCLUSIVE) for server in decided):
        said.append(f"{group.places(decided, stats.INCONCLUSIVE).strip()} this run cannot tell.")
    if undecided:
        said.append(_doubt(group, undecided))
    if where:
        said[0] = f"{where} {said[0]}"
    return [wording.capital(sentence) for sentence in said]


def _better(group: Group, servers: list[str]) -> str:
    made = [claim for server in servers for claim in group.of(server, stats.FASTER)]
    said, place, cost = better(group, made), group.places(servers, stats.FASTER), cpu(made)
    return f"{group.subject(servers)} {said if place else said.removesuffix(',')}{place}{', ' + cost if cost else ''}."


def better(group: Group, made: Sequence[Claim]) -> str:
    """answered 1.2 to 1.8 times as many requests as threads"""
    return _say(group.measure.better, made, base=group.base, slo=group.slo)


def _say(phrases: Phrases, made: Sequence[Claim], inverse: bool = False, **names: str) -> str:
    ends = claims.reach(made)
    assert ends  # a direction comes from intervals
    low, high = ends
    far = low if inverse else high
    vague = any(far in claim.ends and claim.ends[1] > FAR * claim.ends[0] for claim in made if claim.ends)
    above, below = any(claim.open_above for claim in made), any(claim.open_below for claim in made)
    more = (below and not above) if inverse else (above and not below)
    if made[0].measure.more_is_better == inverse:
        low, high = 1 / high, 1 / low
    return phrases.say(low, high, vague, more, **names)


def cpu(made: Sequence[Claim]) -> str:
    """with 0.5 to 0.8 of the CPU per request; empty where that is not one direction for all of them"""
    ends, words = claims.cpu_reach(made), {claim.cpu_verdict for claim in made}
    if not ends or len(words) > 1 or not words <= {stats.FASTER, stats.SLOWER}:
        return ""
    return (CPU_LESS if words == {stats.FASTER} else CPU_MORE).say(*ends)


def _ahead(group: Group, servers: list[str], named: bool) -> str:
    """at 5 queries and 16 connections threads were ahead: ..."""
    made = [claim for server in servers for claim in group.of(server, stats.SLOWER)]
    than = "" if named else f" of {group.subject(servers)}"
    said = _say(group.measure.ahead, made, inverse=True)
    points = list(dict.fromkeys(claim.point for claim in made))
    worst = max(points, key=lambda point: _strength([claim for claim in made if claim.point == point]))
    place = wording.place(worst, group.axes) if group.axes else ""
    if place and len(points) == 1:
        begin, such = f"at {place} {group.base} {_were(group.base)} ahead{than}", ""
    else:
        begin = f"{group.base} {_were(group.base)} ahead{than}{group.places(servers, stats.SLOWER)}"
        such = f", such as {place}" if place else ""
    return f"{begin}{such}{': ' + said if said else ''}."


def _strength(made: Sequence[Claim]) -> tuple[int, float]:
    """In how many servers, and by how much."""
    return len(made), statistics.mean(abs(math.log(claim.estimate.ratio)) for claim in made)


def several(words: str) -> bool:
    """Whether a verb has its plural after these words."""
    return (
        words.endswith("s")
        or " and " in words
        or words.startswith(("threads", "those", "servers", "the other"))
    )


def _were(words: str) -> str:
    return "were" if several(words) else "was"


def _alike(group: Group, servers: list[str], named: bool) -> str:
    alike = f"{group.measure.alike.format(slo=group.slo)} (within 5%)"
    place = group.places(servers, stats.SAME)
    every = all(len(group.of(server, stats.SAME)) == len(group.of(server)) for server in servers)
    if named and not every:
        return f"{place.strip()} they {alike}."
    both = wording.listed([*(group.words[server] for server in servers), group.base])
    return f"{both} {alike}{place}."


def _doubt(group: Group, servers: list[str]) -> str:
    """With what is known all the same: how far apart they can be."""
    made = [claim for server in servers for claim in group.of(server)]
    either = wording.listed([*(group.words[server] for server in servers), group.base], "or")
    said = f"this run cannot tell whether {either} {group.measure.doubt.format(slo=group.slo)}"
    if all(claim.estimate.count == 1 for claim in made):
        return f"{said}: one block alone bounds nothing."
    ends = claims.reach(made)
    apart = max(ends[1], 1 / ends[0]) if ends else math.inf
    if apart >= 10 or any(any(claim.bound) for claim in made):
        return f"{said}."
    return f"{said}: they are less than {wording.outward(apart, up=True)} times apart."
