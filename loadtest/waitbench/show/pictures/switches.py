"""How often a request stops a thread, and how often it enters the kernel."""

from ...judge import evidence, summary
from .. import formatting
from . import bars, groups, values, words
from . import look as looks
from .picture import Picture, Section

VOLUNTARY, INVOLUNTARY, CALLS = "a thread waited", "a thread was preempted", "system calls"
COLUMNS = {VOLUNTARY: "ctx_voluntary_per_req", INVOLUNTARY: "ctx_involuntary_per_req"}
COLOURS = {VOLUNTARY: looks.SOFT, INVOLUNTARY: looks.RULE, CALLS: looks.SOFT}
HOW = (
    "A context switch takes the CPU from one thread and gives it to another. It is voluntary when the thread had to wait (for"
    " a request, the database, a lock), and involuntary when the kernel preempted it, since its time was over or another was"
    " due. They are counted over all threads of the server and divided by its requests; bars are means over the"
    " runs. System calls are counted in a pass of their own, once per point and server. * at the number: the generator was"
    " the bottleneck, or the latencies are spoilt."
)


def section(known: evidence.Evidence) -> Section | None:
    pictures = _switches(known) + _calls(known)
    return Section("switches", "Context switches and system calls", HOW, pictures) if pictures else None


def _switches(known: evidence.Evidence) -> list[Picture]:
    shown = groups.entries(known.found, lambda entry: len(switches(known, entry)) == len(COLUMNS))
    return [
        _picture(
            "switches",
            "Context switches per request",
            "runs.csv",
            sheet,
            [_bar(entry, switches(known, entry)) for entry in sheet.entries],
        )
        for sheet in groups.sheets(known.found, shown, ["workload", "n"])
    ]


def _calls(known: evidence.Evidence) -> list[Picture]:
    shown = groups.entries(known.found, lambda entry: known.syscalls_per_request(entry) is not None)
    return [
        _picture(
            "system-calls",
            "System calls per request",
            "syscalls.csv",
            sheet,
            [_bar(entry, {CALLS: known.syscalls_per_request(entry) or 0.0}) for entry in sheet.entries],
        )
        for sheet in groups.sheets(known.found, shown, ["workload", "n"])
    ]


def switches(known: evidence.Evidence, entry: summary.Entry) -> dict[str, float]:
    found = {part: values.mean(known, entry, column) for part, column in COLUMNS.items()}
    return {part: value for part, value in found.items() if value is not None}


def _bar(entry: summary.Entry, parts: dict[str, float]) -> bars.Bar:
    return bars.Bar(entry, parts, formatting.significant(sum(parts.values())) + words.star(entry))


def _picture(name: str, title: str, source: str, sheet: groups.Sheet, made: list[bars.Bar]) -> Picture:
    parts = list(made[0].parts)
    rows = [["point", "server", *parts]]
    for bar in made:
        cells = [formatting.significant(bar.parts[part]) for part in parts]
        rows.append([str(bar.entry.point) + words.star(bar.entry), bar.entry.server, *cells])
    return Picture(
        words.slug(name, sheet.name),
        title + words.at(sheet.where),
        _sentence(made),
        source,
        rows,
        lambda figure, look: bars.draw(figure, look, sheet, made, COLOURS, title.lower()),
        bars.keys(made, COLOURS),
        height=bars.height(sheet),
    )


def _sentence(made: list[bars.Bar]) -> str:
    least, most = (choose(made, key=lambda bar: bar.length) for choose in (min, max))
    what = "system calls" if CALLS in made[0].parts else "context switches"
    said = " to ".join(
        f"{formatting.significant(bar.length)} ({bar.entry.server} at {bar.entry.point})"
        for bar in ([least, most] if most is not least else [least])
    )
    return f"A request makes {said} {what}{words.spoilt([bar.entry for bar in made])}."
