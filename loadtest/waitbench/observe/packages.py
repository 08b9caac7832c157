"""Debian packages that a server needs, by .ci/deps, which knows them."""

import functools
from pathlib import Path
from typing import Iterable

from .. import ROOT
from ..base import process


def missing(sets: Iterable[str]) -> list[str]:
    """Those of the sets that are not installed, by name. Nothing without .ci/deps (in an image) or without dpkg."""
    words = tuple(sets)
    return _missing(ROOT / ".ci/deps", words) if words else []


@functools.cache  # a server is started for each run, and packages do not come and go meanwhile
def _missing(program: Path, words: tuple[str, ...]) -> list[str]:
    if not program.exists():
        return []
    done = process.run([str(program), "--check", *words], capture_output=True, text=True)
    if not done.returncode:
        return []
    # It lists them indented, each with what it is for.
    return [line.split()[0] for line in done.stderr.splitlines() if line.startswith("    ")] or list(words)
