"""Figures that the kernel reports in /proc and /sys. Rootless containers, lxcfs and gVisor lack some of these files,
or leave them empty or incomplete: what is not there is None, and never 0."""

from pathlib import Path
from typing import Callable, TypeVar

Found = TypeVar("Found")
ROOT = Path("/")  # another one in tests


def read(path: str | Path, parse: Callable[[str], Found]) -> Found | None:
    """What `parse` makes of a file, by its path below the root; None where the file cannot be read, or has something
    else in it (`parse` raises ValueError or LookupError)."""
    try:
        return parse((ROOT / path).read_text())
    except (OSError, ValueError, LookupError):
        return None


def text(path: str | Path) -> str | None:
    """The contents without white space at the ends; None for an empty file, too."""
    return read(path, str.strip) or None


def number(path: str | Path) -> int | None:
    return read(path, int)
