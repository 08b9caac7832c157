"""What the joint intervals of a run support, of one server beside another at one point: all that is said in words rests
on these.

Where the generator was the bottleneck, a throughput is a lower bound, and the ratio of two says little of the servers. A
direction is then claimed only where the CPU per request, which the generator does not change, was found to differ in the
same direction.
"""

import dataclasses
from typing import Iterable, Sequence

from ..plan import matrix
from . import capacities, peers, stats, summary

TENFOLD = peers.TENFOLD
CAPACITY = summary.Measure("capacity", "capacity_rps", True, "verdict_capacity")


@dataclasses.dataclass(frozen=True)
class Claim:
    point: matrix.Point
    server: str
    base: str
    measure: summary.Measure
    estimate: stats.Estimate
    verdict: str | None
    cpu: stats.Estimate | None = None
    cpu_verdict: str | None = None
    bound: tuple[bool, bool] = (False, False)  # the generator was the bottleneck of the server, of the base

    @property
    def direction(self) -> str:
        """FASTER (better), SLOWER, SAME or INCONCLUSIVE."""
        if any(self.bound) and (self.verdict == stats.SAME or self.verdict != self.cpu_verdict):
            return stats.INCONCLUSIVE
        return self.verdict or stats.INCONCLUSIVE

    @property
    def ends(self) -> tuple[float, float] | None:
        """Of the interval, as a ratio of which more is better; None: a single block has none."""
        low, high = self.estimate.low, self.estimate.high
        if low is None or high is None or low <= 0:
            return None
        return (low, high) if self.measure.more_is_better else (1 / high, 1 / low)

    @property
    def open_above(self) -> bool:
        """The server may do more than was measured, and the base may not."""
        return self.bound == (True, False)

    @property
    def open_below(self) -> bool:
        return self.bound == (False, True)

    @property
    def base_will_do(self) -> bool:
        """The interval excludes that the server is better by more than the margin."""
        return self.ends is not None and not any(self.bound) and self.ends[1] <= stats.MARGIN

    @property
    def tenfold(self) -> bool | None:
        """Whether one does ten times as much as the other. None: the intervals do not tell."""
        found = _tenfold(self.ends)
        if any(self.bound) and found is not None and found != _tenfold(self._cpu_ends):
            return None
        return found

    @property
    def _cpu_ends(self) -> tuple[float, float] | None:
        low, high = (self.cpu.low, self.cpu.high) if self.cpu else (None, None)
        return (low, high) if low and high else None


def _tenfold(ends: tuple[float, float] | None) -> bool | None:
    if ends is None:
        return None
    low, high = ends
    if low >= TENFOLD or high <= 1 / TENFOLD:
        return True
    return False if 1 / TENFOLD < low and high < TENFOLD else None


def of_runs(found: summary.Summary, servers: Sequence[str] | None = None) -> list[Claim]:
    """Of the leading measure, by server, then by point; by default of all servers beside the baseline."""
    made = []
    for server in found.servers[1:] if servers is None else servers:
        for entry in found.at(server):
            if estimate := entry.estimates.get(found.lead.name):
                base = found.entries[entry.point, found.baseline]
                bound = (False, False) if found.is_open else (entry.generator_bound, base.generator_bound)
                made.append(
                    Claim(
                        entry.point, server, found.baseline, found.lead, estimate, entry.verdicts[found.lead.name],
                        entry.estimates.get("cpu"), entry.verdicts.get("cpu"), bound,
                    )  # fmt: skip
                )
    return made


def of_capacities(found: summary.Summary) -> list[Claim]:
    entries: Iterable[capacities.Entry] = found.capacities.values()
    return [
        Claim(entry.point, entry.server, found.baseline, CAPACITY, entry.estimate, entry.verdict)
        for server in found.servers[1:]
        for entry in entries
        if entry.server == server and entry.estimate
    ]


def of_peers(found: summary.Summary, couples: Sequence[peers.Couple]) -> list[Claim]:
    """Of pairs of servers; one family for each measure."""
    lead, cpu = peers.measures(found)
    return [
        Claim(
            one.point,
            one.couple.server,
            one.couple.base,
            lead,
            estimate,
            one.verdicts[lead.name],
            one.estimates[cpu.name],
            one.verdicts[cpu.name],
            (False, False) if found.is_open else one.bound,
        )  # fmt: skip
        for one in peers.compare(found, couples, peers.direct(found))
        if (estimate := one.estimates[lead.name])
    ]


def of_means(found: summary.Summary, couples: Sequence[peers.Couple]) -> list[Claim]:
    """Of pairs of servers, on average over the points, of which the first stands for all."""
    lead, cpu = peers.measures(found)
    made = peers.compare(found, couples, peers.direct(found))
    leads, costs = (peers.means(made, measure) for measure in (lead, cpu))
    claims = []
    for couple, estimate in leads.items():
        own = [one for one in made if one.couple == couple]
        bound = any(one.bound[0] for one in own), any(one.bound[1] for one in own)
        cost = costs.get(couple)
        claims.append(
            Claim(
                own[0].point, couple.server, couple.base, lead, estimate, stats.verdict(estimate, lead.more_is_better),
                cost, stats.verdict(cost, cpu.more_is_better), (False, False) if found.is_open else bound,
            )  # fmt: skip
        )
    return claims


def reach(claims: Iterable[Claim]) -> tuple[float, float] | None:
    """From the lowest to the highest end of the intervals, of which more is better: with 95% confidence all true ratios of
    a server lie within. None: some claim has no interval."""
    ends = [claim.ends for claim in claims]
    known = [pair for pair in ends if pair]
    if not known or len(known) < len(ends):
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def cpu_reach(claims: Iterable[Claim]) -> tuple[float, float] | None:
    """The same of the CPU per request, of which less is better."""
    ends = [claim._cpu_ends for claim in claims]
    known = [pair for pair in ends if pair]
    if not known or len(known) < len(ends):
        return None
    return min(low for low, _ in known), max(high for _, high in known)
