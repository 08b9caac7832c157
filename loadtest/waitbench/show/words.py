"""The words of a comment that asks for a part of a document (markdown.py): `name=value` and folders of results."""

from typing import Collection, Iterable


def split(words: Iterable[str], known: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """(the words that are no `name=value` of a known name, the value of each name)."""
    others, chosen = [], {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name in known:
            chosen[name] = value
        else:
            others.append(word)
    return others, chosen
