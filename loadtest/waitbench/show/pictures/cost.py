"""The cost of a request: the CPU time of each part of the system, from 0."""

import statistics
from typing import Mapping

from ...judge import evidence, summary
from .. import formatting
from . import bars, groups, values, words
from . import look as looks
from .picture import Picture, Section

SERVER = ("server, user", "server, kernel")
# part -> its column of runs.csv or detail.csv
COLUMNS = dict(zip(SERVER, ("cpu_user_us_per_req", "cpu_sys_us_per_req"))) | {
    "database": "db_cpu_us_per_req",
    "proxy": "proxy_cpu_us_per_req",
    "generator": "wrk_cpu_us_per_req",
}
OTHERS = "others"
COLOURS = {part: looks.PARTS[part] for part in (*COLUMNS, OTHERS)}
HOW = (
    "A bar is the CPU time that one request takes of each part, one after another from 0: of the server outside the"
    " kernel (user) and inside it, of PostgreSQL, and of the load generator. Others is what belongs to no part: interrupts"
    " and other programs. Bars are means over the runs, so that their parts add up. Only the server's part differs by how"
    " it waits; where CPUs are few, the whole bar is what limits the throughput. * at the number: the generator was the"
    " bottleneck, or the latencies are spoilt."
)


def section(known: evidence.Evidence) -> Section | None:
    shown = groups.entries(known.found, lambda entry: entry.median(summary.CPU) is not None)
    pictures = [picture(known, sheet) for sheet in groups.sheets(known.found, shown, ["workload", "n"])]
    return Section("cost", "CPU per request", HOW, pictures, shown=6) if pictures else None


def parts(known: evidence.Evidence, entry: summary.Entry) -> dict[str, float]:
    """part -> microseconds per request; without the parts that are not known."""
    found = {part: values.mean(known, entry, column) for part, column in COLUMNS.items()}
    cpus = known.found.environment.get("machine", {}).get("cpus")
    shares = values.together(known, entry, ["other_share", "rps"])
    if shares and isinstance(cpus, int):
        # Differences of counters, which may come out a little below zero.
        found[OTHERS] = statistics.fmean(share * cpus * 1e6 / rps for share, rps in shares if rps)
    if entry.point.proxy == "none":
        found.pop("proxy")
    return {part: value for part, value in found.items() if value is not None}


def picture(known: evidence.Evidence, sheet: groups.Sheet) -> Picture:
    made = [_bar(entry, parts(known, entry)) for entry in sheet.entries]
    rows = [["point", "server", *(f"{part}, µs" for part in COLOURS)]]
    for bar in made:
        rows.append([str(bar.entry.point) + words.star(bar.entry), bar.entry.server])
        rows[-1] += [formatting.significant(bar.parts.get(part)) for part in COLOURS]
    return Picture(
        words.slug("cost", sheet.name),
        "CPU per request" + words.at(sheet.where),
        _sentence(made),
        "detail.csv" if known.details else "runs.csv",
        rows,
        lambda figure, look: bars.draw(figure, look, sheet, made, COLOURS, "µs of CPU per request"),
        bars.keys(made, COLOURS),
        height=bars.height(sheet),
    )


def _bar(entry: summary.Entry, found: Mapping[str, float]) -> bars.Bar:
    total = sum(max(0.0, value) for value in found.values())
    return bars.Bar(entry, found, f"{total:,.0f}" + words.star(entry))


def _sentence(made: list[bars.Bar]) -> str:
    entries = [bar.entry for bar in made]
    servers = [(bar, sum(bar.parts[part] for part in SERVER)) for bar in made]
    (least, low), (most, high) = (choose(servers, key=lambda pair: pair[1]) for choose in (min, max))
    said = f"A request takes {low:,.0f} µs of the server's CPU"
    if most is not least:
        said += f" ({_named(least)}) to {high:,.0f} µs ({_named(most)})"
    missing = [part for part in ("database", "generator") if any(part not in bar.parts for bar in made)]
    if missing:
        return f"{said}; what it takes of the {words.joined(missing)} is not known everywhere."
    shares = [server / bar.length for bar, server in servers if bar.length]
    if not shares:
        return said + "."
    share = " to ".join(dict.fromkeys(f"{end:.0%}" for end in (min(shares), max(shares))))
    return f"{said}: {share} of all the CPU that the request takes on this system{words.spoilt(entries)}."


def _named(bar: bars.Bar) -> str:
    return f"{bar.entry.server} at {bar.entry.point}"
