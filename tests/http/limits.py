"""Limits of the system that a test lowers: they are as before after it, also when the test or all of pytest is killed."""

import contextlib
import os
import pathlib
import subprocess

import pytest

GROUPS = pathlib.Path("/sys/fs/cgroup")


def number(path):
    return int(pathlib.Path(path).read_text().split()[0])


def write(path, value):
    try:
        with open(path, "w") as file:
            file.write(str(value))
    except OSError as error:
        pytest.skip(f"cannot write {path}: {error.strerror}")


@contextlib.contextmanager
def lowered(values, written_back=()):
    """Settings of the whole machine, {path: value}. A shell that outlives this process writes the old ones back; those
    of `written_back` where one setting changes another."""
    assert (
        "WAITBENCH_TESTS_BESIDE" not in os.environ
    ), "other tests would feel it: name this file in ALONE of tests/run"
    before = {path: str(number(path)) for path in written_back or values}
    for path in values:
        if not os.access(path, os.W_OK):
            pytest.skip(f"cannot write {path}")
    write_back = 'read -r _; while [ $# -gt 0 ]; do printf %s "$2" >"$1"; shift 2; done'
    arguments = [word for pair in before.items() for word in pair]
    keeper = subprocess.Popen(
        ["sh", "-c", write_back, "sh", *arguments], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        for path, value in values.items():
            write(path, value)
        yield
    finally:
        keeper.stdin.close()
        assert keeper.wait(10) == 0
        assert {path: str(number(path)) for path in before} == before


class Group:
    """A control group of its own, in whichever tree has the controller. A shell that outlives this process ends what
    is left in it, and removes it."""

    def __init__(self, controller):
        own_tree = GROUPS / controller
        self.version = 1 if (own_tree / "cgroup.procs").exists() else 2
        top = own_tree if self.version == 1 else GROUPS
        self.folder = top / f"wb-test-limits-{os.getpid()}"
        try:
            if self.version == 2:
                (top / "cgroup.subtree_control").write_text(f"+{controller}")
            self.folder.mkdir()
        except OSError as error:
            pytest.skip(f"cannot make a control group for {controller}: {error}")

    def __enter__(self):
        remove = 'read -r _; for try in $(seq 100); do kill -9 $(cat "$1/cgroup.procs"); rmdir "$1" && exit; sleep 0.1; done'
        self.keeper = subprocess.Popen(
            ["sh", "-c", remove, "sh", str(self.folder)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_):
        self.keeper.stdin.close()
        self.keeper.wait(20)
        assert not self.folder.exists()

    @property
    def prefix(self):
        """Runs a command in it."""
        return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', f"{self.folder}/cgroup.procs"]

    def _memory(self, what):
        names = {
            "limit": ("memory.limit_in_bytes", "memory.max"),
            "used": ("memory.usage_in_bytes", "memory.current"),
        }
        return self.folder / names[what][self.version - 1]

    def memory_used(self):
        return number(self._memory("used"))

    def limit_memory(self, size):
        write(self._memory("limit"), size)

    def limit_pids(self, count):
        write(self.folder / "pids.max", count)

    def killed(self):
        """How many of its processes the kernel has killed, for want of memory."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        words = (self.folder / name).read_text().split()
        return int(words[words.index("oom_kill") + 1])
