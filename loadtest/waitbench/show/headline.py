"""The answer in plain words, from the data alone, for somebody who has a minute.

All that is claimed rests on joint 95% intervals (judge/claims.py): a direction only where an interval leaves 1, and a
range only from the lowest to the highest end of the intervals, rounded outward. So two runs of the same truth agree,
except for the errors that 95% allow.
"""

import dataclasses
from typing import Any, Sequence

from ..judge import claims, languages, peers, series, summary
from ..judge.claims import Claim
from . import capacity, choosing, facts, formatting, saying, warnings, wording


@dataclasses.dataclass(frozen=True)
class Headline:
    sentence: str  # the answer: a few short sentences
    lead: str  # its beginning, and whether it is ten times
    rest: list[str]  # its other sentences: where nothing differs, and what the run cannot tell
    choose: list[str]  # for somebody who must choose
    warnings: list[str]  # what spoils the result, the most important first
    about: str  # machine, date, revision, preset, and what was shared


def of(found: summary.Summary, runs: series.Runs | None = None) -> Headline:
    first, middle, tenfold = _parts(found)
    return Headline(
        " ".join([first, *middle, *tenfold]),
        " ".join([first, *tenfold]),
        middle,
        choosing.of(found),
        warnings.of(found, runs or {}),
        about(found),
    )


def sentence(found: summary.Summary) -> str:
    """The answer alone."""
    first, middle, tenfold = _parts(found)
    return " ".join([first, *middle, *tenfold])


def _parts(found: summary.Summary) -> tuple[str, list[str], list[str]]:
    """(what is most important, what else there is, whether it is ten times)"""
    own, rates = claims.of_runs(found), claims.of_capacities(found)
    if not own and not rates:
        return _nothing(found), [], []
    if found.several_languages and (answer := _of_languages(found)):
        return answer
    said: list[str] = []
    loads = len({claim.point.load for claim in own}) > 1
    for made, noun in ((rates, "configuration"), (own, "point" if loads else "configuration")):
        said += _of_servers(found, made, noun, first=not said)
    if not rates:
        return said[0], said[1:], _tenfold(own)
    return (
        said[0],
        said[1:] + (_tenfold(own, " the p99 latency") if own else []),
        _tenfold(rates, " the rate"),
    )


def _nothing(found: summary.Summary) -> str:
    words = wording.names(found)
    if len(found.servers) == 1:
        rates = [entry.median("rps") for entry in found.at(found.baseline)]
        known = sorted(rate for rate in rates if rate is not None)
        said = f"Only {words[found.baseline]} {_was(words[found.baseline])} measured, so there is nothing to compare"
        if not known or found.is_open:
            return said + "."
        ends = " to ".join(dict.fromkeys(formatting.grouped(rate) for rate in (known[0], known[-1])))
        return f"{said}: {ends} requests per second."
    if any(entry.estimates.get("cpu") for server in found.servers[1:] for entry in found.at(server)):
        return "This run compares nothing but the CPU per request: all latencies are spoilt."
    every = wording.listed([words[server] for server in found.servers])
    return f"{wording.capital(every)} never ran in the same block, so there is nothing to compare."


def _was(word: str) -> str:
    return "were" if word.endswith("s") else "was"


def _of_servers(found: summary.Summary, made: list[Claim], noun: str, first: bool) -> list[str]:
    """Plain servers, then those with an option (pipelining, say), each beside the baseline."""
    words = wording.names(found)
    said: list[str] = []
    for optional in (False, True):
        servers = [
            server
            for server in dict.fromkeys(claim.server for claim in made)
            if (languages.plain(server) != server) == optional
        ]
        if servers:
            group = saying.Group(
                [claim for claim in made if claim.server in servers],
                {server: words[server] for server in servers},
                words[found.baseline],
                noun,
                formatting.varying(list(dict.fromkeys(claim.point for claim in made))),
                capacity.objective(found),
            )
            said += saying.sentences(group, where(found) if first and not said else "")
    return said


