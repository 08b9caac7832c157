"""The groups in which the kernel divides CPU time among server, database and load generator (CPU_GROUPS).

    service   a control group for each of them, of equal weight, as systemd and containers give every service
    flat      one control group for all of them: each thread weighs the same
    session   as the kernel does it without control groups: by session where autogroup is on (sched(7)), so each
              process of PostgreSQL weighs as much as the whole server

The load test makes the control groups and removes them. docs/cpu-groups.md has what they do to the results.
"""

import contextlib
import errno
import fcntl
import os
import time
from pathlib import Path
from typing import Iterable, Iterator

from .. import Failure
from ..base import kernel, process
from ..observe import cgroups
from ..plan import settings
from .database import Database

SERVICE, FLAT, SESSION, MIXED, UNKNOWN = "service", "flat", "session", "mixed", "unknown"
ROLES = "server", "database", "wrk", "proxy"
PREFIX = "waitbench-"
EMPTY_S = 5  # for the last process of a group to be gone
EQUAL = {1: ("cpu.shares", "1024"), 2: ("cpu.weight", "100")}  # the kernel's defaults


class Unwritable(Exception):
    """Control groups cannot be made here: (the reason, and perhaps its errno)."""


class Groups:
    """The arrangement that was asked for, and the actual one. `actual` and `says` go into the results."""

    def __init__(self, actual: str, says: str, tree: "Tree | None" = None):
        self.actual, self.says, self.tree = actual, says, tree

    def of(self, role: str) -> Path | None:
        """The folder of the group in which the processes of that role belong; None for the load test's own."""
        return self.tree.folders[role] if self.tree else None

    def place_database(self, pids: Iterable[int]) -> None:
        if self.tree:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    process.move(pid, self.tree.folders["database"])

    def remove(self) -> None:
        """Processes that still run in the groups go back to the group of the load test."""
        if self.tree:
            self.tree.remove()
            self.tree = None


NONE = Groups(UNKNOWN, "")


class Tree:
    """Control groups that are made together and removed together."""

    def __init__(self, parent: cgroups.Group, own: cgroups.Group, names: dict[str, str]):
        """`names`: role -> name of its group. Raises Unwritable when they cannot be made inside `parent`."""
        self.own = own
        self.enabled: Path | None = None  # the file in which the controller had to be enabled
        self.path = parent.path / f"{PREFIX}{os.getpid()}"
        self.folders = {role: self.path / name for role, name in names.items()}
        self.lock: int | None = None
        try:
            self._make(parent)
            process.move(os.getpid(), own.path)  # as in the end: may it be moved back?
            # With wrk, as in the container of the load test. Beside the groups it was not run for a second at a time.
            process.move(os.getpid(), self.folders["wrk"])
        except BaseException as error:  # Ctrl-C too
            self.remove()
            if isinstance(error, OSError):
                raise Unwritable(f"{error.strerror}: {parent.path}", error.errno) from None
            raise

    def _make(self, parent: cgroups.Group) -> None:
        if parent.version == 2:
            self._enable(parent.path)
        self.path.mkdir()
        self.lock = os.open(self.path, os.O_RDONLY)
        fcntl.flock(self.lock, fcntl.LOCK_EX)  # sweep() leaves it alone while this process lives
        if parent.version == 2:
            (self.path / "cgroup.subtree_control").write_text("+cpu")
        file, value = EQUAL[parent.version]
        for folder in set(self.folders.values()):
            folder.mkdir()
            (folder / file).write_text(value)

    def _enable(self, parent: Path) -> None:
        """In version 2 a group has the controller when the group around it says so."""
        control = parent / "cgroup.subtree_control"
        if "cpu" not in control.read_text().split():
            control.write_text("+cpu")
            self.enabled = control

    def remove(self) -> None:
        for folder in {*self.folders.values()}:
            _dissolve(folder, self.own.path)
        _dissolve(self.path, self.own.path)
        if self.enabled:
            with contextlib.suppress(OSError):
                self.enabled.write_text("-cpu")
            self.enabled = None
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def arrange(chosen: settings.Settings, db: Database | None) -> Groups:
    """Everything where CPU_GROUPS says. Servers that run elsewhere stay as they are, and so does a database that has
    a group of its own. Call remove() of the result in the end."""
    if chosen.targets:
        if chosen.cpu_groups:
            return Groups(
                chosen.cpu_groups,
                f"the servers run elsewhere, in CPU groups by {chosen.cpu_groups} as CPU_GROUPS says",
            )
        return Groups(
            UNKNOWN, "the servers run elsewhere, in CPU groups that are not known (CPU_GROUPS would say)"
        )
    groups = make(chosen.cpu_groups)
    try:
        if db:
            _place_database(groups, db)
    except OSError as error:
        groups.remove()
        raise Failure(f"PostgreSQL cannot be moved into a CPU group: {error.strerror}") from None
    except BaseException:
        groups.remove()
        raise
    return groups


