"""System calls of a process, counted from outside by perf's tracepoint, or else by strace, which
stops the process at each call and so shifts what is batched."""

import os
import re
import shutil
import signal
import subprocess
import time

from . import process

SECONDS = 0.4
ATTACH_S = 3


def find():
    """perf, strace or None: whichever may be used here."""
    if shutil.which("perf"):
        words = ["perf", "stat", "-e", "raw_syscalls:sys_enter", "true"]
        if subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            return "perf"
    if shutil.which("strace"):
        words = ["strace", "-c", "-o", "/dev/null", "true"]
        if subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            return "strace"
    return None


class Counter:
    """`with Counter(tool, pid) as counter: ...`; then counter.total, or None when it did not work."""

    def __init__(self, tool, pid):
        self.tool, self.pid, self.total = tool, pid, None

    def __enter__(self):
        self.output = os.memfd_create("syscalls")
        place = f"/proc/{os.getpid()}/fd/{self.output}"
        if self.tool == "perf":
            words = [
                "perf",
                "stat",
                "-x",
                ",",
                "-o",
                place,
                "-e",
                "raw_syscalls:sys_enter",
                "-p",
                str(self.pid),
            ]
        else:
            words = ["strace", "-c", "-f", "-qq", "-o", place, "-p", str(self.pid)]
        self.child = process.start(words, stderr=subprocess.DEVNULL)
        self._await_attached()
        return self

    def __exit__(self, *exception):
        process.stop(self.child, ATTACH_S, signal.SIGINT)
        os.lseek(self.output, 0, os.SEEK_SET)
        with os.fdopen(self.output) as stream:
            self.total = parse(self.tool, stream.read())

    def _await_attached(self):
        """strace shows as the tracer; perf, which shows nowhere, sleeps once it is set up."""
        deadline = time.monotonic() + ATTACH_S
        while time.monotonic() < deadline and not process.reap(self.child, 0.01):
            try:
                with open(f"/proc/{self.pid}/status") as stream:
                    traced = f"TracerPid:\t{self.child.pid}\n" in stream.read()
                with open(f"/proc/{self.child.pid}/stat") as stream:
                    asleep = stream.read().rpartition(")")[2].split()[0] == "S"
            except OSError:
                return
            if traced or (self.tool == "perf" and asleep):
                return


def parse(tool, text):
    """The total; None when there is none."""
    if tool == "perf":
        found = re.search(r"^(\d+),[^,]*,raw_syscalls:sys_enter", text, re.MULTILINE)
        return int(found[1]) if found else None
    # % time, seconds, usecs/call, calls, errors if any, "total"
    found = re.search(r"^\s*[\d.]+\s+[\d.]+\s+(?:\d+\s+)?(\d+)(?:\s+\d+)?\s+total\s*$", text, re.MULTILINE)
    return int(found[1]) if found else None
