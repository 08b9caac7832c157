"""Child processes: each in a session of its own, so that Ctrl-C at the terminal reaches the load test
alone, and none left behind whatever happens to it."""

import ctypes
import os
import resource
import signal
import subprocess
import time

OTHER_FILES = 100  # descriptors that a process needs beside its connections
_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None)
_running = []


def raise_file_limit():
    """To what is allowed, for us and our children: a connection takes one. How many that is; None for any number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return None if hard == resource.RLIM_INFINITY else hard


def start(words, cpus=None, env=None, stdout=subprocess.DEVNULL, stderr=None, keep=()):
    """Starts a program on these CPUs (ours, when None), with the descriptors `keep` open. It is
    killed when this process is gone."""

    def prepare():
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if cpus:
            os.sched_setaffinity(0, cpus)

    child = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=env,
        start_new_session=True,
        preexec_fn=prepare,
        pass_fds=keep,
    )
    _running.append(child)
    return child


def reap(child, timeout):
    """Waits up to `timeout` s for its end; then its struct rusage, which is its own and not that of
    all children so far. None while it runs."""
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


def stop(child, timeout, how=signal.SIGTERM):
    """Ends it in an orderly way, or after `timeout` s by SIGKILL; its exit status, negative if a
    signal ended it."""
    if child.returncode is None:
        tell(child, how)
        if not reap(child, timeout):
            kill(child)
    return child.returncode


def kill(child):
    if child.returncode is None:
        tell(child, signal.SIGKILL)
        reap(child, 10)


def tell(child, number):
    """Sends a signal. Not child.send_signal(), which reaps a child that has ended and so loses its
    rusage; until it is reaped, its id is nobody else's."""
    if child.returncode is None:
        os.kill(child.pid, number)


def kill_all():
    for child in list(_running):
        kill(child)
