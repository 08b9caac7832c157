"""CPU time, memory and waiting of the machine and of processes, as the kernel reports them.

Sources are proc(5) and Documentation/filesystems/proc.rst. Every parser takes text, so that golden files can
replace the kernel in tests; it raises ValueError or LookupError for a text that lacks the figure, which is None then.
"""

import os
from typing import Callable, NamedTuple

from ..base import kernel

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
THREADS_SAMPLED = 128
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


class Machine(NamedTuple):
    """CPU time of all CPUs since boot, s. `guest` is within `user` already."""

    user: float
    nice: float
    system: float
    idle: float
    iowait: float
    irq: float
    softirq: float
    steal: float

    @property
    def total(self) -> float:
        return sum(self)


class Memory(NamedTuple):
    """Memory of the kernel that is in no process's RSS, KiB; None where it is not known."""

    kernel_stack: int | None
    page_tables: int | None
    slab: int | None
    tcp: int | None  # socket buffers; their heads are in slab too, so this is not added to the others

    @property
    def kernel(self) -> int | None:
        if self.kernel_stack is None or self.page_tables is None or self.slab is None:
            return None
        return self.kernel_stack + self.page_tables + self.slab


def parse_stat(text: str) -> Machine:
    name, *words = text.splitlines()[0].split()[:9]
    if name != "cpu" or len(words) < len(Machine._fields):
        raise ValueError("/proc/stat does not begin with the times of all CPUs")
    return Machine(*(int(word) * TICK_S for word in words))


def parse_meminfo(text: str) -> dict[str, int]:
    """KiB by name. No kernel has 0 of what is read here: lxcfs writes 0 for what it does not know."""
    fields = [line.split() for line in text.splitlines()]
    known = [words for words in fields if len(words) == 3 and words[1].isdecimal() and words[2] == "kB"]
    return {name.removesuffix(":"): int(kib) for name, kib, _ in known if int(kib)}


def parse_sockstat(text: str) -> int:
    """KiB of TCP's buffers."""
    tcp = [line.split() for line in text.splitlines() if line.startswith("TCP:")][0]
    return int(tcp[tcp.index("mem") + 1]) * PAGE_KIB


def parse_pressure(text: str) -> float:
    """Seconds during which some task was ready to run and had no CPU."""
    some = [line for line in text.splitlines() if line.startswith("some")][0]
    return int(some.split("total=")[1]) / 1e6


def parse_pid_stat(text: str) -> tuple[int, float]:
    """(parent, s of CPU of children that have ended). The name in parentheses may contain anything."""
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[1]), (int(fields[13]) + int(fields[14])) * TICK_S


def parse_schedstat(text: str) -> tuple[float, float]:
    """(s on a CPU, s ready and waiting for one) of one thread."""
    running, waiting, _ = text.split()
    return int(running) / 1e9, int(waiting) / 1e9


def machine() -> Machine | None:
    return kernel.read("proc/stat", parse_stat)


def memory() -> Memory:
    kib = kernel.read("proc/meminfo", parse_meminfo) or {}
    tcp = kernel.read("proc/net/sockstat", parse_sockstat)
    return Memory(kib.get("KernelStack"), kib.get("PageTables"), kib.get("Slab"), tcp)


def pressure() -> float | None:
    """None also where the kernel was built or booted without it."""
    return kernel.read("proc/pressure/cpu", parse_pressure)


def run_queue_wait(pid: int) -> float | None:
    """Seconds that the present threads of a process have waited for a CPU; None where schedstat is missing. The
    file of the process itself covers its main thread only. Of many threads a sample is read and scaled up:
    reading 1,000 of them would take 20 ms of the server's CPUs."""
    try:
        threads = os.listdir(kernel.ROOT / f"proc/{pid}/task")
    except OSError:
        return None
    every = max(1, -(-len(threads) // THREADS_SAMPLED))
    found = [kernel.read(f"proc/{pid}/task/{task}/schedstat", parse_schedstat) for task in threads[::every]]
    waited = [times[1] for times in found if times]  # a thread may have ended after the listing
    return sum(waited) * len(threads) / len(waited) if waited else None


def _read(path: str) -> str:
    return (kernel.ROOT / path).read_text()


def children(pid: int, read: Callable[[str], str] = _read) -> list[int]:
    """Raises OSError or ValueError where the kernel does not say."""
    return [int(word) for word in read(f"proc/{pid}/task/{pid}/children").split()]


def tree_cpu(pid: int, read: Callable[[str], str] | None = None) -> float | None:
    """Seconds of CPU of a process and its children, single-threaded all of them, ended children included; None where
    the kernel does not say. Raises ProcessLookupError when the process has ended. `read` returns the text of a file of
    another machine, by its path below the root, of a process that lives."""
    try:
        return _tree_cpu(pid, read or _read)
    except (OSError, ValueError, LookupError):
        if not read and has_ended(pid):
            raise ProcessLookupError(f"process {pid} has ended") from None
        return None


def _tree_cpu(pid: int, read: Callable[[str], str]) -> float:
    total = parse_schedstat(read(f"proc/{pid}/schedstat"))[0]
    for child in children(pid, read):
        try:
            total += parse_schedstat(read(f"proc/{child}/schedstat"))[0]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile, and its parent's sum includes it a moment later
    return total + parse_pid_stat(read(f"proc/{pid}/stat"))[1]


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it lives, and is another user's
    return False
