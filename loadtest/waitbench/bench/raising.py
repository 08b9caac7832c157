"""Raises limits of the machine one by one, and restores all of them: loadtest/limits --raise, as root.

What a limit was is written to a file before it is changed. So what a program left behind that was killed is restored
by the next one: the file is locked while its program lives.
"""

import contextlib
import fcntl
import json
import os
import resource
from typing import Callable, Iterator, NamedTuple

from .. import Failure
from ..base import interrupt, kernel
from ..observe import limits

STATE = "run/waitbench-limits.json"  # below the root; the kernel forgets the limits when /run is emptied, too
FACTOR = 4
RLIMITS = {
    limits.NOFILE: resource.RLIMIT_NOFILE,
    limits.NPROC: resource.RLIMIT_NPROC,
    limits.ADDRESS_SPACE: resource.RLIMIT_AS,
    limits.DATA: resource.RLIMIT_DATA,
}
SYSCTLS = (
    *(limits.NR_OPEN, limits.FILE_MAX, limits.MAP_COUNT, limits.PID_MAX, limits.THREADS_MAX),
    *(limits.CONNTRACK, limits.BACKLOG),
)
ALL_PORTS = "1024\t65535"
ALWAYS = "1"  # of vm.overcommit_memory: the kernel promises whatever is asked for
GROUPS = (limits.PIDS, limits.GROUP_MEMORY)
UNRAISABLE = {
    limits.MEMORY: "there is no more of it",
    limits.UNKNOWN: "nobody knows which it is",
    limits.SETTING: "it is a setting of the server: unset it",
}


class Refused(Exception):
    """A limit that cannot be raised; the sentence says why."""


class Change(NamedTuple):
    limit: str
    old: str
    new: str
    path: str  # its file, below the root; empty for a limit of this process and its children

    def __str__(self) -> str:
        return f"{self.limit} from {in_a_word(self.old)} to {in_a_word(self.new)}"


def in_a_word(value: str) -> str:
    """The two ends of net.ipv4.ip_local_port_range have a tab between them."""
    return "-".join(value.split())


