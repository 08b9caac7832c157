"""Whether a part of the experiment ran natively or in a container: containers have other networks, limits and
file systems between them than native processes have, so a result says it of each part."""

import os
from typing import Any, Iterable, Mapping, Protocol

from ..base import kernel

NATIVE, CONTAINER, UNKNOWN = "native", "container", "unknown"
# The inode number of the machine's own PID namespace (include/linux/proc_ns.h, since Linux 3.8). /.dockerenv
# would say less: virtual machines are made from images, too.
MACHINE = "pid:[4026531836]"


class Postmaster(Protocol):
    """A database that knows its first process (bench/database.py)."""

    def postmaster_pid(self) -> int:
        ...


def own() -> str:
    """Of this process, and so of every server that it starts."""
    try:
        return NATIVE if os.readlink(kernel.ROOT / "proc/self/ns/pid") == MACHINE else CONTAINER
    except OSError:
        return UNKNOWN


def of_process(pid: int, program: str) -> str:
    """Of a process by the id that it reports. Id 1 is the first process of a container. An id under which that
    program runs on this machine is taken for that process; any other id belongs to a process of another machine
    or of a container with several processes."""
    if pid == 1:
        return CONTAINER
    # The kernel keeps the first 15 characters of a name: proc(5).
    return own() if kernel.text(f"proc/{pid}/comm") == program[:15] else UNKNOWN


def of_all(
    servers: Iterable[str], targets: Mapping[str, dict], database: Postmaster | None
) -> dict[str, Any]:
    """For environment.json. `targets`: name -> GET /stats of the servers that run elsewhere."""
    found = {
        name: of_process(targets[name]["pid"], f"server-{targets[name].get('model')}")
        if name in targets
        else own()
        for name in servers
    }
    place = of_process(database.postmaster_pid(), "postgres") if database else None
    return {"load_test": own(), "database": place, "servers": found}


def sentence(ran: dict[str, Any] | None) -> str:
    """Without a full stop: "everything ran natively". Empty for a result that does not say."""
    if not ran:
        return ""
    servers = ran["servers"]
    parts = {"the load test": ran["load_test"], "the database": ran["database"]}
    parts |= {"the servers": next(iter(servers.values()))} if len(set(servers.values())) == 1 else servers
    groups: dict[str | None, list[str]] = {}
    for part, place in parts.items():
        groups.setdefault(place, []).append(part)
    groups.pop(None, None)
    manner = {NATIVE: "natively", CONTAINER: "in containers", UNKNOWN: "where it is not known"}
    if len(groups) == 1:
        return f"everything ran {manner[next(iter(groups)) or UNKNOWN]}"
    return "; ".join(f"{listed(names)} ran {manner[place or UNKNOWN]}" for place, names in groups.items())


def listed(names: list[str]) -> str:
    """a, b and c"""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
