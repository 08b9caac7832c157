"""Reads a results folder, whose files somebody may have edited: what they cannot hold is a Failure that names the
file, the line and the field. csv_file.py has what is no CSV at all."""

import json
import math
import re
from pathlib import Path
from typing import Any, Callable, Sequence

from .. import Failure
from . import csv_file

TEXTS = {
    "server",
    "proxy",
    "flags",
    "cpu_groups",
    "started_at",
    "reason",
    "method",
    "workload",
    "generator",
    "mode",
    "part",
    "unit",
    *("bound", "met", "note"),  # of capacity.csv and capacity_steps.csv
    *(
        "kind",
        "raised",
        "side",
        "limit",
        "evidence",
        "outside",
        "agrees",
        "old",
        "new",
        "why_not",
    ),  # of limits.csv and raises.csv
}
OF_LOAD = {"k", "i", "load", "generator", "mode", "offered_rps", "achieved_rps"}
ADDED = {"cpu_groups", "workload", "t"} | OF_LOAD  # columns that folders of older versions lack
WORKLOADS = USUAL, CRUD = "work", "crud"
GENERATORS = WRK, PACE = "wrk", "pace"
MODES = CLOSED, OPEN = "closed", "open"
# Texts that are one of a few, of which the first is the one where there is none: results of before there was a choice.
CHOICES = {"workload": WORKLOADS, "generator": GENERATORS, "mode": MODES}
LEAST = {
    "block": 1,
    "order": 1,
    "n": 0,
    "m": 0,
    "w": 0,
    "d": 0,
    "t": 0,
    "c": 1,
    "k": 0,
    "i": 0,
    "load": 1,
    "try": 1,
    "steps": 1,
    "second": 0,
    "up_to_us": 0,
}  # whole numbers, never missing but for the next two
OF_WORK = ("n", "m", "w", "d", "t")  # empty where the workload is another one, and only there
OF_OPEN = ("load",)  # empty where the loop is closed, and only there
WHOLE = "not a whole number of {} or more"
# Differences that may be negative: memory that shrank, counters of the kernel that ran backwards, and what remains.
# The last line is for results of before December 2026: an idle database seemed to give CPU time back
# (figures.of_processes).
SIGNED = set(
    "kernel_kib idle_share steal_share other_share kernel_stack_kib page_tables_kib slab_kib tcp_kib"
    " runqueue_wait_us_per_req cpu_pressure_share"
    " db_cpu_share db_cpu_us_per_req proxy_cpu_share proxy_cpu_us_per_req".split()
)


def table(
    path: Path, columns: Sequence[str], check: Callable[[str, str], Any] | None = None
) -> list[dict[str, str]]:
    """The rows as texts, each of which field() takes, or `check`, for files whose columns are other ones."""
    try:
        first, *lines = csv_file.lines(path)
    except FileNotFoundError:
        raise Failure(f"{path} is not there: name the results folder of a finished run") from None
    check_heads(path, first.fields, columns)
    return [_row(path, line, first.fields, check or field) for line in lines]


def check_heads(path: Path, heads: Sequence[str], columns: Sequence[str]) -> None:
    """Whether the first line of a file names these columns, and no other twice. Raises Failure."""
    missing = [name for name in columns if name not in heads and name not in ADDED]
    if missing and (other := re.search("[;\t|]", "".join(heads))):
        name = {";": "semicolons", "\t": "tabs"}.get(other[0], f"'{other[0]}'")
        raise Failure(f"{path}, line 1: {name} separate the columns: {csv_file.SAVE}")
    if missing and not set(columns) & set(heads):
        named = f"{', '.join(columns[:3])}{' and so on' if len(columns) > 3 else ''}"
        raise Failure(
            f"{path} is of another program: line 1 names none of the columns {named}; name a results folder of waitbench"
        )
    if missing:
        raise Failure(f"{path} has other columns than this version's: it has no column {missing[0]}")
    if twice := next((name for place, name in enumerate(heads) if name in heads[:place]), None):
        raise Failure(f'{path}, line 1: it names the column "{twice}" twice: delete one of the two')


