"""The limits of the system that stop a server which takes connections: what each allows, how much of it is in use, and
the line of its log in which a server names the one that it has met.

Sources: proc(5), Documentation/admin-guide/sysctl/{kernel,vm,fs}.rst and cgroup-v2.rst of the kernel, getrlimit(2).
"""

import os
import re
from pathlib import Path
from typing import Iterable, NamedTuple

from ..base import kernel
from . import cgroups, sampling

NOFILE, NPROC, ADDRESS_SPACE, DATA = "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_AS", "RLIMIT_DATA"
NR_OPEN, FILE_MAX, MAP_COUNT = "fs.nr_open", "fs.file-max", "vm.max_map_count"
PID_MAX, THREADS_MAX = "kernel.pid_max", "kernel.threads-max"
PIDS, GROUP_MEMORY = "cgroup pids.max", "cgroup memory.max"
OVERCOMMIT, MEMORY = "vm.overcommit_memory", "memory"
CONNTRACK, PORTS = "net.netfilter.nf_conntrack_max", "net.ipv4.ip_local_port_range"
BACKLOG, SETTING, UNKNOWN = "net.core.somaxconn", "MAX_CONNECTIONS", "unknown"

BYTES = {ADDRESS_SPACE, DATA, GROUP_MEMORY, OVERCOMMIT, MEMORY}  # all others are counts
RLIMITS = {
    NOFILE: "Max open files",
    NPROC: "Max processes",
    ADDRESS_SPACE: "Max address space",
    DATA: "Max data size",
}
CAP_SYS_ADMIN, CAP_SYS_RESOURCE = 21, 24  # bits of CapEff
STRICT = "2"  # of vm.overcommit_memory: the kernel promises no more than CommitLimit
LEAST_OF_NONE = 2**60  # cgroup v1 writes a number near 2^63 for no limit
# The one place that knows the form of the servers' line:
#   ... limit met: NAME, USED of VALUE in use (CALL: STRERROR)
SAID = re.compile(
    r"limit met: (?P<name>(?:cgroup )?[\w.-]+), (?P<used>\d+)[\w ]* of (?P<value>\w+)[\w ]* in use \((?P<call>.*?)\)"
)


class Reading(NamedTuple):
    """How much of a limit is in use; bytes for those of BYTES."""

    used: int
    value: int
    own: int | None = (
        None  # the part of the process itself, where others use of it too and that part is known
    )


class Said(NamedTuple):
    """The text that the server wrote."""

    name: str
    used: int
    value: int | None  # None: it gave no number
    call: str  # "pthread_create: Resource temporarily unavailable"


Readings = dict[str, Reading]


def said(lines: Iterable[str]) -> Said | None:
    """The first line about a limit."""
    for line in lines:
        if found := SAID.search(line):
            value = found["value"]
            return Said(
                found["name"], int(found["used"]), int(value) if value.isdecimal() else None, found["call"]
            )
    return None


def read(pid: int) -> Readings:
    """Every limit that holds for that process and has a number; what the kernel does not say is left out."""
    found = _of_process(pid) | _of_machine(pid) | _of_groups(pid)
    own = memory_of(pid)["threads"]
    parts = {PID_MAX: own, THREADS_MAX: own, PIDS: own}
    return {name: Reading(used, value, parts.get(name)) for name, (used, value) in found.items()}


Pairs = dict[str, tuple[int, int]]


def _of_process(pid: int) -> Pairs:
    limits, status = kernel.text(f"proc/{pid}/limits") or "", kernel.text(f"proc/{pid}/status") or ""
    soft = {
        name: int(number)
        for name, words in RLIMITS.items()
        for number in re.findall(rf"^{words} +(\d+) ", limits, re.M)
    }
    used = {NOFILE: files(pid), ADDRESS_SPACE: _bytes(status, "VmSize"), DATA: _bytes(status, "VmData")}
    if NPROC in soft and not _is_exempt(status):
        used[NPROC] = threads(_status(status, "Uid"))
    found = {
        name: (number, soft[name]) for name, number in used.items() if name in soft and number is not None
    }
    maps, most = lines_of_maps(pid), kernel.number("proc/sys/vm/max_map_count")
    if maps is not None and most is not None:
        found[MAP_COUNT] = maps, most
    return found


def _of_machine(pid: int) -> Pairs:
    found: Pairs = {}
    whole = kernel.read("proc/loadavg", lambda text: int(text.split()[3].partition("/")[2]))
    # pid_max holds for the numbers of this namespace, which are the processes that /proc shows.
    for name, used in ((PID_MAX, threads()), (THREADS_MAX, whole)):
        most = kernel.number(path_of(name))
        if used is not None and most is not None:
            found[name] = used, most
    open_files = files(pid)
    most = kernel.number(path_of(NR_OPEN))
    if open_files is not None and most is not None:
        found[NR_OPEN] = open_files, most
    numbers = kernel.read("proc/sys/fs/file-nr", lambda text: [int(word) for word in text.split()])
    if numbers and len(numbers) == 3:
        found[FILE_MAX] = numbers[0], numbers[2]
    tracked, most = kernel.number("proc/sys/net/netfilter/nf_conntrack_count"), kernel.number(
        path_of(CONNTRACK)
    )
    if tracked is not None and most:
        found[CONNTRACK] = tracked, most
    return found | _of_memory(kernel.read("proc/meminfo", sampling.parse_meminfo) or {})


