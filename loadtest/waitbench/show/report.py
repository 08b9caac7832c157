"""report.html: one page that needs nothing else, neither network nor script. The answer comes first, then its
evidence: pictures, every number, and where it was measured. figures/ has the same pictures for slides."""

import dataclasses
from pathlib import Path
from typing import Callable

from ..base import reading, results
from ..judge import evidence, summary
from . import estimate_form, findings, headline, how_each_waits, numbers, particulars, peers_report, picker
from . import proxy_comparison
from .html_parts import section as _section, table as _rows, text as _text
from .picture_parts import Gallery
from .pictures import (
    axes,
    connections,
    cost,
    every_run,
    forest,
    heatmap,
    latency,
    limits,
    look,
    memory,
    open_loop,
)
from .pictures import (
    over_time,
    peers,
    primitives,
    request_time,
    saturation,
    shares,
    slides,
    spectrum,
    switches,
)
from .pictures.picture import Picture, Section

SLIDES, PAGE, NONE = "slides", "page", "none"
STYLE = (Path(__file__).with_name("report.css")).read_text
# In the order of the page: what is compared, what a request costs, and then what the run was like.
OF_RUNS: tuple[Callable[[evidence.Evidence], Section | None], ...] = (
    forest.section,
    heatmap.section,
    connections.section,
    axes.section,
    open_loop.section,
    latency.section,
    spectrum.section,
    request_time.section,
    cost.section,
    switches.section,
    memory.section,
    shares.section,
    every_run.section,
    over_time.section,
)
# Of measurements that have no runs of servers under load.
OF_FOLDER: tuple[Callable[[Path], Section | None], ...] = (
    primitives.section,
    limits.section,
    saturation.section,
)
READING = (
    "A <dfn>ratio</dfn> is one server's value divided by the baseline's ({baseline}) in the same block: 1.5x is half as much"
    " again.",
    "[1.2, 1.8] is an <dfn>interval</dfn>: with 95% confidence all intervals of one picture have the true ratio in them. One"
    " that has 1 in it: this run cannot tell.",
    "N is <dfn>queries per request</dfn>, M <dfn>bytes of a response</dfn>, C <dfn>connections</dfn>{loop}.",
    "<dfn>CPU per request</dfn> is what a model costs. Throughput also depends on what the database and the load generator"
    " take of the same machine.",
    "<dfn>p99</dfn>: 99 of 100 requests had their response within that time.",
)


CLOSED = " that each send their next request when they have the response"
OPEN = "; requests arrive at a rate of their own, whether or not earlier ones have their response"


def write(folder: str | Path, figures: str = PAGE) -> Path:
    """Writes report.html into a results folder; `figures` is as in the setting FIGURES. Returns the page's path. Raises
    Failure."""
    folder = Path(folder)
    path = folder / "report.html"
    made = Page(folder, figures)
    results.replace(path, made.html().encode())
    if figures == SLIDES:
        slides.write(folder, made.pictures, look.slide(made.servers, made.colours), made.corner())
    return path


class Page:
    def __init__(self, folder: Path, figures: str = PAGE):
        self.folder, self.figures = folder, figures
        self.seen = evidence.load(folder) if (folder / "runs.csv").exists() else None
        self.facts = (
            self.seen.found.environment if self.seen else reading.facts(folder / "environment.json") or {}
        )
        self.servers, self.colours = _servers(self.seen, folder)
        variables, self.sheet = look.variables(self.servers, self.colours)
        self.gallery = Gallery(look.page(self.servers, self.colours), variables, figures == SLIDES)
        if self.seen:
            self.answer = headline.of(self.seen.found, self.seen.seconds)
        self.of_runs = [made for section in OF_RUNS if self.seen and (made := section(self.seen))]
        self.of_languages = peers.section(self.seen) if self.seen else None
        self.overview = _overview(self.seen, self.of_languages) if self.seen else None
        self.of_folder = [made for section in OF_FOLDER if (made := section(folder))]

    @property
    def pictures(self) -> list[Picture]:
        sections = [*self.of_runs, *([self.of_languages] if self.of_languages else []), *self.of_folder]
        first = [self.overview] if self.overview else []
        return first + [picture for section in sections for picture in section.pictures]

    def html(self) -> str:
        name = self.folder.resolve().name
        if self.figures != NONE:
            self.gallery.draw(self.pictures)
        parts = self._of_runs(self.seen) if self.seen else [f"<p class='strip'>{_text(self.corner())}</p>"]
        parts += map(self.gallery.section, self.of_folder)
        parts.append(particulars.environment(self.facts))
        return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>waitbench: {_text(name)}</title>
