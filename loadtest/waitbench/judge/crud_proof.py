"""Proof that a server does each operation of WORKLOAD=crud, before the server is timed. What it must answer is
computed here, so servers that pass have given the same answers."""

import json
import re
from typing import Any, Protocol

from ..base.client import Client, fields
from ..plan import requests
from . import accounting
from .proof import Wrong

# Of the items that every run begins with (bench/seed.py); crud.lua writes payloads of the same size.
PAYLOAD = (
    '{"colour":"green","weight":12.5,"tags":["new","large","fragile"],"stock":{"north":7,"south":12},'
    '"text":"A small thing that somebody keeps in a table, with a line or two about it."}'
)
VALUE_SQL = "id * 7"
PAGE = 20
JSON, PATCH, PROBLEM = "application/json", "application/merge-patch+json", "application/problem+json"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"


class Counting(Protocol):
    """A database that has the items, and counts what the servers make it do (bench/database.py)."""

    def items(self) -> accounting.Table:
        ...

    def item_queries(self) -> int | None:
        ...


class _Round:
    """One request after another, each of which is checked and counted."""

    def __init__(self, http: Client):
        self.http = http
        self.queries = 0  # that these requests need

    def send(
        self, operation: str, status: int, method: str, path: str, media: str = "", content: Any = None
    ) -> tuple[dict[str, str], Any]:
        """(fields of the response, the JSON of its body)"""
        self.queries += requests.OPERATIONS[operation]
        body = json.dumps(content).encode() if content else b""
        found, head, text = self.http.send(method, path, media, body)
        what, shown = f"{method} {path}", text[:200].decode(errors="replace")
        if found != status:
            raise Wrong(f"responds to {what} with {found} and not {status}: {shown}")
        if status == 204:
            return fields(head), None
        expected = PROBLEM if status == 404 else JSON
        kind = fields(head).get("content-type", "").partition(";")[0]
        if kind != expected:
            raise Wrong(f"responds to {what} with {kind or 'no media type'} and not {expected}")
        try:
            return fields(head), json.loads(text)
        except ValueError:
            raise Wrong(f"responds to {what} with something that is not JSON: {shown}") from None


def prove(http: Client, database: Counting | None) -> None:
    """Raises Wrong unless every operation does what it is for, and the table is afterwards as it was."""
    before = (database.items(), database.item_queries()) if database else None
    done = _round(http)
    if database and before:
        after = database.item_queries()
        if before[1] is not None and after is not None and after - before[1] != done.queries:
            raise Wrong(
                f"made the database count {after - before[1]} queries where {done.queries} were needed"
            )
        if database.items() != before[0]:
            raise Wrong(
                f"left {database.items()} where {before[0]} was before: not every write was done once"
            )


def _round(http: Client) -> _Round:
    done = _Round(http)
    head, new = done.send("creates", 201, "POST", "/items", JSON, _content("created", 2**53 + 1))
    number = new.get("id") if isinstance(new, dict) else None
    path = f"/items/{number}"
    _check("POST /items", new, number, _content("created", 2**53 + 1))
    if head.get("location") != path or not isinstance(number, int) or number <= requests.ITEMS:
        raise Wrong(f"responds to POST /items with Location {head.get('location')} for the item {number}")
    _read(done, number, _content("created", 2**53 + 1))
    head, new = done.send("replaces", 200, "PUT", path, JSON, _content("replaced", -3))
    _check(f"PUT {path}", new, number, _content("replaced", -3), head)
    _read(done, number, _content("replaced", -3))
    head, new = done.send("patches", 200, "PATCH", path, PATCH, {"value": 4, "payload": {"text": None}})
    patched = _content("replaced", 4)
    del patched["payload"]["text"]
    _check(f"PATCH {path}", new, number, patched, head)
    _read(done, number, patched)
    _list(done, requests.ITEMS // 2)
    done.send("deletes", 204, "DELETE", path)
    done.send("reads", 404, "GET", path)
    return done


def _content(name: str, value: int) -> dict[str, Any]:
    return {"name": f"waitbench {name}", "value": value, "payload": json.loads(PAYLOAD)}


def _read(done: _Round, number: int, content: dict[str, Any]) -> None:
    head, item = done.send("reads", 200, "GET", f"/items/{number}")
    _check(f"GET /items/{number}", item, number, content)
    if "content-location" in head:  # by which crud.lua tells a read from a write
        raise Wrong(f"responds to GET /items/{number} with a Content-Location, which the path names already")


def _list(done: _Round, after: int) -> None:
    path = f"/items?limit={PAGE}&after={after}"
    _, page = done.send("lists", 200, "GET", path)
    items = page.get("items") if isinstance(page, dict) else None
    if not isinstance(items, list) or len(items) != PAGE or page.get("next") != after + PAGE:
        raise Wrong(f"responds to GET {path} with no page of {PAGE} items: {str(page)[:200]}")
    for number, item in enumerate(items, after + 1):
        _check(f"GET {path}", item, number, _content("seeded", number * 7))


def _check(
    what: str, item: Any, number: Any, content: dict[str, Any], head: dict[str, str] | None = None
) -> None:
    """Whether that is the item; of a response to PUT or PATCH with its head, by which crud.lua knows it."""
    updated_at = item.get("updated_at") if isinstance(item, dict) else None
    expected = {"id": number, **content, "updated_at": updated_at}
    if item != expected or not isinstance(updated_at, str) or not re.fullmatch(TIME, updated_at):
        raise Wrong(f"responds to {what} with {str(item)[:200]}, where {str(expected)[:200]} is right")
    if head is not None and head.get("content-location") != f"/items/{number}":
        raise Wrong(f"responds to {what} with Content-Location {head.get('content-location')}")
