"""CPU time, memory and waiting of the machine and of processes, as the kernel reports them.

Sources are proc(5) and Documentation/filesystems/proc.rst. Every parser takes text, so that golden files can
replace the kernel in tests.
"""

import os
from pathlib import Path
from typing import Callable, NamedTuple

PROC = Path("/proc")
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
    """Memory of the kernel that is in no process's RSS, KiB."""

    kernel_stack: int
    page_tables: int
    slab: int
    tcp: int  # socket buffers; their heads are in slab too, so this is not added to the others

    @property
    def kernel(self) -> int:
        return self.kernel_stack + self.page_tables + self.slab


def parse_stat(text: str) -> Machine:
    words = text.splitlines()[0].split()
    return Machine(*(int(word) * TICK_S for word in words[1:9]))


def parse_memory(meminfo: str, sockstat: str) -> Memory:
    fields = dict(line.split(":") for line in meminfo.splitlines())
    kib = {name: int(value.split()[0]) for name, value in fields.items()}
    tcp = next(line.split() for line in sockstat.splitlines() if line.startswith("TCP:"))
    pages = int(tcp[tcp.index("mem") + 1])
    return Memory(kib["KernelStack"], kib["PageTables"], kib["Slab"], pages * PAGE_KIB)


def parse_pressure(text: str) -> float:
    """Seconds during which some task was ready to run and had no CPU."""
    some = next(line for line in text.splitlines() if line.startswith("some"))
    return int(some.split("total=")[1]) / 1e6


def parse_pid_stat(text: str) -> tuple[int, float]:
    """(parent, s of CPU of children that have ended). The name in parentheses may contain anything."""
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[1]), (int(fields[13]) + int(fields[14])) * TICK_S


def parse_schedstat(text: str) -> tuple[float, float]:
    """(s on a CPU, s ready and waiting for one) of one thread."""
    running, waiting, _ = text.split()
    return int(running) / 1e9, int(waiting) / 1e9


def machine() -> Machine:
    return parse_stat((PROC / "stat").read_text())


def memory() -> Memory:
    return parse_memory((PROC / "meminfo").read_text(), (PROC / "net/sockstat").read_text())


def pressure() -> float | None:
    """None where the kernel was built or booted without it."""
    try:
        return parse_pressure((PROC / "pressure/cpu").read_text())
    except OSError:
        return None


def run_queue_wait(pid: int) -> float | None:
    """Seconds that the present threads of a process have waited for a CPU; None where schedstat is missing. The
    file of the process itself covers its main thread only. Of many threads a sample is read and scaled up:
    reading 1,000 of them would take 20 ms of the server's CPUs."""
    tasks = PROC / str(pid) / "task"
    waited = []
    try:
        threads = os.listdir(tasks)
        every = -(-len(threads) // THREADS_SAMPLED)
        for task in threads[::every]:
            try:
                waited.append(parse_schedstat((tasks / task / "schedstat").read_text())[1])
            except (FileNotFoundError, ProcessLookupError):
                continue  # the thread ended after the listing
    except (OSError, ValueError):
        return None
    return sum(waited) * len(threads) / len(waited) if waited else None


def children(pid: int, read: Callable[[Path], str] = Path.read_text) -> list[int]:
    return [int(word) for word in read(PROC / str(pid) / "task" / str(pid) / "children").split()]


def tree_cpu(pid: int, read: Callable[[Path], str] = Path.read_text) -> float:
    """Seconds of CPU of a process and its children, single-threaded all of them, ended children included. Raises
    OSError when the process has ended. `read` returns the text of a file, perhaps of another machine's /proc.
    """
    total = 0.0
    for process in [pid] + children(pid, read):
        try:
            total += parse_schedstat(read(PROC / str(process) / "schedstat"))[0]
        except (FileNotFoundError, ProcessLookupError):
            continue  # the child ended meanwhile, and its parent's sum includes it a moment later
    return total + parse_pid_stat(read(PROC / str(pid) / "stat"))[1]
