"""Pictures are drawn on all CPUs: matplotlib takes a tenth of a second for each, and a full run has a hundred."""

import concurrent.futures
import multiprocessing
import os
import signal
from typing import Any, Callable, Sequence, TypeVar

from .picture import Picture

Made = TypeVar("Made")
EACH = 4  # pictures that pay for a process

# State that the processes inherit, since a picture cannot be sent to one.
_work: tuple[Callable[[Picture], Any], Sequence[Picture]] = (str, ())


def each(make: Callable[[Picture], Made], pictures: Sequence[Picture]) -> list[Made]:
    """make(picture) for all of them, in order. Raises what it raises."""
    processes = min(len(os.sched_getaffinity(0)), len(pictures) // EACH)
    if processes < 2:
        return [make(picture) for picture in pictures]
    global _work
    _work = make, pictures
    fork = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(processes, fork, _leave_signals) as pool:
        return list(pool.map(_one, range(len(pictures))))


def _one(place: int) -> Any:
    make, pictures = _work
    return make(pictures[place])


def _leave_signals() -> None:
    """A signal ends the program that started these processes, which ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
