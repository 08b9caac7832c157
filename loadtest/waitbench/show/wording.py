"""Servers, configurations, counts and ranges in plain words."""

import decimal
from typing import Any, Callable, Iterable, Sequence

from ..judge import languages, stats, summary
from ..plan import server_list
from ..plan.matrix import Point
from . import formatting

# Of the models in the list of servers, where a sentence has other words for it.
MODELS = {
    "event loop": "the event loop",
    "stackful coroutines": "coroutines",
    "event loop and threads": "the event loop with threads",
}
PIPELINE = "pipeline"
LISTED = 3  # servers that are named one by one


def models(found: summary.Summary) -> dict[str, str]:
    """How each server waits, where it is known."""
    known = {server: found.kinds[server].model for server in found.servers if server in found.kinds}
    if len(known) < len(found.servers):
        of_project = _of_project(found)
        known |= {
            server: of_project[plain]
            for server in found.servers
            if server not in known and (plain := languages.plain(server)) in of_project
        }
    return known


def _of_project(found: summary.Summary) -> dict[str, str]:
    """By the project's list, for runs of before a list said so, of servers that were described then as they are now."""
    recorded = found.environment.get("server_list")
    described = {entry["name"]: entry.get("description") for entry in recorded or ()}
    return {
        entry.name: entry.model
        for entry in server_list.read()
        if entry.model and (recorded is None or described.get(entry.name) == entry.description)
    }


def names(found: summary.Summary) -> dict[str, str]:
    """The name of each server in sentences: how it waits, or its name where that is not known or not its alone."""
    known = models(found)
    words = {}
    for server in found.servers:
        model, suffix = known.get(server), server.removeprefix(languages.plain(server))
        if model is None or suffix not in ("", f"+{PIPELINE}"):
            words[server] = server
        else:
            words[server] = MODELS.get(model, model) + (" with pipelining" if suffix else "")
    spoken = list(words.values())
    return {server: word if spoken.count(word) == 1 else server for server, word in words.items()}


def short(found: summary.Summary, server: str) -> str:
    """The same without an article, for the head of a column, if it is one word; else the server's name."""
    word = names(found)[server]
    return word if server == found.baseline and " " not in word else server


def listed(words: Sequence[str], joined: str = "and") -> str:
    """a, b and c"""
    return f" {joined} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def subject(words: Sequence[str]) -> str:
    return listed(words) if len(words) <= LISTED else f"the other {len(words)} servers"


def capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def ended(sentence: str) -> str:
    """With a capital and a full stop."""
    return capital(sentence) + ("" if sentence.endswith((".", "?", "!")) else ".")


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("s" if number != 1 else "")


def counts(numbers: Iterable[int]) -> str:
    """2, 2 or 3, 2 to 5, up to 3: so many for each of several servers."""
    low, high = min(numbers := list(numbers)), max(numbers)
    if low == high:
        return f"{low}"
    if low == 0:
        return f"up to {high}"
    return f"{low} or {high}" if high == low + 1 else f"{low} to {high}"


def places(numbers: Iterable[int], total: int, noun: str) -> str:
    """at 3 of 7 configurations; empty where there is only one."""
    numbers = list(numbers)
    if total == 1:
        return ""
    if set(numbers) == {total}:
        return f" at {'both' if total == 2 else f'all {total}'} {noun}s"
    return f" at {counts(numbers)} of {total} {noun}s"


def outward(value: float, up: bool, digits: int = 2) -> str:
    """Two significant digits, rounded so that a range becomes no narrower; more of them where 1 would be crossed."""
    number = decimal.Decimal(repr(value))
    while True:
        last = decimal.Decimal(1).scaleb(number.adjusted() - digits + 1)
        rounding = decimal.ROUND_CEILING if up else decimal.ROUND_FLOOR
        rounded = number.quantize(last, rounding=rounding)
        if (rounded > 1) == (value > 1) and (rounded < 1) == (value < 1) or digits > 8:
            break
        digits += 1
    text = format(rounded, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{int(text):,}" if text.isdigit() else text


def span(low: float, high: float) -> str:
    """1.2 to 1.8"""
    return " to ".join(dict.fromkeys((outward(low, up=False), outward(high, up=True))))


class Phrases:
    """A range of ratios on one side of 1, in words, by which of its ends is worth a number: the one nearer to 1 is none
    where it is within 5% of it, and the farther one where it is not known."""

    def __init__(self, both: str, near: str, far: str, none: str):
        self.both, self.near, self.far, self.none = both, near, far, none

    def say(self, low: float, high: float, vague: bool = False, more: bool = False, **names: str) -> str:
        """`vague`: the farther end is not known; `more`: it is that of a lower bound."""
        near, far = (low, high) if low > 1 else (high, low)
        has_near = max(near, 1 / near) >= stats.MARGIN
        if vague or (more and not has_near):
            form, ends = self.near if has_near else self.none, {}
        else:
            form = self.both if has_near else self.far
            least = "at least " if more else ""
            ends = {"span": least + span(low, high), "far": outward(far, up=far > 1)}
        return form.format(near=outward(near, up=near < 1), **ends, **names)


def size(number: int) -> str:
    """64 KiB, 100 bytes"""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= unit and number % unit == 0:
            return f"{number // unit:,} {name}"
    return count(number, "byte")


# One parameter of a configuration.
PARTS: dict[str, Callable[[Any], str]] = {
    "n": lambda value: "no query" if value == 0 else f"{value} {'query' if value == 1 else 'queries'}",
    "m": size,
    "w": lambda value: count(value, "update"),
    "d": lambda value: f"{value} ms of delay",
    "t": lambda value: f"{value} ms of waiting",
    "k": lambda value: f"{count(value, 'request')} per connection",
    "i": lambda value: count(value, "idle connection"),
    "load": lambda value: f"{value}% load",
    "proxy": lambda value: f"{value} in front",
    "workload": str,
    "c": lambda value: count(value, "connection"),  # last, as people say it
}


def place(point: Point, axes: Sequence[str]) -> str:
    """5 queries, 64 KiB and 16 connections"""
    quiet = formatting.QUIET | {"w": 0, "d": 0}
    shown = [axis for axis in PARTS if axis in axes and getattr(point, axis) not in (None, quiet.get(axis))]
    return listed([PARTS[axis](getattr(point, axis)) for axis in shown])
