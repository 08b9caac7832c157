"""How fast the machine is at a moment: a fixed piece of work for one CPU, and a fixed number of hand-offs between two
processes, timed. CPU time per request moves with both from hour to hour; a ratio inside a block hardly does."""

import hashlib
import multiprocessing
import os
import signal
import statistics
import time
from typing import Callable, NamedTuple, Sequence

BYTES = 1 << 20
HASHES = 4  # of that many bytes: about 5 ms
HAND_OFFS = 400  # there and back: about 5 ms
TIMES = 3  # the fastest counts: an interruption is another program's doing, and not the machine's speed
MOVED = 0.10  # of the speed: more is worth a warning
PARTS = 8  # of an experiment, whose medians are compared
PART_LEAST = 3  # measurements in a part

_fork = multiprocessing.get_context("fork")


class Speed(NamedTuple):
    cpu_work_ms: float
    hand_offs_ms: float | None  # None where processes can share no semaphore


def measure() -> Speed:
    """Takes about 50 ms."""
    try:
        return Speed(_fastest(_cpu_work), _hand_offs())
    except OSError:  # /dev/shm is missing, or no process can be made
        return Speed(_fastest(_cpu_work), None)


def moved(values: Sequence[float]) -> float | None:
    """By what share the slowest part of an experiment was slower than its fastest part; None for too few values."""
    parts = min(PARTS, len(values) // PART_LEAST)
    if parts < 2:
        return None
    ends = [len(values) * part // parts for part in range(parts + 1)]
    medians = [statistics.median(values[begin:end]) for begin, end in zip(ends, ends[1:])]
    return max(medians) / min(medians) - 1


def _fastest(work: Callable[[], None]) -> float:
    return min(_timed(work) for _ in range(TIMES))


def _timed(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def _cpu_work() -> None:
    # SHA-512 stays in registers and the first cache, and most processors have no instruction of their own for it.
    data = bytes(BYTES)
    for _ in range(HASHES):
        hashlib.sha512(data).digest()


def _hand_offs() -> float:
    """glibc's semaphores wait in futex(2): each hand-off is a wake-up and a context switch, as when the kernel wakes
    a thread that waited for the database. Each process has a CPU of its own where there are two: left to the kernel they
    are sometimes on one, where a hand-off may take a quarter of the time."""
    cpus = sorted(os.sched_getaffinity(0))
    there, back = _fork.Semaphore(0), _fork.Semaphore(0)

    def partner():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the load test
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.sched_setaffinity(0, cpus[-1:])
        for _ in range(HAND_OFFS * TIMES):
            there.acquire()
            back.release()

    def hand_over():
        for _ in range(HAND_OFFS):
            there.release()
            back.acquire()

    process = _fork.Process(target=partner, daemon=True)
    process.start()
    try:
        os.sched_setaffinity(0, cpus[:1])
        return _fastest(hand_over)
    finally:
        process.kill()  # it has ended, unless the load test is being interrupted
        process.join()
        os.sched_setaffinity(0, cpus)
