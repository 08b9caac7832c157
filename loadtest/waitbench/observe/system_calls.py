"""System calls of a process, counted from outside by perf's tracepoint, or else by strace, which stops the
process at each call and so changes how calls are batched."""

import os
import re
import select
import shutil
import signal
import subprocess
import time

from ..base import kernel, process

WINDOW_S = 0.3  # of counting, once every connection is open
ATTACH_S = 3  # until a tool must be counting


ALL = "raw_syscalls:sys_enter"
# Of a server under load these are all but a hundredth. Each takes a descriptor of perf's for each of its threads.
NAMES = "close epoll_ctl epoll_pwait epoll_wait futex madvise poll read recvfrom recvmsg sendmsg sendto write writev"


def find() -> str | None:
    """perf or strace, whichever this user may use on this machine; None for neither."""
    trials = {
        "perf": ["perf", "stat", "-e", "raw_syscalls:sys_enter", "true"],
        "strace": ["strace", "-c", "-o", "/dev/null", "true"],
    }
    for tool, words in trials.items():
        if shutil.which(tool):
            done = process.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if done.returncode == 0:
                return tool
    return None


class Counter:
    """Counts from begin() to end(), in the threads that exist at begin()."""

    events = [ALL]  # of perf

    def __init__(self, tool: str, pid: int):
        self.tool, self.pid = tool, pid
        self.child: subprocess.Popen | None = None

    def begin(self) -> bool:
        """Blocks until the tool is attached and counts; False when that fails."""
        self.output = os.memfd_create("syscalls")
        place = f"/proc/{os.getpid()}/fd/{self.output}"
        if self.tool == "strace":
            words = ["strace", "-c", "-f", "-qq", "-o", place, "-p", str(self.pid)]
            self.child = process.start(words, stderr=subprocess.DEVNULL)
            return self._await_traced(self.child)
        # perf is attached first, which takes a while, and enabled then, which it acknowledges.
        commands, self.commands = os.pipe()
        self.acknowledged, acknowledge = os.pipe()
        words = ["perf", "stat", "-x", ",", "-o", place, "-e", ",".join(self.events)]
        words += ["-p", str(self.pid), "-D", "-1", "--control", f"fd:{commands},{acknowledge}"]
        self.child = process.start(words, stderr=subprocess.DEVNULL, keep=(commands, acknowledge))
        os.close(commands)
        os.close(acknowledge)
        return self._send(b"enable\n")

    def end(self) -> int | None:
        """The number of system calls; None when nothing was counted."""
        text = self._end()
        return parse(self.tool, text) if text else None

    def _end(self) -> str:
        """The output of the tool; "" when it does not count."""
        if not self.child:
            return ""
        if self.tool == "perf":
            self._send(b"disable\n")
            os.close(self.commands)
            os.close(self.acknowledged)
        process.stop(self.child, ATTACH_S, signal.SIGINT)
        self.child = None
        os.lseek(self.output, 0, os.SEEK_SET)
        with os.fdopen(self.output) as stream:
            return stream.read()

    def _send(self, command: bytes) -> bool:
        try:
            os.write(self.commands, command)
        except BrokenPipeError:
            return False
        ready, _, _ = select.select([self.acknowledged], [], [], ATTACH_S)
        return bool(ready and os.read(self.acknowledged, 16))

    def _await_traced(self, child: subprocess.Popen) -> bool:
        deadline = time.monotonic() + ATTACH_S
        while time.monotonic() < deadline and not process.reap(child, 0.01):
            if f"TracerPid:\t{child.pid}\n" in (kernel.text(f"proc/{self.pid}/status") or ""):
                return True
        return False


class ByName(Counter):
    """Counts each kind of system call, with perf alone."""

    events = [ALL, *(f"syscalls:sys_enter_{name}" for name in NAMES.split())]

    def __init__(self, pid: int):
        super().__init__("perf", pid)

    def counts(self) -> dict[str, int]:
        """Ends the counting. Name -> calls, and the rest as "other"; empty when nothing was counted."""
        found = {name: int(count) for count, name in re.findall(r"^(\d+),[^,]*,([^,]+),", self._end(), re.M)}
        total = found.pop(ALL, 0)
        calls = {name.rpartition("sys_enter_")[2]: count for name, count in found.items() if count}
        # perf enables its counters one after another, so that the parts can be a little more than the whole.
        return calls | {"other": max(0, total - sum(calls.values()))} if total else {}


def parse(tool: str, text: str) -> int | None:
    """The total; None when the output has none."""
    if tool == "perf":
        found = re.search(r"^(\d+),[^,]*,raw_syscalls:sys_enter", text, re.MULTILINE)
        return int(found[1]) if found else None
    # % time, seconds, usecs/call, calls, errors if any, "total"
    found = re.search(r"^\s*[\d.]+\s+[\d.]+\s+(?:\d+\s+)?(\d+)(?:\s+\d+)?\s+total\s*$", text, re.MULTILINE)
    return int(found[1]) if found else None
