"""Child processes: each in a session of its own, so that Ctrl-C at the terminal reaches the load test alone,
and none survives the load test."""

import ctypes
import os
import resource
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Collection, Mapping, NamedTuple, Sequence

from . import kernel

OTHER_FILES = 100  # descriptors that a process needs beside its connections
_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None)
_running: list[subprocess.Popen] = []


class Place(NamedTuple):
    """Where a child runs. None: where this process does."""

    cpus: Collection[int] | None = None
    group: Path | None = None  # folder of a control group

    def go(self) -> None:
        """Brings the calling process there."""
        if self.group:
            move(0, self.group)
        if self.cpus:
            os.sched_setaffinity(0, self.cpus)


ANYWHERE = Place()


def move(pid: int, group: Path) -> None:
    """Brings all threads of a process into the control group with that folder; 0 is the caller. Children that it makes
    later follow. Raises OSError."""
    (group / "cgroup.procs").write_text(str(pid))


def raise_file_limit() -> int | None:
    """Raises the limit of file descriptors to what is allowed, for this process and its children: a connection
    takes one. The limit; None for no limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return None if hard == resource.RLIM_INFINITY else hard


def environment() -> dict[str, str]:
    """This process's variables for a child, in the C locale: what it prints is parsed, and in a German locale strace
    writes 1,5 for 1.5."""
    return {name: text for name, text in os.environ.items() if name != "LANGUAGE"} | {"LC_ALL": "C"}


def run(words: Sequence[str | Path], place: Place = ANYWHERE, **options: Any) -> subprocess.CompletedProcess:
    """subprocess.run for a program that ends by itself: without standard input, in `environment()`."""
    options.setdefault("env", environment())
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(words, preexec_fn=place.go, **options)


def start(
    words: Sequence[str],
    place: Place = ANYWHERE,
    env: Mapping[str, str] | None = None,
    stdout: int = subprocess.DEVNULL,
    stderr: int | None = None,
    keep: Sequence[int] = (),
    folder: Path | None = None,
) -> subprocess.Popen:
    """Starts a program there, with the variables `env` (by default `environment()`) and the descriptors `keep` open, in
    `folder`. The kernel kills the program when this process ends."""

    def prepare():
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        place.go()

    child = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=environment() if env is None else env,
        cwd=folder,
        start_new_session=True,
        preexec_fn=prepare,
        pass_fds=keep,
    )
    _running.append(child)
    return child


def reap(child: subprocess.Popen, timeout: float) -> Any:
    """Waits up to `timeout` s for the child to end. Its own struct rusage (resource.getrusage would sum over
    all children so far); None while it runs."""
    deadline = time.monotonic() + timeout
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            _running.remove(child)
            return usage
        if time.monotonic() >= deadline:
            return None
        time.sleep(min(0.005, max(0.0, deadline - time.monotonic())))


def stop(child: subprocess.Popen, timeout: float, how: int = signal.SIGTERM) -> int | None:
    """Ends the child by that signal, and after `timeout` s by SIGKILL. Its exit status, negative if a signal
    ended it."""
    if child.returncode is None:
        send(child, how)
        if not reap(child, timeout):
            kill(child)
    return child.returncode


def kill(child: subprocess.Popen) -> None:
    if child.returncode is None:
        send(child, signal.SIGKILL)
        reap(child, 10)


def send(child: subprocess.Popen, number: int) -> None:
    """Sends a signal. Not child.send_signal(), which reaps a child that has ended and so loses its rusage.
    Until a child is reaped, its process id belongs to no other process."""
    if child.returncode is None:
        os.kill(child.pid, number)


def catches(child: subprocess.Popen, number: int) -> bool:
    """Whether the child has a handler for that signal (proc(5), SigCgt); true where the kernel does not say."""
    caught = kernel.read(f"proc/{child.pid}/status", _caught)
    return caught is None or bool(caught >> (number - 1) & 1)


def _caught(status: str) -> int:
    return int([line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")][0], 16)


def kill_all() -> None:
    for child in list(_running):
        kill(child)
