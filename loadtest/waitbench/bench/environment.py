"""The machine, the programs and the settings of a run: environment.json, and the warnings at the start."""

import json
import os
import platform
import re
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any, Mapping

from .. import Failure, ROOT
from ..base import kernel, process, reading, results
from ..judge import reference
from ..observe import cgroups, conntrack, deployment
from ..plan import matrix, settings
from . import cpu_groups, database_url, placement, servers
from .database import Database

LIMITS = (  # below /proc/sys
    "fs/file-max",
    "kernel/pid_max",
    "kernel/sched_autogroup_enabled",
    "kernel/threads-max",
    "net/core/somaxconn",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/tcp_max_syn_backlog",
    "vm/max_map_count",
    "vm/overcommit_memory",
)
CPU = Path("sys/devices/system/cpu")  # below the root, as all paths here
OTHER_THREADS = 500  # of all other programs
NEEDED = "settings", "versions", "server_environment"  # to continue a run
VERSION_S = 5  # for a program to print its version
OF_A_TARGET = "model", "version", "build", "workers", "pool_size", "pipeline_depth"  # of its GET /stats


def raise_file_limit(connections: int, with_nginx: bool = False) -> None:
    """Allows as many descriptors as the hard limit does: a server and wrk need one per connection, nginx in front
    of a server two. Raises Failure when that is too few."""
    most = process.raise_file_limit()
    each = 2 if with_nginx else 1
    if most is not None and each * connections + process.OTHER_FILES > most:
        behind = " with PROXY=nginx" if with_nginx else ""
        raise Failure(
            f"C={connections}{behind} needs more file descriptors than the {most} that this user may open: raise the"
            f" limit (ulimit -Hn) or choose C of at most {(most - process.OTHER_FILES) // each}, with I counted in"
        )


def describe(
    chosen: settings.Settings,
    db: Database | None,
    places: Mapping[str, set[int]],
    cpus: list[int],
    targets: Mapping[str, dict],
    groups: cpu_groups.Groups = cpu_groups.NONE,
) -> dict[str, Any]:
    """The contents of environment.json: what a reader needs to judge or repeat the run. `targets`: name -> GET
    /stats of the servers that run elsewhere."""
    return of_machine() | {
        "versions": versions(chosen),
        "database": db.describe() if db else None,
        "settings": recorded(chosen),
        "server_environment": servers.tuning(),
        "servers": [spec.name for spec in chosen.servers],
        "server_list": [
            {name: getattr(entry, name) for name in ("name", "description", "colour", "language", "model")}
            for entry in chosen.server_list
        ],
        "targets": {name: {key: stats.get(key) for key in OF_A_TARGET} for name, stats in targets.items()},
        "ran": deployment.of_all([spec.name for spec in chosen.servers], targets, db),
        "placement": {role: sorted(own) for role, own in places.items()},
        "placement_says": placement.sentence(places, cpus, chosen.pin, bool(chosen.targets)),
        "cpu_groups": groups.actual,
        "cpu_groups_says": groups.says,
        "warnings": warnings(chosen, db, targets, groups),
    }


def of_machine() -> dict[str, Any]:
    """The part that is the same whatever is measured."""
    return {
        "machine": machine(),
        "kernel": platform.release(),
        "system": _field("etc/os-release", r'PRETTY_NAME="(.*)"'),
        "limits": {Path(name).name: kernel.text(f"proc/sys/{name}") for name in LIMITS} | _rlimits(),
        "git": git(),
    }


def recorded(chosen: settings.Settings) -> dict[str, str | None]:
    """The settings as texts, of the database its address alone."""
    return chosen.texts | {"DATABASE_URL": database_url.shown(chosen.database_url)}


def machine() -> dict[str, Any]:
    memory = _field("proc/meminfo", r"MemTotal:\s+(\d+) kB")
    flags = _field("proc/cpuinfo", r"flags\s*:\s*(.*)")
    return {
        "cpu_model": _field("proc/cpuinfo", r"model name\s*:\s*(.*)") or platform.machine(),
        "architecture": platform.machine(),
        "cpus": os.cpu_count(),
        "cpus_usable": len(os.sched_getaffinity(0)),
        "memory_kib": int(memory) if memory else None,
        "cpu_limit": cpu_limit(),
        "governor": kernel.text(CPU / "cpu0/cpufreq/scaling_governor"),
        "turbo": turbo(),
        "smt": kernel.text(CPU / "smt/active"),
        "virtual": None if flags is None else "hypervisor" in flags,
        "clock": kernel.text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "load_average": load_average(),
    }


def cpu_limit() -> float | None:
    """CPUs' worth of time that this process's control group may use; None for no limit."""
    group = cgroups.group_of()
    return cgroups.limit(group) if group else None


def load_average() -> list[float] | None:
    try:
        return list(os.getloadavg())
    except OSError:
        return None


def turbo() -> bool | None:
    """None where the kernel does not say."""
    boost = kernel.text(CPU / "cpufreq/boost")
    if boost is not None:
        return {"0": False, "1": True}.get(boost)
    return {"0": True, "1": False}.get(kernel.text(CPU / "intel_pstate/no_turbo") or "")


