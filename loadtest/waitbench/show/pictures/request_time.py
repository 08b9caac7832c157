"""Where the time of a request goes: what it waits for, one after another, in milliseconds of its mean latency."""

import statistics
from typing import NamedTuple, Sequence

from ...judge import evidence, summary
from .. import formatting
from . import bars, groups, values, words
from . import look as looks
from .picture import Picture, Section

POOL, QUERIES, DELAY, ASLEEP, REST = "wait for pool", "queries", "delay (D)", "wait (T)", "all else"
UNKNOWN = "not divided"
CPU, READY = "server CPU", "wait for CPU"
COLOURS = {
    POOL: looks.PARTS["pool"],
    QUERIES: looks.PARTS["database"],
    DELAY: looks.PARTS["delay"],
    ASLEEP: looks.PARTS["idle"],
    REST: looks.PARTS["others"],
    UNKNOWN: looks.RULE,
    CPU: looks.PARTS["server, user"],
    READY: looks.INK,
}
HOW = (
    "The thick bar is what a request spends its time with, one after another: waiting for one of the server's connections to"
    " the database (its pool); its queries, from handing each to the database's library until its result is complete;"
    " and all else: network, generator, parsing, and waiting for a thread or the event loop to turn to it. The stroke is the"
    " mean latency as the generator measured it. The server counts pool and queries of all requests between two readings,"
    " which are not quite those that the generator measured (in an open loop, those of the warm-up too), so that the bar can"
    " pass the stroke; then nothing is left for all else."
    " The thin bar is no further part, since it overlaps with all of them: the server's CPU time per request, and the time per"
    " request that its threads were ready to run and had no CPU. While a thread that serves many requests waits for a CPU, all"
    " of them wait, and it counts once: so thin bars do not say how long a request waited in an event loop. Bars are means"
    " over the runs. Pale, with *: the generator was the bottleneck, or the latencies are spoilt."
)


AXES = (
    "workload",
    "n",
    "d",
    "t",
    "c",
    "i",
    "load",
)  # which are not in one picture: latencies are too far apart


class Times(NamedTuple):
    """Milliseconds per request."""

    mean: float  # latency
    parts: dict[str, float]  # one after another
    under: dict[str, float]  # what overlaps with them


def section(known: evidence.Evidence) -> Section | None:
    shown = groups.entries(known.found, lambda entry: times(known, entry))
    if not any(UNKNOWN not in found.parts for entry in shown if (found := times(known, entry))):
        return None
    pictures = [
        picture(known, sheet) for sheet in sorted(groups.sheets(known.found, shown, AXES), key=_unlike)
    ]
    return Section("request-time", "Where a request's time goes", HOW, pictures, shown=6)


def _unlike(sheet: groups.Sheet) -> tuple[bool, bool]:
    """Sorts those last whose latencies are mostly spoilt, and those before them whose requests were made to wait."""
    spoilt = sum(words.marked(entry) for entry in sheet.entries)
    point = sheet.entries[0].point
    return 2 * spoilt > len(sheet.entries), bool(point.d or point.t)


def times(known: evidence.Evidence, entry: summary.Entry) -> Times | None:
    """None without a latency. Of the runs that have all of it, so that it adds up."""
    runs = values.together(known, entry, ["mean_us", "pool_wait_us_per_req", "query_us_per_req"])
    under = {
        part: value / 1000
        for part, column in ((CPU, "server_cpu_us_per_req"), (READY, "runqueue_wait_us_per_req"))
        if (value := values.mean(known, entry, column)) is not None
    }
    if not runs:
        mean = values.mean(known, entry, "mean_us")
        return None if mean is None else Times(mean / 1000, {UNKNOWN: mean / 1000}, under)
    mean, pool, queries = (statistics.fmean(run[place] for run in runs) / 1000 for place in range(3))
    made = values.mean(known, entry, "queries_per_req")
    delay = min(queries, (entry.point.d or 0) * (made if made is not None else entry.point.n or 0))
    parts = {POOL: pool, QUERIES: queries - delay}
    parts |= {DELAY: delay} if entry.point.d else {}
    parts |= {ASLEEP: float(entry.point.t)} if entry.point.t else {}
    return Times(mean, parts | {REST: max(0.0, mean - sum(parts.values()))}, under)


def picture(known: evidence.Evidence, sheet: groups.Sheet) -> Picture:
    found = [(entry, made) for entry in sheet.entries if (made := times(known, entry))]
    drawn = [
        bars.Bar(
            entry, made.parts, f"{formatting.significant(made.mean)} ms" + words.star(entry), made.under,
            made.mean, words.marked(entry),
        )
        for entry, made in found
    ]  # fmt: skip
    columns = [part for part in COLOURS if any(part in made.parts | made.under for _, made in found)]
    rows = [["point", "server", "mean latency, ms", *(f"{part}, ms" for part in columns)]]
    for entry, made in found:
        rows.append([str(entry.point) + words.star(entry), entry.server, formatting.significant(made.mean)])
        parts = made.parts | made.under
        rows[-1] += [formatting.significant(parts[part]) if part in parts else "" for part in columns]
    return Picture(
        words.slug("request-time", sheet.name),
        "Where a request's time goes" + words.at(sheet.where),
        _sentence(found),
        "detail.csv",
        rows,
        lambda figure, look: bars.draw(figure, look, sheet, drawn, COLOURS, "ms"),
        bars.keys(drawn, COLOURS),
        height=bars.height(sheet),
    )


def _sentence(found: Sequence[tuple[summary.Entry, Times]]) -> str:
    divided = [(entry, made) for entry, made in found if UNKNOWN not in made.parts]
    if not divided:
        return "These servers do not count what their requests wait for."
    largest = [
        (entry, made, max((part for part in made.parts), key=lambda part: made.parts[part]))
        for entry, made in divided
    ]
    said = []
    for part in dict.fromkeys(part for _, _, part in largest):
        same = [(entry, made) for entry, made, chosen in largest if chosen == part]
        entry, made = max(same, key=lambda pair: pair[1].parts[part])
        ms = formatting.significant(made.parts[part])
        whole = formatting.significant(made.mean)
        where = f"{entry.server} at {entry.point}"
        text = f"{_called(part)} is the largest part at {len(same)} of {len(found)} bars"
        said.append(f"{text}, with up to {ms} ms where the mean latency is {whole} ms ({where})")
    beyond = sum(_beyond(made) for _, made in divided)
    more = f"; at {beyond} the parts are longer than the latency measured" if beyond else ""
    text = "; ".join(said) + more + words.spoilt([entry for entry, _ in found]) + "."
    return text[0].upper() + text[1:]


def _called(part: str) -> str:
    return {
        POOL: "the wait for a database connection",
        QUERIES: "the time of the queries",
        DELAY: "the delay in the database",
        ASLEEP: "the wait for T",
    }.get(part, part)


def _beyond(made: Times) -> bool:
    return sum(made.parts.values()) > made.mean * 1.001
