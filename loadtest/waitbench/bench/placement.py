"""The CPUs that the server, the database and wrk run on."""

import os
from typing import Iterable, Mapping

from .. import Failure
from ..base import kernel

ENOUGH = 4  # CPUs, below which there is nothing to divide


def available() -> list[int]:
    """The CPUs that this process may use, hyperthreads of one core side by side."""

    def core(cpu):
        first = kernel.read(f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list", _first)
        return cpu if first is None else first, cpu

    return sorted(os.sched_getaffinity(0), key=core)


def _first(cpus: str) -> int:
    return int(cpus.replace("-", ",").split(",")[0])


def divide(cpus: list[int]) -> dict[str, set[int]]:
    """{role: set of CPUs}: a quarter for the server, a quarter for wrk, the rest for the database, which does
    half or more of the work of a request with queries. Empty below four CPUs."""
    if len(cpus) < ENOUGH:
        return {}
    quarter = len(cpus) // 4
    return {
        "server": set(cpus[:quarter]),
        "wrk": set(cpus[quarter : 2 * quarter]),
        "database": set(cpus[2 * quarter :]),
    }


def elsewhere(
    cpus: Iterable[int], environ: Mapping[str, str] = os.environ, wrk_here: bool = True
) -> dict[str, set[int]]:
    """The same for servers that run elsewhere: the CPU sets of docker-compose.yml, and the CPUs that wrk may
    use."""
    cpus = set(cpus)
    roles = {"server": "SERVER_CPUS", "database": "DB_CPUS"}
    found = {role: _given(name, environ[name]) for role, name in roles.items() if environ.get(name)}
    return found | ({"wrk": cpus} if wrk_here and len(cpus) < (os.cpu_count() or 1) else {})


def _given(name: str, text: str) -> set[int]:
    try:
        return parse(text)
    except ValueError:
        raise Failure(f"{name}: '{text}' is not a list of CPUs, as 0-2,7 is one") from None


def parse(text: str) -> set[int]:
    """A list of CPUs as the kernel and Docker write it: 0-2,7 (cpuset(7))."""
    ends = [part.split("-") for part in text.split(",")]
    return {cpu for each in ends for cpu in range(int(each[0]), int(each[-1]) + 1)}


def sentence(places: Mapping[str, set[int]], cpus: list[int], asked: str, servers_elsewhere: bool) -> str:
    """`servers_elsewhere`: whether the servers were started by others (TARGETS)."""
    if places:
        return "; ".join(f"{role} on CPU {' '.join(map(str, sorted(own)))}" for role, own in places.items())
    if servers_elsewhere:
        return "the servers run elsewhere, on the CPUs that they were given there"
    if asked == "none":
        return f"no CPU is reserved for any part (PIN=none, {len(cpus)} CPUs)"
    return (
        f"{len(cpus)} CPUs are too few to divide: server, database and wrk share them, so throughput is what"
        " all three cost together; the server's own cost is its CPU microseconds per request"
    )
