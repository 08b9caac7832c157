"""The output of callgrind: instructions by part (https://valgrind.org/docs/manual/cl-format.html)."""

import re
from collections import Counter
from typing import Iterable

from . import parts

HANDLER = "exchange_start"  # is called once for each request, by every server in C
_NAME = re.compile(r"(c?(?:fl|fi|fe|fn|ob))=(?:\((\d+)\))?\s*(.*)")
_FILES = ("fl", "fi", "fe")


def read(lines: Iterable[str]) -> tuple[Counter, int]:
    """Each part's own instructions, where an inlined function counts for its own source file; and how many requests
    were handled."""
    names: dict[tuple[str, str], str] = {}
    now = {"ob": "", "file": ""}
    found: Counter = Counter()
    cache: dict[tuple[str, str], str] = {}
    callee = ""
    requests = 0
    is_call = False
    for line in lines:
        if line[:1] in "0123456789+-*" and line[:1]:
            if is_call:  # what the callee cost, which it has said itself
                is_call = False
                continue
            key = now["ob"], now["file"]
            if key not in cache:
                cache[key] = _part(*key)
            found[cache[key]] += int(line.split()[1])
        elif line.startswith("calls="):
            is_call = True
            requests += int(line[6:].split()[0]) if callee == HANDLER else 0
        elif match := _NAME.match(line):
            kind, number, name = match.groups()
            space = "file" if kind.lstrip("c") in _FILES else kind.lstrip("c")
            if number and name:
                names[space, number] = name
            name = name or names.get((space, number or ""), "")
            if kind == "cfn":
                callee = name
            elif kind in _FILES:
                now["file"] = name
            elif kind == "ob":
                now["ob"] = name
    return found, requests


def _part(object: str, file: str) -> str:
    """A library's objects have no sources here ("???"); the servers' have."""
    by_file = parts.of_user(file)
    is_server = re.search(r"/server-[^/]*$", object) is not None
    if is_server and (by_file == parts.OTHER or by_file == "C library"):
        return "server" if file in ("", "???") else by_file
    return by_file if is_server else parts.of_user(object)
