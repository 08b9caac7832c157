"""Why a program that was ended by a signal, or failed to start, may have had too little memory."""

import re
import resource
import signal
from pathlib import Path

from ..base import kernel
from . import cgroups

WANTING = re.compile(r"out of memory|not enough memory|cannot allocate memory", re.I)
LESS = "choose a smaller C, or allow more memory"


def kills() -> int | None:
    """Processes that the kernel's OOM killer has ended so far: in the control group of the load test and its servers,
    or on the machine where groups do not count them."""
    group = cgroups.group_of(controller="memory")
    if (
        group and group.version == 2
    ):  # a group counts for those in it, such as the servers', too: the outermost
        paths: list[str | Path] = [folder / "memory.events" for folder in reversed(group.chain)]
    else:
        paths = [group.path / "memory.oom_control"] if group else []
    counts = (kernel.read(path, _parse) for path in [*paths, "proc/vmstat"])
    return next((count for count in counts if count is not None), None)


def _parse(text: str) -> int:
    return int(re.findall(r"^oom_kill (\d+)$", text, re.M)[0])


def ending(status: int, said: str, before: int | None) -> str:
    """How a program ended, by its exit status (negative: the signal that ended it), why, and what helps; the subject
    of the sentence is left out. `before`: kills() when the program started."""
    how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    return how + _why(status, said, before)


def _why(status: int, said: str, before: int | None) -> str:
    """Empty where nothing speaks for a want of memory."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if status == -signal.SIGKILL:
        after = kills()
        if before is None or after is None:
            return f": probably by the kernel's OOM killer (dmesg says so then): {LESS}"
        if after > before:
            return f": the kernel's OOM killer ended a process meanwhile, for want of memory: {LESS}"
        return ": somebody sent it, since the kernel's OOM killer has ended nothing meanwhile"
    if limit != resource.RLIM_INFINITY and (status < 0 or WANTING.search(said)):
        return f": its address space may not exceed {limit // 1024} KiB, so allow more (ulimit -v unlimited)"
    return f": there is too little memory: {LESS}" if WANTING.search(said) else ""
