"""A run of WORKLOAD=crud: whether each response was of the kind that was asked for, and whether the table holds what
was acknowledged.

A request that is under way when wrk stops may have been carried out or not: so the table is held against two numbers,
what was acknowledged and what was sent. Where nothing is under way the two are equal, and the check is exact.
"""

from typing import TYPE_CHECKING, NamedTuple, Sequence

from ..observe import load_result
from ..plan import requests

if TYPE_CHECKING:  # it imports numpy: a program that only opens the database need not wait for that
    from .load import Load

NAMES = list(requests.OPERATIONS)


class Table(NamedTuple):
    """The content of the table `items`, when no request is under way."""

    rows: int
    updates: int  # replaces and patches of the rows that are there


Tables = tuple[Table, Table]  # before the load and after it


def reasons(load: "Load", items: Tables | None) -> list[str]:
    """Why the run is unsound, as sentences that begin with a word of soundness.REASONS."""
    found = [
        f"kind: {part}: {words}" for part in load.parts for words in _kinds(part.result, part.connections)
    ]
    if found or load.operations is None or items is None:
        return found
    before, after = items
    issued, answered = (
        dict(zip(NAMES, counts)) for counts in (load.operations.issued, load.operations.answered)
    )
    rows = (
        before.rows + answered["creates"] - issued["deletes"],
        before.rows + issued["creates"] - answered["deletes"],
    )
    updates = (
        before.updates + answered["replaces"] + answered["patches"],
        before.updates + issued["replaces"] + issued["patches"],
    )
    if not rows[0] <= after.rows <= rows[1]:
        found.append(
            f"rows: the table items has {after.rows} rows and not {_range(*rows)}: {before.rows} before, "
            f"{answered['creates']} creations and {answered['deletes']} deletions acknowledged"
        )
    if not updates[0] <= after.updates <= updates[1]:
        found.append(
            f"rows: the items were updated {after.updates - before.updates} times, and"
            f" {answered['replaces'] + answered['patches']} updates were acknowledged"
        )
    return found


def _kinds(result: load_result.Result, connections: int) -> list[str]:
    """The requests of one wrk or pace, against its responses."""
    done, all_ = result.operations, result.all_requests
    if result.paced:  # each idle connection has had a response, too, to a request beside the mix
        all_ -= result.paced.idle
    if done is None:
        return ["it counted no operations"]
    if done.wrong:
        return [
            f"{done.wrong} of {all_} responses are to no request that was waiting, the first:"
            f" {done.first_wrong}"
        ]
    if sum(done.answered) != all_:
        return [f"{sum(done.answered)} responses were as they should be, of {all_} that were counted"]
    found = [
        f"{answered} responses to {issued} {name}"
        for name, issued, answered in zip(NAMES, done.issued, done.answered)
        if not 0 <= issued - answered <= connections
    ]
    waiting = sum(done.issued) - sum(done.answered)
    if not found and waiting > connections:
        found.append(f"{waiting} requests without a response on {connections} connections")
    return found


def queries(done: load_result.Operations, connections: int, pool: int) -> tuple[int, int]:
    """(least, most) that the server made for these operations, of which some are under way. Between the reading and the
    writing of a patch, as many others as the pool has connections may write, each to one of all items."""
    patches = done.issued[NAMES.index("patches")]
    again = requests.AGAIN * (connections + 2 * patches * pool / requests.ITEMS)
    return _queries(done.answered), _queries(done.issued) + round(again)


def _queries(counts: Sequence[int]) -> int:
    return sum(count * each for count, each in zip(counts, requests.OPERATIONS.values()))


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def columns(load: "Load", items: Tables | None) -> dict[str, int | None]:
    """Of detail.csv."""
    if not load.operations:
        return {}
    return dict(zip(NAMES, load.operations.answered)) | {
        "items_before": items[0].rows if items else None,
        "items_after": items[1].rows if items else None,
    }
