"""What README says of a run: the sentences of the answer, and lines that the load test prints.

    <!-- loadtest/tables headline results/one part=sentences -->          the answer, and what follows from it
    <!-- loadtest/tables headline results/one part=about -->              machine, date, revision, preset
    <!-- loadtest/tables headline results/one part=warnings -->           what spoils the result
    <!-- loadtest/tables printed results/one begins=Requests_per_second,+_better m=1024 -->  of the points chosen
"""

import dataclasses
import re
from pathlib import Path
from typing import Iterable

from .. import Failure
from ..judge import summary
from . import run_tables, table
from .words import split

SENTENCE_END = re.compile(r"(?<=\.) (?=[A-Z])")
PARTS = SENTENCES, ABOUT, WARNINGS = "sentences", "about", "warnings"
WORDS = ("part", "begins", "file", "measure")  # that choose no rows


def chosen(words: Iterable[str]) -> tuple[Path, dict[str, str], summary.Summary]:
    """(the folder, the words that choose no rows, the run with the points that the others choose). Raises Failure."""
    others, options = split(words, WORDS)
    asked = run_tables.parse(others)
    if len(asked.paths) > 1:
        raise Failure("an answer is of one folder")
    ((_, folder),) = asked.paths.items()
    found = summary.load(folder)
    entries = {key: entry for key, entry in found.entries.items() if asked.has(*key)}
    points = [point for point in found.points if any(point == kept for kept, _ in entries)]
    if not points:
        raise Failure(f"{folder} has no point of {' '.join(others[1:])}")
    return folder, options, dataclasses.replace(found, points=points, entries=entries)


def headline(words: Iterable[str]) -> str:
    """Of all points: a choice of them would be another answer. Raises Failure."""
    from . import headline as headlines

    folder, options, _ = chosen(words)
    part = options.get("part", SENTENCES)
    if part not in PARTS:
        raise Failure(f"part is one of: {' '.join(PARTS)}")
    said = headlines.of(summary.load(folder))
    if part == ABOUT:
        return f"{_sentence(said.about)}\n"
    lines = said.choose if part == SENTENCES else said.warnings or ["Nothing that is known"]
    points = "".join(f"- {_sentence(line)}\n" for line in lines)
    first, *others = SENTENCE_END.split(said.sentence)
    return f"{' '.join([f'**{first}**', *others])}\n\n{points}" if part == SENTENCES else points


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")


def printed(words: Iterable[str]) -> str:
    """Of the table that a run prints, the paragraphs that begin with the words asked for. Raises Failure."""
    _, options, found = chosen(words)
    paragraphs = table.text(found).split("\n\n")
    asked = options.get("begins", "").replace("_", " ").split(",")
    shown = [
        next((text for text in paragraphs if text.lstrip("\n").startswith(begin)), None) for begin in asked
    ]
    if None in shown:
        raise Failure(f"a run prints no paragraph that begins with '{asked[shown.index(None)]}'")
    lines = "\n\n".join(filter(None, shown)).splitlines()
    return "```text\n" + "".join(f"{line.rstrip()}\n" for line in lines) + "```\n"
