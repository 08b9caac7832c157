"""What the kernel knows: CPU time, memory and waiting, of the machine and of processes.

Sources are proc(5) and Documentation/filesystems/proc.rst; every parser takes text, so that golden
files can stand in for the kernel.
"""

import os
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
THREADS_LOOKED_AT = 128
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
    def total(self):
        return sum(self)


class Memory(NamedTuple):
    """Memory of the kernel that is in no process's RSS, KiB."""

    kernel_stack: int
    page_tables: int
    slab: int
    tcp: int  # socket buffers; their heads are in slab too, so this is not added to the others

    @property
    def kernel(self):
        return self.kernel_stack + self.page_tables + self.slab


def parse_stat(text):
    words = text.splitlines()[0].split()
    return Machine(*(int(word) * TICK_S for word in words[1:9]))


def parse_memory(meminfo, sockstat):
    fields = dict(line.split(":") for line in meminfo.splitlines())
    kib = {name: int(value.split()[0]) for name, value in fields.items()}
    tcp = next(line.split() for line in sockstat.splitlines() if line.startswith("TCP:"))
    pages = int(tcp[tcp.index("mem") + 1])
    return Memory(kib["KernelStack"], kib["PageTables"], kib["Slab"], pages * PAGE_KIB)


def parse_pressure(text):
    """Seconds during which some task was ready to run and had no CPU."""
    some = next(line for line in text.splitlines() if line.startswith("some"))
    return int(some.split("total=")[1]) / 1e6


def parse_pid_stat(text):
    """(parent, s of CPU of children that have ended). The name in parentheses may hold anything."""
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[1]), (int(fields[13]) + int(fields[14])) * TICK_S


def parse_schedstat(text):
    """(s on a CPU, s ready and waiting for one) of one thread."""
    running, waiting, _ = text.split()
    return int(running) / 1e9, int(waiting) / 1e9


def machine():
    return parse_stat((PROC / "stat").read_text())


def memory():
    return parse_memory((PROC / "meminfo").read_text(), (PROC / "net/sockstat").read_text())


def pressure():
    """None where the kernel was built or booted without it."""
    try:
        return parse_pressure((PROC / "pressure/cpu").read_text())
    except OSError:
        return None


def run_queue_wait(pid):
    """Seconds that the threads it has now have waited for a CPU; None where schedstat is missing. The
    file of the process itself would tell of its main thread alone. Of many threads some are looked
    at and stand for the others: 1,000 of them would cost the server's CPUs 20 ms."""
    tasks = PROC / str(pid) / "task"
    waited = []
    try:
        everyone = os.listdir(tasks)
        every = -(-len(everyone) // THREADS_LOOKED_AT)
        for task in everyone[::every]:
            try:
                waited.append(parse_schedstat((tasks / task / "schedstat").read_text())[1])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended between the listing and the look
    except (OSError, ValueError):
        return None
    return sum(waited) * len(everyone) / len(waited) if waited else None


def children(pid, read=Path.read_text):
    return [int(word) for word in read(PROC / str(pid) / "task" / str(pid) / "children").split()]


def tree_cpu(pid, read=Path.read_text):
    """Seconds of CPU of a tree of single-threaded processes, ended ones too; OSError when it is gone.
    `read` gives the text of a file, of another machine's /proc, say."""
    total = 0.0
    for process in [pid] + children(pid, read):
        try:
            total += parse_schedstat(read(PROC / str(process) / "schedstat"))[0]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended in between, and is in its parent's sum a moment later
    return total + parse_pid_stat(read(PROC / str(pid) / "stat"))[1]
