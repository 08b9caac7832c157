"""Text in and about pictures: names that fit, lists in a sentence, names of files."""

import re
import unicodedata
from typing import Sequence

from ...judge import summary
from ...plan import matrix
from .. import formatting

NAME_MOST = 20  # letters of a server's name beside an axis


def short(name: str, most: int = NAME_MOST) -> str:
    """A name that fits beside an axis: its begin and its end. Control characters, which no SVG may hold, become `?`."""
    name = "".join("?" if unicodedata.category(letter) == "Cc" else letter for letter in name)
    if len(name) <= most:
        return name
    end = (most - 1) // 2
    return f"{name[: most - 1 - end]}…{name[-end:]}"


def joined(items: Sequence[str]) -> str:
    """a, b and c"""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def slug(*parts: str) -> str:
    """For the name of a picture: n20-m1024-c256."""
    text = "-".join(part.replace("=", "") for part in parts if part)
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")


def server_slugs(servers: Sequence[str]) -> dict[str, str]:
    """server -> its part of a picture's name. Two servers never share one."""
    slugs = [slug(server) for server in servers]
    return {
        server: name if name and slugs.count(name) == 1 else slug(name, f"server{place}")
        for place, (server, name) in enumerate(zip(servers, slugs))
    }


def label(point: matrix.Point, axes: Sequence[str], points: Sequence[matrix.Point]) -> str:
    """The point by those of `axes` that vary over the points; empty where none does."""
    varying = [axis for axis in formatting.varying(points) if axis in axes]
    return formatting.label(point, varying) if varying else ""


def at(where: str) -> str:
    """For a title: " at n=20 c=256", or nothing."""
    return f" at {where}" if where else ""


def star(entry: summary.Entry) -> str:
    """The mark of a point whose generator was the bottleneck, or whose latencies are spoilt, in a table."""
    return " *" if marked(entry) else ""


def marked(entry: summary.Entry) -> bool:
    return entry.generator_bound or entry.latencies_spoilt


SPOILT = {
    summary.GENERATOR_BOUND: "the generator was the bottleneck",
    summary.TOO_SHORT: "the run was too short for the slow requests to end in it",
    summary.OVERLOADED: "requests were left without a response",
}


def spoilt(entries: Sequence[summary.Entry]) -> str:
    """For the end of a sentence: what spoils how many of the entries, which star() marks."""
    counts = {flag: sum(flag in entry.flags for entry in entries) for flag in SPOILT}
    said = [f"at {count} of {len(entries)} {SPOILT[flag]}" for flag, count in counts.items() if count]
    return f"; {joined(said)} (*)" if said else ""


def extremes(values: Sequence[tuple[str, float]], show, most: int = 4) -> str:
    """Of (server, value): 0.76x (a), 0.93x (b) and 0.95x (c); of more than `most`, the least and the greatest."""
    if len(values) > most:
        ordered = sorted(values, key=lambda value: value[1])
        (first, low), (last, high) = ordered[0], ordered[-1]
        return f"from {show(low)} ({first}) to {show(high)} ({last})"
    return joined([f"{show(value)} ({server})" for server, value in values])
