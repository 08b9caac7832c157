"""From the text of a setting to its value: each parser raises ValueError with a sentence."""

import re
from typing import Callable

from . import requests


def number(low: float, high: float, whole: bool = True) -> Callable:
    def parse(text):
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise ValueError(f"'{text}' is not a {'whole ' if whole else ''}number from {low:g} to {high:g}")
        return value

    return parse


def choice(*values: str) -> Callable:
    def parse(text):
        if text not in values:
            raise ValueError(f"'{text}' is not one of: {' '.join(values)}")
        return text

    return parse


def list_of(parse: Callable) -> Callable:
    def parse_all(text):
        values = [parse(word) for word in text.split()]
        if len(set(values)) != len(values):
            raise ValueError(f"'{text}' names something twice")
        return values

    return parse_all


def requests_of_a_connection(text: str) -> int:
    """0 for `unlimited`."""
    try:
        return 0 if text == "unlimited" else number(1, 10**9)(text)
    except ValueError:
        raise ValueError(f"'{text}' is neither a whole number from 1 nor unlimited") from None


def text_of(text: str) -> str:
    return text


def shares(text: str) -> tuple[int, ...]:
    """Of the operations of WORKLOAD=crud."""
    words = text.split()
    found = tuple(int(word) for word in words if re.fullmatch("[0-9]{1,6}", word))
    if not len(found) == len(words) == len(requests.OPERATIONS) or not sum(found):
        raise ValueError(
            f"'{text}' is not six whole numbers, not all of them 0: the shares of reads, lists, creates, replaces,"
            " patches and deletes"
        )
    return found
