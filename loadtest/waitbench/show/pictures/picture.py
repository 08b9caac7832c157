"""A picture, and a section of pictures."""

import dataclasses
from typing import Callable, NamedTuple, Sequence

from matplotlib.figure import FigureBase

from .look import Look

WIDTH = 460  # CSS px of a picture on the page: on a phone its text is still legible


class Key(NamedTuple):
    """A line of a legend. A server's colour and mark are the look's; a part's are given."""

    label: str
    server: str | None = None
    colour: str | None = None


@dataclasses.dataclass(frozen=True)
class Picture:
    name: str  # of its files in figures/ and its place on the page: lower case, digits and hyphens
    title: str  # what it shows, in words
    sentence: str  # what it says of this run, from its data: one sentence
    source: str  # the CSV of the results folder that has its values: runs.csv
    table: Sequence[Sequence[str]]  # all that is drawn, as text: the heads, then rows
    draw: Callable[[FigureBase, Look], None]
    key: Sequence[Key] = ()
    height: int = 300  # CSS px on the page


@dataclasses.dataclass(frozen=True)
class Section:
    name: str  # its place on the page: lower case and hyphens
    title: str
    how: str  # how to read its pictures, and terms that occur in them first: a few sentences
    pictures: Sequence[Picture]
    shown: int = 4  # of the pictures, without a click; how many more there are is said


def servers_key(servers: Sequence[str]) -> list[Key]:
    return [Key(server, server=server) for server in servers]
