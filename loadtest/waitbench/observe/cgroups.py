"""Control groups (cgroups(7)) of versions 1 and 2: the group of a process, its limit of CPUs, and for how long that
limit stopped it.

Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/cpusets.rst, scheduler/sched-bwc.rst of the kernel. A
container may see a part of the tree only: its mount then begins somewhere inside (proc(5), mountinfo).
"""

import re
from pathlib import Path
from typing import Callable, NamedTuple

from ..base import kernel

Read = Callable[[str | Path], str | None]  # as kernel.text, perhaps on another machine


class Group(NamedTuple):
    version: int
    path: Path  # its folder
    top: Path  # where the tree is mounted

    @property
    def chain(self) -> list[Path]:
        """The group and those that it lies in, nearest first, as far as they can be seen."""
        return [self.path, *(folder for folder in self.path.parents if folder.is_relative_to(self.top))]

    @property
    def is_root(self) -> bool:
        """Whether it is the machine's own root. A container's looks like one, but for files that the root alone
        has (version 1) or lacks (version 2)."""
        if self.path != self.top:
            return False
        return (
            not (self.path / "cgroup.type").exists()
            if self.version == 2
            else (self.path / "release_agent").exists()
        )


def group_of(pid: int | str = "self", read: Read = kernel.text, controller: str = "cpu") -> Group | None:
    """The group that decides about the CPU time of a process, or about what another controller divides; None where
    the kernel or a container does not say."""
    try:
        paths = _memberships(read(f"proc/{pid}/cgroup") or "")
        return _find(controller, paths, read("proc/self/mountinfo") or "", read)
    except (ValueError, LookupError):
        return None


def _memberships(text: str) -> dict[str, str]:
    """Controller -> path in its tree of version 1; "" -> path in the tree of version 2."""
    lines = [line.split(":", 2) for line in text.splitlines()]
    return {name: path for _, controllers, path in lines for name in controllers.split(",")}


def _find(controller: str, paths: dict[str, str], mounts: str, read: Read) -> Group | None:
    found = None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        inside, folder = (_unescaped(word) for word in before.split()[3:5])
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup" and controller in options.split(","):
            return _group(1, folder, inside, paths[controller])
        if kind == "cgroup2" and found is None:
            found = _group(2, folder, inside, paths[""])
    return found if found and controller in (read(found.top / "cgroup.controllers") or "").split() else None


def limit(group: Group, read: Read = kernel.text) -> float | None:
    """CPUs' worth of time that the group and those around it may use; None for no limit."""
    found = []
    for folder in group.chain:
        if group.version == 2:
            quota, period = ((read(folder / "cpu.max") or "max 1").split() + ["100000"])[:2]
        else:
            quota = (read(folder / "cpu.cfs_quota_us") or "-1").strip()
            period = (read(folder / "cpu.cfs_period_us") or "100000").strip()
        if quota.isdecimal() and period.isdecimal() and int(period):
            found.append(int(quota) / int(period))
    return min(found, default=None)


def throttled_s(group: Group, read: Read = kernel.text) -> float | None:
    """Seconds so far, summed over its CPUs, for which a limit of the group or of those around it kept it from
    running; None where no group says."""
    name, unit = ("throttled_usec", 1e6) if group.version == 2 else ("throttled_time", 1e9)
    found = [
        int(value) / unit
        for folder in group.chain
        for value in re.findall(rf"^{name} (\d+)$", read(folder / "cpu.stat") or "", re.M)
    ]
    return sum(found) if found else None


def _group(version: int, folder: str, inside: str, path: str) -> Group:
    top = kernel.ROOT / folder.lstrip("/")
    if path == inside or inside == "/":
        return Group(version, top / path.removeprefix(inside).lstrip("/"), top)
    if path.startswith(inside + "/"):
        return Group(version, top / path.removeprefix(inside + "/"), top)
    return Group(version, top, top)  # outside what this mount shows: its top is the nearest


def _unescaped(word: str) -> str:
    """mountinfo writes a space as \\040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), word)
