"""The requests that a server receives at a point, and the faults that the self-test injects into them."""

from typing import NamedTuple, Sequence

from .matrix import SLOW, Point, Server

BURN_US = 2000  # CPU time that the injected slow generator burns before each request
INJECTED_EVERY = 100  # one request in so many is a faulty one
ITEMS = 10_000  # rows of the table items that a run of WORKLOAD=crud begins with, with the ids 1 to ITEMS
# The operations of WORKLOAD=crud, in the order of MIX, and the queries that the handler makes for each
# (common/handler/items/items.c). A PATCH reads the item, merges, and writes; when another writer has changed the item
# meanwhile, it reads and writes again.
OPERATIONS = {"reads": 1, "lists": 1, "creates": 1, "replaces": 1, "patches": 2, "deletes": 1}
AGAIN = 2


class Crud(NamedTuple):
    """The arguments of crud.lua."""

    mix: tuple[int, ...]  # the shares of OPERATIONS
    seed: int  # below 2^31; each of wrk's threads adds its number
    rows: int = ITEMS

    @property
    def words(self) -> tuple[int, ...]:
        return *self.mix, self.rows, self.seed

    def of_generator(self, number: int) -> "Crud":
        """For one of several: no two of them ask for the same items in the same order."""
        return self._replace(seed=(self.seed + 1000 * number) % 2**31)


def crud(words: Sequence[int]) -> Crud:
    """From its words. Raises ValueError."""
    *mix, rows, seed = words
    if len(mix) != len(OPERATIONS):
        raise ValueError(f"{len(OPERATIONS)} shares, rows and a seed are wanted")
    return Crud(tuple(mix), seed, rows)


def work_path(parameters: dict) -> str:
    """The path and query of GET /work."""
    return "/work?" + "&".join(f"{name}={value}" for name, value in parameters.items())


def path(server: Server, point: Point) -> str:
    """Where the load of that server at that point goes."""
    return "/items" if point.is_crud else work_path(server.parameters(point))


def injected(server: Server, point: Point) -> tuple:
    """Further words for wrk.lua: the faulty path and how often to ask for it, or how long to burn CPU. crud.lua makes
    the faulty request itself."""
    if server.fault == SLOW:
        return (f"burn={BURN_US}",)
    faulty = _faulty(server, point)
    if faulty and point.is_crud:
        return (f"{faulty}={INJECTED_EVERY}",)
    return (faulty, INJECTED_EVERY) if faulty else ()


def injected_into_pace(server: Server, point: Point) -> tuple:
    """Further options of pace, for the same."""
    if server.fault == SLOW:
        return "--burn", BURN_US
    faulty = _faulty(server, point)
    return ("--inject", f"{faulty}:{INJECTED_EVERY}") if faulty else ()


def _faulty(server: Server, point: Point) -> str | None:
    """The path of the faulty requests; with crud, what the generator is to make of them."""
    if point.is_crud or server.fault is None:
        return server.fault
    change: dict[str, object] = (
        {"n": "none"} if server.fault == "error" else {"m": max(64, (point.m or 0) // 2)}
    )
    return work_path(server.parameters(point) | change)
