"""Where the CPU time of the machine went."""

import statistics

from ...judge import evidence, summary
from . import bars, groups, values, words
from . import look as looks
from .picture import Picture, Section

# part -> its column of runs.csv or detail.csv
COLUMNS = {
    "server": "server_cpu_share",
    "database": "db_cpu_share",
    "generator": "wrk_cpu_share",
    "idle": "idle_share",
}
PROXY, PROXY_COLUMN = "proxy", "proxy_cpu_share"
PARTS = ("server", "database", PROXY, "generator", "others", "idle")
COLOURS = looks.PARTS | {"server": looks.PARTS["server, user"]}
HOW = (
    "A bar is all CPU time of the machine while the load was on, divided among the parts. Others is what remains: interrupts,"
    " other programs, the load test itself, and time that the machine's host took away. Idle: no thread was ready to run. Bars"
    " are means over the runs, so that their parts add up. Where the database takes most of the machine, a difference between"
    " servers shows little in throughput: look at the CPU per request. * at the number: the generator was the"
    " bottleneck, or the latencies are spoilt."
)


def section(known: evidence.Evidence) -> Section | None:
    shown = groups.entries(known.found, lambda entry: parts(known, entry))
    pictures = [picture(known, sheet) for sheet in groups.sheets(known.found, shown, ["workload", "n"])]
    return Section("shares", "Where the machine's CPU time went", HOW, pictures) if pictures else None


def parts(known: evidence.Evidence, entry: summary.Entry) -> dict[str, float]:
    """Empty unless every part is known: what remains is called others, and would hold the missing one too."""
    names = COLUMNS | ({PROXY: PROXY_COLUMN} if entry.point.proxy != "none" else {})
    rows = values.together(known, entry, list(names.values()))
    if not rows:
        return {}
    found = {part: statistics.fmean(row[place] for row in rows) for place, part in enumerate(names)}
    found["others"] = max(0.0, 1 - sum(found.values()))
    return {part: found[part] for part in PARTS if part in found}


def picture(known: evidence.Evidence, sheet: groups.Sheet) -> Picture:
    made = []
    for entry in sheet.entries:
        found = parts(known, entry)
        made.append(bars.Bar(entry, found, f"{found['idle']:.0%} idle" + words.star(entry)))
    rows = [["point", "server", *PARTS]]
    for bar in made:
        cells = [f"{bar.parts[part]:.1%}" if part in bar.parts else "" for part in PARTS]
        rows.append([str(bar.entry.point) + words.star(bar.entry), bar.entry.server, *cells])
    colours = {part: COLOURS[part] for part in PARTS}
    return Picture(
        words.slug("shares", sheet.name),
        "Where the machine's CPU time went" + words.at(sheet.where),
        _sentence(made),
        "runs.csv",
        rows,
        lambda figure, look: bars.draw(
            figure, look, sheet, made, colours, "share of all CPU time of the machine", shares=True
        ),
        bars.keys(made, colours),
        height=bars.height(sheet),
    )


def _sentence(made: list[bars.Bar]) -> str:
    said = []
    for part in ("server", "database", "generator"):
        shares = [bar.parts[part] for bar in made]
        said.append(f"the {part} {_range(min(shares), max(shares))}")
    entries = [bar.entry for bar in made]
    return f"Of the machine's CPU time {words.joined(said)}{words.spoilt(entries)}."


def _range(low: float, high: float) -> str:
    least, most = f"{low:.0%}", f"{high:.0%}"
    return f"took {most}" if least == most else f"took {least} to {most}"