<style>
{STYLE()}{self.sheet}</style>
</head>
<body>
<main>
<h1>waitbench <small>{_text(name)}</small></h1>
{"".join(filter(None, parts))}
</main>
</body>
</html>
"""

    def _of_runs(self, seen: evidence.Evidence) -> list[str]:
        found = seen.found
        return [
            self._top(seen),
            _reading(found),
            picker.html(found),
            _estimate(seen),
            *map(self.gallery.section, self.of_runs),
            self._languages(seen),
            _proxy(found),
            how_each_waits.section(seen),
            _in_words(seen, self.answer.warnings),
            numbers.section(found),
            particulars.method(found),
        ]

    def _top(self, seen: evidence.Evidence) -> str:
        """The part seen without scrolling: the answer, what follows, one picture, and where it was measured."""
        answer, picture = self.answer, self.overview
        said = [f"<p class='headline'>{_text(answer.lead)}</p>"]
        said += [f"<p>{_text(' '.join(answer.rest))}</p>"] if answer.rest else []
        said += [f"<p>{_text(sentence)}</p>" for sentence in answer.choose]
        drawn = self.gallery.legend(picture.key) + self.gallery.figure(picture, level=2) if picture else ""
        return (
            f"<section id='answer' class='top'><div>{''.join(said)}</div><div>{drawn}</div>"
            f"<div class='strip'><p>{_text(answer.about)}</p>{_warnings(answer.warnings)}</div></section>\n"
        )

    def _languages(self, seen: evidence.Evidence) -> str:
        drawn = self.gallery.section(self.of_languages) if self.of_languages else ""
        return drawn + peers_report.tables(seen.found)

    def corner(self) -> str:
        """Machine and date, for a slide."""
        machine = self.facts.get("machine") or {}
        words = [
            machine.get("cpu_model"),
            f"{machine['cpus_usable']} CPUs" if machine.get("cpus_usable") else None,
            self.facts.get("system"),
            str((self.facts.get("outcome") or {}).get("finished_at", ""))[:10],
        ]
        return " · ".join(str(word) for word in words if word) or "machine not known"


def _overview(seen: evidence.Evidence, languages: Section | None) -> Picture | None:
    """With servers in many languages, their means, and not a row for each at each point."""
    if languages and languages.pictures:
        return dataclasses.replace(languages.pictures[0], name="overview")
    return forest.overview(seen)


def _servers(seen: evidence.Evidence | None, folder: Path) -> tuple[list[str], dict[str, str]]:
    """(names, colours of the listed ones)"""
    if seen:
        return seen.found.servers, seen.found.colours
    listed = summary.listed(reading.facts(folder / "environment.json") or {})
    measured = limits.servers(folder) + saturation.servers(folder)
    return list(dict.fromkeys([*listed, *measured])), listed


def _warnings(sentences: list[str]) -> str:
    """The most important one, and the others behind a click."""
    if not sentences:
        return ""
    first, *others = (f"<li>{_text(sentence)}</li>" for sentence in sentences)
    more = (
        f"<details class='more'><summary>{len(others)} more</summary><ul>{''.join(others)}</ul></details>"
        if others
        else ""
    )
    return f"<div class='warnings' role='note' aria-label='Warnings'><ul>{first}</ul>{more}</div>"


def _reading(found: summary.Summary) -> str:
    lines = "".join(
        f"<li>{line.format(baseline=_text(found.baseline), loop=OPEN if found.is_open else CLOSED)}</li>"
        for line in READING
    )
    return _section("How to read it", f"<ul>{lines}</ul>", "", "reading")


def _estimate(seen: evidence.Evidence) -> str:
    note = "A cost model that is fitted to these runs says what a configuration between the measured ones would do."
    form = estimate_form.html(seen)
    return _section("Your application", form, note, "yours") if form else ""


def _proxy(found: summary.Summary) -> str:
    rows = proxy_comparison.rows(found)
    if not rows:
        return ""
    note = (
        f"Ratios and CPU ratios are to {_text(found.baseline)} at the same point, paired in blocks. nginx / direct is"
        " one server's throughput behind nginx to its own without; those runs share no block, so it is not paired. The CPU is"
        " the server's own, without nginx's."
    )
    return _section("What nginx in front changes", _rows(rows, "With and without nginx"), note, "nginx")


def _in_words(seen: evidence.Evidence, said_above: list[str]) -> str:
    """Each server in sentences, for a reader who sees no pictures."""
    answer = findings.find(seen.found, seen.seconds)
    footing = [sentence for sentence in answer.footing if sentence not in said_above]
    parts = [f"<p>{_text(sentence)}</p>" for sentence in answer.heading + answer.closing]
    parts += [_rows(answer.table, "Each server", header=2, words=range(3))] if answer.table else []
    said = "\n".join(_of_server(*one) for one in answer.servers)
    parts.append(
        f"<details><summary>Each server in sentences</summary>{said}</details>" if answer.table else said
    )
    parts += [f"<p class='note'>{_text(sentence)}</p>" for sentence in footing]
    return _section("In words", "\n".join(parts), "", "words")


def _of_server(overall: str, axes: list[str]) -> str:
    items = "".join(f"<li>{_text(axis)}</li>" for axis in axes)
    subject, colon, rest = overall.partition(":")
    return f"<p><strong>{_text(subject + colon)}</strong>{_text(rest)}</p>" + (
        f"<ul>{items}</ul>" if items else ""
    )