def _of_memory(kib: dict[str, int]) -> Pairs:
    found: Pairs = {}
    if "MemTotal" in kib and "MemAvailable" in kib:
        found[MEMORY] = (kib["MemTotal"] - kib["MemAvailable"]) * 1024, kib["MemTotal"] * 1024
    strict = kernel.text(path_of(OVERCOMMIT)) == STRICT
    if strict and "CommitLimit" in kib and "Committed_AS" in kib:
        found[OVERCOMMIT] = kib["Committed_AS"] * 1024, kib["CommitLimit"] * 1024
    return found


FILES = {  # of a control group, by its version: (what is in use, the limit)
    PIDS: {1: ("pids.current", "pids.max"), 2: ("pids.current", "pids.max")},
    GROUP_MEMORY: {
        1: ("memory.usage_in_bytes", "memory.limit_in_bytes"),
        2: ("memory.current", "memory.max"),
    },
}
CONTROLLERS = {PIDS: "pids", GROUP_MEMORY: "memory"}


def _of_groups(pid: int) -> Pairs:
    """Of the groups around the process, the one that leaves least."""
    found: Pairs = {}
    for name, controller in CONTROLLERS.items():
        group = cgroups.group_of(pid, controller=controller)
        rooms = []
        for path in group_files(pid, name):
            used = kernel.number(path.parent / FILES[name][group.version][0]) if group else None
            value = kernel.number(path)
            if used is not None and value is not None:
                rooms.append((used - (_dropped(path.parent) if name == GROUP_MEMORY else 0), value))
        if rooms:
            found[name] = min(rooms, key=lambda pair: pair[1] - pair[0])
    return found


def _dropped(folder: Path) -> int:
    """Bytes of files that were not used for long, which the kernel gives back before the group meets its limit."""
    stat = kernel.text(folder / "memory.stat") or ""
    numbers = re.findall(r"^(?:total_)?inactive_file (\d+)$", stat, re.M)
    return int(numbers[-1]) if numbers else 0


def group_files(pid: int | str, name: str) -> list[Path]:
    """The files that hold a limit of the process's control groups, those with a number alone, nearest first."""
    group = cgroups.group_of(pid, controller=CONTROLLERS[name])
    if not group:
        return []
    paths = [folder / FILES[name][group.version][1] for folder in group.chain]
    numbers = ((path, kernel.number(path)) for path in paths)
    return [path for path, number in numbers if number is not None and number < LEAST_OF_NONE]


def path_of(name: str) -> str:
    """The file of a limit that is a sysctl, below the root."""
    return f"proc/sys/{name.replace('.', '/')}"


def files(pid: int) -> int | None:
    """Open descriptors."""
    try:
        return len(os.listdir(kernel.ROOT / f"proc/{pid}/fd"))
    except OSError:
        return None


def lines_of_maps(pid: int) -> int | None:
    """Areas of memory; the kernel shows one line for each, and [vsyscall], which it does not count."""
    return kernel.read(
        f"proc/{pid}/maps", lambda text: text.count("\n") - ("[vsyscall]" in text[-100:]) or None
    )


def memory_of(pid: int) -> dict[str, int | None]:
    """Resident memory and page tables of the process, KiB, and its threads."""
    status = kernel.text(f"proc/{pid}/status") or ""
    return {
        "rss_kib": _status(status, "VmRSS"),
        "pte_kib": _status(status, "VmPTE"),
        "threads": _status(status, "Threads"),
    }


def overflows() -> int | None:
    """Connections that a full backlog has turned away so far, of the machine (ListenOverflows and ListenDrops)."""

    def parse(text: str) -> int:
        heads, numbers = [line.split() for line in text.splitlines() if line.startswith("TcpExt:")]
        known = dict(zip(heads, numbers))
        return int(known["ListenOverflows"]) + int(known["ListenDrops"])

    return kernel.read("proc/net/netstat", parse)


def _status(text: str, field: str) -> int | None:
    found = re.search(rf"^{field}:\s+(\d+)", text, re.M)
    return int(found[1]) if found else None


def _bytes(text: str, field: str) -> int | None:
    kib = _status(text, field)
    return None if kib is None else kib * 1024


def _is_exempt(status: str) -> bool:
    """Whether RLIMIT_NPROC does not hold for the process: it is root's, or may do without (kernel/fork.c,
    copy_process)."""
    found = re.search(r"^CapEff:\s+([0-9a-f]+)", status, re.M)
    able = int(found[1], 16) if found else 0
    return _status(status, "Uid") == 0 or bool(able >> CAP_SYS_ADMIN & 1 or able >> CAP_SYS_RESOURCE & 1)


def threads(user: int | None = None) -> int:
    """Threads of the processes that /proc shows; of one user, unless that is None. A folder `task` has a link for each
    thread beside its own two, and belongs to the process's user."""
    total = 0
    for name in filter(str.isdecimal, os.listdir(kernel.ROOT / "proc")):
        try:
            about = os.stat(kernel.ROOT / f"proc/{name}/task")
        except OSError:
            continue  # it has ended
        if user is None or about.st_uid == user:
            total += about.st_nlink - 2
    return total
