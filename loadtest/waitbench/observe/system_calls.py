"""System calls of a process, counted from outside by perf's tracepoint, or else by strace, which
stops the process at each call and so shifts what is batched."""

import os
import re
import select
import shutil
import signal
import subprocess
import time

from ..base import process

WINDOW_S = 0.3  # of counting, once every connection is there
ATTACH_S = 3  # until a tool must be counting


def find():
    """perf, strace or None: whichever may be used here."""
    trials = {
        "perf": ["perf", "stat", "-e", "raw_syscalls:sys_enter", "true"],
        "strace": ["strace", "-c", "-o", "/dev/null", "true"],
    }
    for tool, words in trials.items():
        if shutil.which(tool):
            done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if done.returncode == 0:
                return tool
    return None


class Counter:
    """Counts from begin() to end(), of the threads that are there at begin()."""

    def __init__(self, tool, pid):
        self.tool, self.pid = tool, pid
        self.child = None

    def begin(self):
        """Blocks until the tool is attached and counts; False when it does not get there."""
        self.output = os.memfd_create("syscalls")
        place = f"/proc/{os.getpid()}/fd/{self.output}"
        if self.tool == "strace":
            words = ["strace", "-c", "-f", "-qq", "-o", place, "-p", str(self.pid)]
            self.child = process.start(words, stderr=subprocess.DEVNULL)
            return self._await_traced()
        # Attached first and switched on then, which it acknowledges: attaching takes a while.
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()
        words = ["perf", "stat", "-x", ",", "-o", place, "-e", "raw_syscalls:sys_enter"]
        words += ["-p", str(self.pid), "-D", "-1", "--control", f"fd:{commands},{answers}"]
        self.child = process.start(words, stderr=subprocess.DEVNULL, keep=(commands, answers))
        os.close(commands)
        os.close(answers)
        return self._tell(b"enable\n")

    def end(self):
        """The number of system calls, or None when there is none."""
        if not self.child:
            return None
        if self.tool == "perf":
            self._tell(b"disable\n")
            os.close(self.commands)
            os.close(self.answers)
        process.stop(self.child, ATTACH_S, signal.SIGINT)
        self.child = None
        os.lseek(self.output, 0, os.SEEK_SET)
        with os.fdopen(self.output) as stream:
            return parse(self.tool, stream.read())

    def _tell(self, command):
        try:
            os.write(self.commands, command)
        except BrokenPipeError:
            return False
        return bool(select.select([self.answers], [], [], ATTACH_S)[0] and os.read(self.answers, 16))

    def _await_traced(self):
        deadline = time.monotonic() + ATTACH_S
        while time.monotonic() < deadline and not process.reap(self.child, 0.01):
            with open(f"/proc/{self.pid}/status") as stream:
                if f"TracerPid:\t{self.child.pid}\n" in stream.read():
                    return True
        return False


def parse(tool, text):
    """The total; None when there is none."""
    if tool == "perf":
        found = re.search(r"^(\d+),[^,]*,raw_syscalls:sys_enter", text, re.MULTILINE)
        return int(found[1]) if found else None
    # % time, seconds, usecs/call, calls, errors if any, "total"
    found = re.search(r"^\s*[\d.]+\s+[\d.]+\s+(?:\d+\s+)?(\d+)(?:\s+\d+)?\s+total\s*$", text, re.MULTILINE)
    return int(found[1]) if found else None