class Raiser:
    """`raise_limit()` as often as wanted; restore() in the end, in any case."""

    def __init__(self) -> None:
        """Restores what an earlier program left behind. Raises Failure when another one is at work."""
        self.changes: list[Change] = []
        self.own = {number: resource.getrlimit(number) for number in RLIMITS.values()}
        self.path = kernel.ROOT / STATE
        self.left = self._take_over()

    def _take_over(self) -> list[Change]:
        """The value that was found, and is restored."""
        try:
            self.lock = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Failure(
                f"cannot write {self.path}, which is to keep the old limits: {error.strerror}"
            ) from None
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.fstat(self.lock).st_nlink:
                raise BlockingIOError  # another one is just removing it
            text = os.pread(self.lock, os.fstat(self.lock).st_size, 0)
            left = [Change(*row) for row in json.loads(text or "[]")]
        except BlockingIOError:
            os.close(self.lock)
            raise Failure("another loadtest/limits is raising limits now: wait for its end") from None
        except (ValueError, TypeError):
            os.close(self.lock)
            raise Failure(
                f"{self.path} is damaged: see what it says, restore that by hand, and remove it"
            ) from None
        _put_back(left)
        self._keep()
        return left

    def raise_limit(self, name: str) -> Change:
        """For what is started from now on; a limit of control groups, in those of this process. Raises Refused."""
        if name in UNRAISABLE:
            raise Refused(f"{name} cannot be raised: {UNRAISABLE[name]}")
        if name in RLIMITS:
            return self._of_process(name)
        if name in GROUPS:
            return self._of_group(name)
        if name == limits.OVERCOMMIT:
            return self._write(name, limits.path_of(name), ALWAYS)
        if name == limits.PORTS:
            return self._write(name, limits.path_of(name), ALL_PORTS)
        if name in SYSCTLS:
            return self._multiply(name, limits.path_of(name))
        raise Refused(f"{name} cannot be raised: it is not known how")

    def restore(self) -> None:
        """All, the last change first."""
        for number, pair in self.own.items():
            resource.setrlimit(number, pair)
        _put_back(self.changes)
        self.changes = []
        self._keep()

    def close(self) -> None:
        """Restores, and lets others raise limits."""
        try:
            with interrupt.ignored():
                self.restore()
        finally:
            with contextlib.suppress(OSError):
                self.path.unlink()
            os.close(self.lock)

    def _of_process(self, name: str) -> Change:
        soft, hard = resource.getrlimit(RLIMITS[name])
        wanted = soft * FACTOR
        if name == limits.NOFILE:
            most = kernel.number(limits.path_of(limits.NR_OPEN))
            wanted = min(wanted, most) if most else wanted
            if wanted <= soft:
                return self.raise_limit(limits.NR_OPEN)  # the kernel's limit of this limit comes first
        try:
            resource.setrlimit(
                RLIMITS[name], (wanted, max(wanted, hard) if hard != resource.RLIM_INFINITY else hard)
            )
        except (ValueError, OSError) as error:
            raise Refused(
                f"{name} {soft} is a hard limit, which takes CAP_SYS_RESOURCE to raise ({error})"
            ) from None
        return Change(name, str(soft), str(wanted), "")

    def _of_group(self, name: str) -> Change:
        tried = None
        for path in sorted(limits.group_files("self", name), key=lambda path: kernel.number(path) or 0):
            try:
                return self._multiply(name, str(path.relative_to(kernel.ROOT)))
            except Refused as error:
                tried = tried or error
        raise tried or Refused(f"{name} has no value in a group that can be seen from here")

    def _multiply(self, name: str, path: str) -> Change:
        """By FACTOR, or as far as the kernel lets it."""
        old = kernel.number(path)
        if not old:
            raise Refused(f"{name} cannot be raised: {kernel.ROOT / path} has no number")
        refused = None
        for wanted in (old * FACTOR, old * 2, old + old // 4):
            try:
                return self._write(name, path, str(wanted))
            except Refused as error:
                refused = error
        assert refused
        raise refused

    def _write(self, name: str, path: str, new: str) -> Change:
        old = kernel.text(path)
        if old is None or old.split() == new.split():
            raise Refused(f"{name} cannot be raised: it is {old or 'not known'}")
        change = Change(name, old, new, path)
        self.changes.append(change)
        self._keep()
        try:
            (kernel.ROOT / path).write_text(new)
        except OSError as error:
            self.changes.pop()
            self._keep()
            raise Refused(f"{name} {old} cannot be raised to {new}: {error.strerror}") from None
        return change

    def _keep(self) -> None:
        text = json.dumps(self.changes).encode()
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, text, 0)


def _put_back(changes: list[Change]) -> None:
    """The last one first. A limit that somebody else has changed since is theirs. Raises Failure when one cannot be
    put back, after all others were."""
    failed = []
    for change in reversed(changes):
        now = kernel.text(change.path)
        if now is None or now.split() != change.new.split():
            continue
        try:
            (kernel.ROOT / change.path).write_text(change.old)
        except OSError as error:
            failed.append(f"{kernel.ROOT / change.path} was {change.old}: {error.strerror}")
    if failed:
        raise Failure(f"not restored, so do it by hand: {'; '.join(failed)}")


@contextlib.contextmanager
def raiser(wanted: bool, say: Callable[[str], None] = print) -> Iterator[Raiser | None]:
    """The Raiser, if one is wanted; all limits are as before in the end. Raises Failure."""
    if not wanted:
        yield None
        return
    if os.geteuid() != 0:
        raise Failure("--raise changes limits of the machine: run it as root")
    one = Raiser()
    try:
        for change in one.left:
            say(
                f"restored what an earlier run that was killed had left: {change.limit} is {change.old} again"
            )
        yield one
    finally:
        one.close()
