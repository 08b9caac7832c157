"""Which parts ran in containers: other networks, limits and file systems lie between those than between native
processes, so a result says which of its parts did."""

import os
from pathlib import Path

NATIVE, CONTAINER, UNKNOWN = "native", "container", "unknown"
# The machine's own PID namespace has this number (include/linux/proc_ns.h, since Linux 3.8). /.dockerenv would
# say less: virtual machines are made from images, too.
MACHINE = "pid:[4026531836]"


def own():
    """Of this process, and so of every server that it starts."""
    try:
        return NATIVE if os.readlink("/proc/self/ns/pid") == MACHINE else CONTAINER
    except OSError:
        return UNKNOWN


def of_process(pid, program):
    """Of one that says its own id: 1 is the first process of a container. An id under which that program runs
    here too is one of ours; any other is a process of another machine or of a container with more in it."""
    if pid == 1:
        return CONTAINER
    try:
        here = (
            Path(f"/proc/{pid}/comm").read_text().strip() == program[:15]
        )  # as long as a name gets, proc(5)
    except OSError:
        here = False
    return own() if here else UNKNOWN


def of_all(servers, targets, database):
    """For environment.json. `targets`: name -> GET /stats of the servers that run elsewhere."""
    found = {
        name: of_process(targets[name]["pid"], f"server-{targets[name]['model']}")
        if name in targets
        else own()
        for name in servers
    }
    place = of_process(database.postmaster_pid(), "postgres") if database else None
    return {"load_test": own(), "database": place, "servers": found}


def sentence(ran):
    """Without a full stop, and nothing for a result that does not say: "everything ran natively"."""
    if not ran:
        return ""
    servers = ran["servers"]
    parts = {"the load test": ran["load_test"], "the database": ran["database"]}
    parts |= {"the servers": next(iter(servers.values()))} if len(set(servers.values())) == 1 else servers
    groups = {}
    for part, place in parts.items():
        groups.setdefault(place, []).append(part)
    groups.pop(None, None)
    said = {NATIVE: "natively", CONTAINER: "in containers", UNKNOWN: "where it is not known"}
    if len(groups) == 1:
        return f"everything ran {said[next(iter(groups))]}"
    return "; ".join(f"{_listed(names)} ran {said[place]}" for place, names in groups.items())


def _listed(names):
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
