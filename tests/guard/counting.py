"""A server that runs under callgrind or strace, which count what it does between two moments when it does nothing."""

import os
import pathlib
import re
import subprocess
import tempfile
from contextlib import contextmanager

import scenarios
from conftest import Server
from lockstep import Gate, await_calm

WARM_UP = 3  # rounds: symbols are bound, buffers have grown, the time zone is read


class Instructions:
    """callgrind: instructions in user space, of all threads. A number of the program: no clock, cache or other process
    moves it."""

    name = "instructions"
    tool = "valgrind"

    def __init__(self, folder):
        self.out = pathlib.Path(folder) / "out"
        # fair-sched: threads take turns in order of arrival, so that two which share a lock meet alike each time.
        self.prefix = ["valgrind", "-q", "--tool=callgrind", "--fair-sched=yes"]
        self.prefix += [f"--callgrind-out-file={self.out}", f"--vgdb-prefix={folder}/vgdb"]
        self.folder = folder
        self.dumps = 0

    def lap(self, pid, without=()):
        """What was counted since the last lap."""
        words = ["vgdb", f"--vgdb-prefix={self.folder}/vgdb", f"--pid={pid}", "dump"]
        # Its files have $HOST in their names, and the server has none (conftest.py).
        env = {name: text for name, text in os.environ.items() if name != "HOST"}
        subprocess.run(words, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.dumps += 1
        text = self.out.with_name(f"out.{self.dumps}").read_text()
        return int(re.search(r"^totals: (\d+)", text, re.M)[1])


class SystemCalls:
    """strace: each call that a thread makes."""

    name = "system_calls"
    tool = "strace"

    def __init__(self, folder):
        self.out = pathlib.Path(folder) / "out"
        # -D: the server itself is our child. -s 0: what it reads and writes is not written down.
        self.prefix = ["strace", "-D", "-f", "-qq", "-s", "0", "-o", str(self.out)]
        self.read = 0  # bytes of it

    def lap(self, pid, without=()):
        log = self.out.read_bytes()
        since, self.read = self.read, len(log)
        calls = re.findall(rb"^\d+ +(\w+)\(", log[since:], re.M)
        return sum(call.decode() not in without for call in calls)


TOOLS = (Instructions, SystemCalls)


def start(model, prefix, url):
    """A server connects to its database within five seconds or not at all, and that has been too short under callgrind
    on a machine with a load of 17."""
    for tries_left in (2, 1, 0):
        try:
            return Server(model, prefix=prefix, DATABASE_URL=url, **scenarios.SETTINGS)
        except AssertionError:
            if not tries_left:
                raise


@contextmanager
def running(model, tool):
    """A server under the tool, and its database's gate."""
    with tempfile.TemporaryDirectory() as folder, Gate(os.environ["DATABASE_URL"]) as gate:
        counter = tool(folder)
        server = start(model, counter.prefix, gate.url)
        server.pid = server.process.pid
        try:
            await_calm(server.pid)
            yield server, gate, counter
        finally:
            server.stop(timeout=120)


def count(server, gate, counter, scenario):
    """What one request costs."""
    gate.together = scenario.clients
    stack, clients = scenario.connected(server)
    with stack:
        for _ in range(WARM_UP):
            scenario.round(server, clients)
        await_calm(server.pid)
        counter.lap(server.pid)
        for _ in range(scenario.rounds):
            scenario.round(server, clients)
        await_calm(server.pid)
        total = counter.lap(server.pid, scenarios.by_chance(server.model))
    await_calm(server.pid)  # it has noticed that they are gone
    return total / scenario.rounds / scenario.per_round


def measure(model, names):
    """{scenario: {"instructions": ..., "system_calls": ...}}"""
    figures = {name: {} for name in names}
    for tool in TOOLS:
        with running(model, tool) as (server, gate, counter):
            for name in names:
                figures[name][tool.name] = count(server, gate, counter, scenarios.SCENARIOS[name])
    return figures