def _row(
    path: Path, line: csv_file.Line, heads: list[str], check: Callable[[str, str], Any]
) -> dict[str, str]:
    number, fields, is_cut = line
    if len(fields) != len(heads):
        cut = ": the file is cut off here; delete this line" if is_cut and len(fields) < len(heads) else ""
        raise Failure(
            f"{path}, line {number}: it has {len(fields)} fields where line 1 names {len(heads)} columns{cut}"
        )
    row = dict(zip(heads, fields)) | {name: "" for name in ADDED if name not in heads}
    if "t" not in heads and row["workload"] != CRUD:
        row["t"] = "0"  # before the column was there, no request waited
    row |= {
        name: "0" for name in ("k", "i") if name not in heads
    }  # and connections stayed open, and none was idle
    for column, text in row.items():
        try:
            check(column, text)
            if column in OF_WORK and bool(text) == (row["workload"] == CRUD):
                raise ValueError("no part of this workload" if text else WHOLE.format(LEAST[column]))
            if column in OF_OPEN and "mode" in heads and bool(text) != (row["mode"] == OPEN):
                raise ValueError("no part of a closed loop" if text else WHOLE.format(LEAST[column]))
        except ValueError as error:
            raise Failure(f'{path}, line {number}: {column} "{text}" is {error}') from None
    return row


def field(column: str, text: str) -> Any:
    """The value of a field: a text, or a number, or None where it is missing. Raises ValueError with what it is not."""
    if column == "server" and not text:
        raise ValueError("not a name")
    if column == "proxy" and text not in ("none", "nginx"):
        raise ValueError("neither none nor nginx")
    if choices := CHOICES.get(column):
        if text not in ("", *choices):
            raise ValueError(f"none of: {' '.join(choices)}")
        return text or choices[0]
    if column in TEXTS:
        return text
    if column in OF_WORK + OF_OPEN and not text:
        return None
    if column in LEAST:
        if not re.fullmatch("[0-9]{1,18}", text) or int(text) < LEAST[column]:
            raise ValueError(WHOLE.format(LEAST[column]))
        return int(text)
    return _measured(text, column in SIGNED) if text else None


def _measured(text: str, signed: bool) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 and not signed:
        comma = ": write a decimal point" if re.fullmatch("-?[0-9]+,[0-9]+", text) else ""
        raise ValueError("not a number" + ("" if signed else " of 0 or more") + comma)
    return value


def facts(path: Path) -> dict | None:
    """environment.json; None where there is none."""
    try:
        found = json.loads(csv_file.text(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Failure(f"cannot read {path}: {error}") from None
    if not isinstance(found, dict):
        raise Failure(f"cannot read {path}: it is no JSON object")
    for name, (holds, what) in FACTS.items():
        *above, last = name.split(".")
        inside = found.get(above[0]) if above else found
        if isinstance(inside, dict) and last in inside and not holds(inside[last]):
            shown = json.dumps(inside[last])
            raise Failure(f"{path}: {name} {shown if len(shown) < 60 else shown[:57] + '...'} is not {what}")
    return found


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str | None) for text in value.values())


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


def _server_list(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("colour"), str)
        and re.fullmatch("#[0-9a-fA-F]{6}", entry["colour"])
        and isinstance(entry.get("language", ""), str)  # older folders have neither
        and isinstance(entry.get("model", ""), str)
        for entry in value
    )


def _given_up(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(point, dict)
        and {"proxy", "n", "m", "w", "d", "c"} <= point.keys()
        and isinstance(point.get("reason"), str)
        for point in value
    )


def _place(value: Any) -> bool:
    return value in (None, "native", "container", "unknown")


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _load_average(value: Any) -> bool:
    return value is None or isinstance(value, list) and len(value) == 3 and all(map(_number, value))


def _ran(value: Any) -> bool:
    return value is None or isinstance(value, dict) and {"load_test", "database", "servers"} <= value.keys()


# Of the members that the load test reads, the form.
FACTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "servers": (_names, "a list of names"),
    "server_list": (
        _server_list,
        "a list of servers with name, colour (#rrggbb) and, where they are known, language and model",
    ),
    "outcome": (lambda value: value is None or isinstance(value, dict), "an object"),
    "outcome.unsound_points": (_given_up, "a list of points, each with its reason"),
    "machine": (lambda value: isinstance(value, dict), "an object"),
    "machine.load_average": (_load_average, "three numbers"),
    "machine.cpus_usable": (lambda value: _number(value) and value > 0, "a number above 0"),
    "cpu_groups": (lambda value: isinstance(value, str), "a text"),
    "settings": (_texts, "an object of texts"),
    "settings.SEED": (lambda value: re.fullmatch("[0-9]+", value or ""), "the digits of a whole number"),
    "versions": (_texts, "an object of texts"),
    "server_environment": (_texts, "an object of texts"),
    "ran": (_ran, "an object with load_test, database and servers"),
    "ran.load_test": (_place, "native, container or unknown"),
    "ran.database": (_place, "native, container or unknown"),
    "ran.servers": (
        lambda value: _texts(value) and value and all(map(_place, value.values())),
        "an object: native, container or unknown by server",
    ),
}
