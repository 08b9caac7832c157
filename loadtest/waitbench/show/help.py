"""The text of loadtest/run --help."""

import textwrap

from ..judge import soundness
from ..plan import settings

INTRODUCTION = """\
loadtest/run measures the servers of this project against each other with wrk or pace, and writes a results
folder. Every setting is an environment variable and a flag of the same name (--n "1 5 20"); lists are
separated by spaces, and the matrix is the product of N, M, W, D, T, C, K, I and PROXY; with WORKLOAD=crud, of
C, K, I and PROXY; with MODE=open, of LOAD, too. A point is one combination of them.
"""
CONCLUSION = """\
A block runs every server once at one point in random order; the blocks of all points are interleaved.
Each run has a freshly started server and the database in the same state; it is verified, warmed up and
then measured. COLUMNS.md says what the results mean and in which units; README.md what is in the folder.

Exit status: 0 done, 1 stopped by what the last line says (finished rows are kept), 2 a bad setting,
3 done but some point was given up as unsound, 130 interrupted.
"""


def text() -> str:
    lines = [INTRODUCTION]
    for name, (_, default, words) in settings.SETTINGS.items():
        if default is None and name in settings.PRESETS["quick"]:
            words += "; ".join(
                [""] + [f"{preset}: {settings.PRESETS[preset][name]}" for preset in settings.PRESETS]
            )
        elif default:
            words += f"; default: {default}"
        lines.append(_entry(name, words))
    lines.append(
        "\nquick has one more point with M=65536, at N=1 C=16; full has some with C=1024, and some along D and W."
    )
    lines.append("Where one of N M W D T C K I or MODE=open is given, these are left out.\n")
    lines.append(CONCLUSION)
    lines.append("A run is discarded, and its block run again, when (the word is in unsound.csv)")
    lines += [_entry(word, why) for word, why in soundness.REASONS.items()]
    lines.append("\nA run is kept, but flagged:")
    lines += [_entry(word, why) for word, why in soundness.FLAGS.items()]
    return "\n".join(lines)


def _entry(word: str, text: str) -> str:
    return textwrap.fill(text, 100, initial_indent=f"  {word:<15} ", subsequent_indent=" " * 18)
