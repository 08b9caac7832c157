"""The language of each server and the model by which it waits, as the list of servers says. Older lists have neither,
and then nothing is grouped."""

import re
from typing import Any, Iterable, Mapping, NamedTuple

THREADS = "threads"  # every other model is async: a waiting request holds no thread of the kernel


class Kind(NamedTuple):
    language: str
    model: str


UNKNOWN = Kind("", "")


def plain(name: str) -> str:
    """Without what a variant adds: NAME of NAME+pipeline, NAME+pool=8 and NAME@nginx."""
    return re.split("[+@]", name)[0]


def of(names: Iterable[str], environment: Mapping[str, Any]) -> dict[str, Kind]:
    """The kinds of those servers of a run that are known."""
    listed = {
        entry["name"]: Kind(entry["language"], entry["model"])
        for entry in environment.get("server_list") or ()
        if entry.get("language") and entry.get("model")
    }
    return {name: listed[plain(name)] for name in names if plain(name) in listed}


def several(kinds: Mapping[str, Kind]) -> bool:
    return len({kind.language for kind in kinds.values()}) > 1


def grouped(names: list[str], kinds: Mapping[str, Kind]) -> list[str]:
    """By language, then by model, each in the order in which it first appears; unchanged where there is one language."""
    if not several(kinds):
        return names
    own = [kinds.get(name, UNKNOWN) for name in names]
    languages = list(dict.fromkeys(kind.language for kind in own))
    return sorted(
        names,
        key=lambda name: (
            languages.index(kinds.get(name, UNKNOWN).language),
            own.index(kinds.get(name, UNKNOWN)),
        ),
    )