def _of_languages(found: summary.Summary) -> tuple[str, list[str], list[str]] | None:
    """What the model changes inside one language, and what the language changes."""
    said: list[str] = []
    tens = []
    own = f"servers in {peers.reference(found)}"
    pipelining = all(couple.server.endswith(f"+{wording.PIPELINE}") for couple in peers.variants(found))
    with_, without = (
        ("pipelining", "servers without it") if pipelining else ("options", "servers without them")
    )
    parts = (
        (peers.inside(found), "inside one language,", "async", "threads", "by the model"),
        (peers.between(found), "between languages,", "servers in other languages", own, "by the language"),
        (peers.variants(found), f"with {with_}", "servers", without, f"by {with_}"),
    )
    count = len(peers.direct(found))
    average = "" if count == 1 else f" on average over {wording.count(count, 'configuration')},"
    for couples, begin, subject, base, by in parts:
        if made := claims.of_means(found, couples):
            merged = [dataclasses.replace(claim, server=subject) for claim in made]
            group = saying.Group(merged, {subject: subject}, base, saying.PAIR, [])
            first = "" if said else f"{where(found).rstrip(',')},{average} "
            said += saying.sentences(group, f"{first}{begin}")
            tens.append((claims.of_peers(found, couples), by))
    if not said:
        return None
    if not any(claim.tenfold for made, _ in tens for claim in made):
        return said[0], said[1:], _tenfold([claim for made, _ in tens for claim in made])
    counts = []
    for made, by in tens:
        known = [claim.tenfold for claim in made]
        counts.append(
            f"{by} in {known.count(True) or 'none'} of {len(known)} comparisons{_open(known.count(None))}"
        )
    return said[0], said[1:], [f"Ten times or more was made {wording.listed(counts)}."]


def _open(number: int) -> str:
    return f" ({number} cannot tell)" if number else ""


def _tenfold(made: Sequence[Claim], what: str = "") -> list[str]:
    """The question that everybody asks: is it ten times? Of what, where that is not clear."""
    known = [claim.tenfold for claim in made]
    if all(value is False for value in known):
        return [f"Never ten times{what}."]
    total, beyond, within = len(known), known.count(True), known.count(False)
    said = []
    if beyond:
        said.append(f"Ten times{what} or more{_of(beyond, total)}.")
    if within and beyond + within < total:
        said.append(f"Ten times{what} is excluded{_of(within, total)}.")
    if not beyond and not within:
        said.append(f"Whether it is ten times{what}, this run cannot tell.")
    return said


def _of(number: int, total: int) -> str:
    return f" in {number} of {total} comparisons" if total > 1 else ""


def where(found: summary.Summary) -> str:
    """On this machine, with a mix of reads and writes,"""
    said = ["on these machines" if len(_machines(found.environment)) > 1 else "on this machine"]
    if found.points and found.points[0].is_crud:
        said.append("with a mix of reads and writes")
    if len(found.points) == 1:
        point = found.points[0].configuration if found.capacities else found.points[0]
        said.append(f"with {wording.place(point, point._fields)}")
    return ", ".join(said) + ("," if len(said) > 1 else "")


def _machines(environment: dict[str, Any]) -> set[str]:
    hosts = [facts.member(environment, "hosts", name) for name in ("load_test", "database")]
    return facts.boot_ids(hosts + facts.items(environment, "hosts", "servers"))


def about(found: summary.Summary) -> str:
    """AMD EPYC, 2 CPUs, 24 GiB, Debian 12; 2026-11-28; revision 957069c8; preset full; ..."""
    known = found.environment
    cpus = int(facts.number(known, "machine", "cpus_usable") or facts.number(known, "machine", "cpus"))
    memory = facts.number(known, "machine", "memory_kib") / (1 << 20)
    hardware = [
        facts.text(known, "machine", "cpu_model"),
        wording.count(cpus, "CPU") if cpus else "",
        f"{memory:.0f} GiB" if memory else "",
        "a virtual machine" if facts.member(known, "machine", "virtual") is True else "",
        facts.text(known, "system"),
    ]
    revision = facts.text(known, "git", "revision")[:8]
    changed = " with changes" if facts.member(known, "git", "changed") is True else ""
    preset, seconds = facts.text(known, "settings", "PRESET"), facts.text(known, "settings", "DURATION")
    parts = [
        ", ".join(filter(None, hardware)),
        facts.text(known, "outcome", "finished_at")[:10],
        f"revision {revision}{changed}" if revision else "",
        f"preset {preset}" if preset else "",
        f"{_blocks(found)} of {seconds} s" if seconds and found.entries else "",
        _shared(known),
        formatting.arrangement(known),
    ]
    return "; ".join(filter(None, parts))


def _blocks(found: summary.Summary) -> str:
    counts = [len(entry.runs) for entry in found.entries.values()]
    least, most = min(counts), max(counts)
    return wording.count(most, "block") if least == most else f"{least} to {most} blocks"


def _shared(known: dict[str, Any]) -> str:
    """The parts that shared the CPUs."""
    servers = facts.boot_ids(facts.items(known, "hosts", "servers"))
    others = {
        "database": facts.boot_ids([facts.member(known, "hosts", "database")]),
        "load generator": facts.boot_ids(facts.items(known, "hosts", "generators")),
    }
    together = [name for name, hosts in others.items() if hosts and hosts <= servers]
    if not together:
        return ""
    how = "on CPUs of their own" if facts.member(known, "placement") else "sharing its CPUs"
    return f"{wording.listed(['server', *together])} on one machine, {how}"