def versions(chosen: settings.Settings) -> dict[str, str | None]:
    found = {
        "wrk": _first_line(["wrk", "-v"]),
        "pace": git()["revision"] if chosen.generator == matrix.PACE else None,  # it is a part of the project
        "nginx": _first_line(["/usr/sbin/nginx", "-v"]) if "nginx" in chosen.proxy else None,
        "python": platform.python_version(),
    }
    found |= of_libraries()
    for spec in chosen.servers:
        if not spec.url:
            words = [*servers.command(spec, chosen), "--version"]
            found[f"server-{spec.model}"] = _first_line(words, must=True)
    return found


def of_libraries() -> dict[str, str | None]:
    names = "libpq", "libuv", "libllhttp"
    return {name: _first_line(["pkg-config", "--modversion", name], must=True) for name in names}


def of_compiler(command: str) -> str | None:
    return _first_line([command, "--version"], must=True)


def limits_met(connections: int) -> list[str]:
    """The limits that are too low for that many connections with a thread each, as sentences."""
    nproc = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    limits = {name: kernel.number(f"proc/sys/{name}") for name in ("kernel/threads-max", "kernel/pid_max")}
    if nproc != resource.RLIM_INFINITY and os.geteuid() != 0:  # root is exempt
        limits["ulimit -u"] = nproc
    found = [
        f"C={connections}: {name} is {limit}, so a server with a thread for each connection may refuse some"
        for name, limit in limits.items()
        if limit is not None and limit < connections + OTHER_THREADS
    ]
    backlog = kernel.number("proc/sys/net/core/somaxconn")
    if backlog is not None and backlog < connections:
        found.append(
            f"C={connections}: net.core.somaxconn is {backlog}, so connecting all at once takes seconds"
        )
    return found


def git() -> dict[str, Any]:
    """The revision of the load test, and whether files differ from it; None for what is not known: git refuses a clone
    of another user. The image of the load test has no .git; there a file has the output of git describe."""
    built = kernel.text(ROOT / "revision")
    if built:
        return {"revision": built.removesuffix("-dirty"), "changed": built.endswith("-dirty")}

    def ask(*words):
        return _first_line(["git", "-C", str(ROOT), *words], must=True)

    changes = ask("status", "--porcelain", "-uno")
    return {"revision": ask("rev-parse", "HEAD"), "changed": None if changes is None else bool(changes)}


def warnings(
    chosen: settings.Settings,
    db: Database | None,
    targets: Mapping[str, dict],
    groups: cpu_groups.Groups = cpu_groups.NONE,
) -> list[str]:
    facts, found = machine(), limits_met(chosen.connections_most)
    if busy := reference.busy(facts):
        found.append(f"{busy}: this run is no reference")
    if facts["governor"] not in (None, "performance"):
        found.append(f"the CPU governor is {facts['governor']}: 'performance' gives steadier numbers")
    if facts["turbo"]:
        found.append("turbo is on: the clock depends on temperature and on how many cores are busy")
    tracked = conntrack.warning()
    if tracked and any(point.k for point in chosen.points):
        found.append(tracked)
    if facts["virtual"]:
        found.append("this is a virtual machine: of its neighbours only steal_share shows anything")
    if facts["cpu_limit"]:
        found.append(
            f"the control group of the load test may use {facts['cpu_limit']:g} CPUs' worth of time: runs in which that"
            " limit stops a part of it are unsound"
        )
    if groups.actual == cpu_groups.SESSION:
        found.append(
            "the kernel divides CPU time among sessions first (sched_autogroup_enabled): when CPUs are short,"
            " each process of PostgreSQL weighs as much as the whole server, and as wrk"
        )
    for name, stats in targets.items():
        if stats.get("pool_size", chosen.pool) != chosen.pool:
            found.append(f"{name} has {stats['pool_size']} database connections, and POOL is {chosen.pool}")
    if db and db.uncounted:
        found.append(f"{db.uncounted}: that N queries ran is proved by `sum` alone")
    if not db:
        found.append(
            "no DATABASE_URL: the database is neither reset between runs nor queried for what it counted"
        )
    return found


def write(folder: Path, facts: dict) -> None:
    results.replace(folder / "environment.json", (json.dumps(facts, indent=2) + "\n").encode())


def read(folder: results.Folder) -> dict | None:
    """environment.json of the folder; None when no run has begun there."""
    path = folder.path / "environment.json"
    facts = reading.facts(path)
    lacking = [name for name in NEEDED if facts is not None and name not in facts]
    if facts is not None and (lacking or "SEED" not in facts["settings"]):
        raise Failure(
            f"{path} has no {(lacking or ['settings.SEED'])[0]}, so it cannot be continued: choose another OUT"
        )
    return facts


def _rlimits() -> dict[str, list[int]]:
    kinds = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC, "stack": resource.RLIMIT_STACK}
    return {f"rlimit_{name}": list(resource.getrlimit(kind)) for name, kind in kinds.items()}


def _field(path: str | Path, pattern: str) -> str | None:
    found = re.search(pattern, kernel.text(path) or "")
    return found[1] if found else None


def _first_line(words: list[str], must: bool = False) -> str | None:
    """The first line that a program prints; None when the program is missing, does not end, or fails and
    must not."""
    if not shutil.which(words[0]):
        return None
    try:
        done = process.run(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=VERSION_S,
            cwd=ROOT,
        )
    except subprocess.TimeoutExpired:
        return None
    if must and done.returncode:
        return None
    return (done.stdout.strip().splitlines() or [""])[0]