def _place_database(groups: Groups, db: Database) -> None:
    if db.host.boot_id and not db.host.here:
        return  # on a machine of its own, where it shares no CPU with the others
    own = groups.tree.own if groups.tree else cgroups.group_of()  # where the load test was started
    its = cgroups.group_of(db.postmaster) if db.postmaster else None
    processes = db.processes()
    if processes and own == its:
        groups.place_database(processes)
    else:
        groups.actual = MIXED
        where = f"in a group of its own, {its.path}" if its else "in a group that is not known"
        groups.says += (
            f"; but the database is {where}, so how CPU time is divided is not known (cpu_groups={MIXED})"
        )


def make(asked: str) -> Groups:
    """The arrangement that was asked for, or the nearest that can be had."""
    own = cgroups.group_of()
    found = as_found(own)
    if asked == SESSION:
        if found == SESSION:
            return Groups(SESSION, "the kernel divides CPU time by session (CPU_GROUPS=session, autogroup)")
        return Groups(found, f"CPU_GROUPS=session is not to be had, since {_no_autogroup(own)}")
    names = {role: role if asked == SERVICE else "all" for role in ROLES}
    try:
        tree = _tree(own, names)
    except Unwritable as error:
        return Groups(found, _instead(asked, found, error))
    if asked == FLAT:
        return Groups(FLAT, "server, database and wrk share one CPU group (CPU_GROUPS=flat)", tree)
    return Groups(SERVICE, "server, database and wrk are each in a CPU group of equal weight", tree)


def as_found(own: cgroups.Group | None) -> str:
    """How the kernel divides CPU time among the children of this process if nobody changes it."""
    if not autogroup():
        return FLAT
    return UNKNOWN if own is None else SESSION if own.is_root else FLAT


def autogroup() -> bool:
    """sched(7), "The autogroup feature": it concerns processes in the root of the control groups alone. Seen with
    Linux 6.18: four busy processes of one session together received what a single one of another did."""
    return kernel.text("proc/sys/kernel/sched_autogroup_enabled") == "1"


def sweep(parent: Path, own: Path) -> None:
    """Removes the groups of load tests that were killed."""
    for old in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            lock = os.open(old, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for folder in [*filter(Path.is_dir, old.iterdir()), old]:
                    _dissolve(folder, own)
            finally:
                os.close(lock)


def _tree(own: cgroups.Group | None, names: dict[str, str]) -> Tree:
    """In the nearest group in which groups can be made. Version 2 allows none beside processes ("no internal
    processes"), so there it is mostly one further out."""
    if own is None:
        raise Unwritable("no control groups can be seen")
    first: Unwritable | None = None
    for folder in own.chain:
        parent = own._replace(path=folder)
        try:
            sweep(folder, own.path)
            return Tree(parent, own, names)
        except Unwritable as error:
            first = first or error
    assert first is not None
    raise first


def _instead(asked: str, found: str, why: Unwritable) -> str:
    manner = {
        SESSION: "the kernel divides CPU time by session",
        FLAT: "all are in one CPU group",
        UNKNOWN: "it is not known how the kernel divides CPU time",
    }[found]
    advice = "run as root, or inside `systemd-run --user --scope -p Delegate=yes`"
    if errno.EROFS in why.args:
        advice = "a container may not change its groups, but Compose gives each part one"
    return f"CPU_GROUPS={asked} is not to be had ({why.args[0]}), so {manner}: {advice}"


def _no_autogroup(own: cgroups.Group | None) -> str:
    if not autogroup():
        return "kernel.sched_autogroup_enabled is not 1"
    return f"autogroup leaves alone what is in a control group ({own.path if own else 'unknown'})"


def _dissolve(folder: Path, into: Path) -> None:
    """Removes a group; its processes go elsewhere, and one that has ended may need a moment to be gone."""
    deadline = time.monotonic() + EMPTY_S
    while folder.exists():
        for pid in _members(folder):
            with contextlib.suppress(OSError):
                process.move(pid, into)
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)


def _members(folder: Path) -> Iterator[int]:
    for word in (kernel.text(folder / "cgroup.procs") or "").split():
        yield int(word)
