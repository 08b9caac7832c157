"""Members of environment.json that are shown and may be missing, or be something else in a file that was edited: those
are not known then, and left out. Facts that the load test cannot do without are checked where they are read
(base/reading.py)."""

from typing import Any, Mapping


def member(facts: Mapping[str, Any], *path: str) -> Any:
    """None where there is no such member."""
    inside: Any = facts
    for name in path:
        inside = inside.get(name) if isinstance(inside, dict) else None
    return inside


def text(facts: Mapping[str, Any], *path: str) -> str:
    value = member(facts, *path)
    return value if isinstance(value, str) else ""


def number(facts: Mapping[str, Any], *path: str) -> float:
    """0 where it is not known: none of these numbers is 0."""
    value = member(facts, *path)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 else 0


def texts(facts: Mapping[str, Any], *path: str) -> list[str]:
    return [value for value in items(facts, *path) if isinstance(value, str)]


def items(facts: Mapping[str, Any], *path: str) -> list:
    """Of a list, or the values of an object."""
    value = member(facts, *path)
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def boot_ids(hosts: list) -> set[str]:
    """The machines of these entries of `hosts`."""
    return {found for host in hosts if isinstance(host, dict) and (found := text(host, "boot_id"))}
