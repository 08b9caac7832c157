"""Reads a results folder, whose files somebody may have edited: what they cannot hold is a Failure that names the
file, the line and the field. A byte order mark, which a spreadsheet writes, is accepted."""

import csv
import json
import math
import re
from pathlib import Path
from typing import Any, Callable, Sequence

from .. import Failure

TEXTS = {
    "server",
    "proxy",
    "flags",
    "cpu_groups",
    "started_at",
    "reason",
    "method",
    "workload",
    "part",
    "unit",
}
ADDED = {"cpu_groups", "workload"}  # columns that folders of older versions lack
WORKLOADS = USUAL, CRUD = "work", "crud"
LEAST = {"block": 1, "order": 1, "n": 0, "m": 0, "w": 0, "d": 0, "c": 1}  # whole numbers, never missing
OF_WORK = ("n", "m", "w", "d")  # empty where the workload is another one, and only there
WHOLE = "not a whole number of {} or more"
# Differences that may be negative: memory that shrank, counters of the kernel that ran backwards, and what remains.
# The last line is for results of before December 2026: an idle database seemed to give CPU time back
# (figures.of_processes).
SIGNED = set(
    "kernel_kib idle_share steal_share other_share kernel_stack_kib page_tables_kib slab_kib tcp_kib"
    " runqueue_wait_us_per_req cpu_pressure_share"
    " db_cpu_share db_cpu_us_per_req proxy_cpu_share proxy_cpu_us_per_req".split()
)


def table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows as texts, each of which field() takes."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = csv.reader(stream)
            heads: list[str] = next(lines, [])
            _check_heads(path, heads, columns)
            return [_row(path, lines.line_num, heads, line) for line in lines if line]
    except FileNotFoundError:
        raise Failure(f"{path} is not there: name the results folder of a finished run") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Failure(f"cannot read {path}: {error}") from None


def _check_heads(path: Path, heads: list[str], columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in heads and name not in ADDED]
    if missing and re.search("[;\t]", "".join(heads)):
        raise Failure(f"{path}, line 1: the columns are not separated by commas: save it as CSV with commas")
    if missing:
        raise Failure(f"{path} has other columns than this version's: it has no column {missing[0]}")


def _row(path: Path, number: int, heads: list[str], line: list[str]) -> dict[str, str]:
    if len(line) != len(heads):
        raise Failure(
            f"{path}, line {number}: it has {len(line)} fields where line 1 names {len(heads)} columns"
        )
    row = dict.fromkeys(ADDED, "") | dict(zip(heads, line))
    for column, text in row.items():
        try:
            field(column, text)
            if column in OF_WORK and bool(text) == (row["workload"] == CRUD):
                raise ValueError("no part of this workload" if text else WHOLE.format(LEAST[column]))
        except ValueError as error:
            raise Failure(f'{path}, line {number}: {column} "{text}" is {error}') from None
    return row


def field(column: str, text: str) -> Any:
    """The value of a field: a text, or a number, or None where it is missing. Raises ValueError with what it is not."""
    if column == "server" and not text:
        raise ValueError("not a name")
    if column == "proxy" and text not in ("none", "nginx"):
        raise ValueError("neither none nor nginx")
    if column == "workload" and text not in ("", *WORKLOADS):
        raise ValueError(f"none of: {' '.join(WORKLOADS)}")
    if column == "workload":
        return text or USUAL
    if column in TEXTS:
        return text
    if column in OF_WORK and not text:
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
        raise ValueError("not a number" + ("" if signed else " of 0 or more"))
    return value


def facts(path: Path) -> dict | None:
    """environment.json; None where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
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
        for entry in value
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
    "server_list": (_server_list, "a list of servers with name and colour (#rrggbb)"),
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
