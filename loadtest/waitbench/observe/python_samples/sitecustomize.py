"""Counts what Python code a server spends its CPU time in: loadtest/profile puts this folder into the PYTHONPATH of the
server that it starts, and Python imports a module of this name by itself. It uses nothing of waitbench.

A timer of the process's CPU time (setitimer(2), ITIMER_PROF) interrupts; the innermost Python function that runs then,
or that has called what runs in C, says the package. Where several Python threads run nobody knows which of them the
time is of, so that such samples are counted as THREADS alone. WAITBENCH_SAMPLES is the folder for PID.json.
"""

import atexit
import json
import os
import signal
import threading
from collections import Counter

PERIOD_S = 0.005
WRITTEN_EACH = 100  # samples
THREADS = "threads"

folder = os.environ.get("WAITBENCH_SAMPLES")
samples: Counter = Counter()


def package_of(frame) -> str:
    return frame.f_globals.get("__name__", "?").partition(".")[0]


def count(_signal, frame) -> None:
    samples[THREADS if threading.active_count() > 1 else package_of(frame)] += 1
    if sum(samples.values()) % WRITTEN_EACH == 0:
        write()


def write() -> None:
    path = f"{folder}/{os.getpid()}.json"
    with open(path + ".new", "w") as file:
        json.dump(samples, file)
    os.replace(path + ".new", path)


def stop() -> None:
    """Before Python gives up its handler of the signal, whose default is to end the process."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    write()


def start() -> None:
    """A child of fork(2) has no timer (setitimer(2)), and counts for itself."""
    samples.clear()
    signal.setitimer(signal.ITIMER_PROF, PERIOD_S, PERIOD_S)


if folder:
    signal.signal(signal.SIGPROF, count)
    signal.siginterrupt(signal.SIGPROF, False)
    os.register_at_fork(after_in_child=start)
    atexit.register(stop)
    start()
