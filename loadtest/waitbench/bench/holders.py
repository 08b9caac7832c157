"""The connections that a server is to hold: processes (bench/holder.py) that open them in steps and report.

Each process has a source address of its own, 127.0.1.1 and so on, and at most EACH connections, so that neither its
descriptors nor its ports are what ends. Where they are (a low limit of the user's), that is said as a limit of the load.
"""

import dataclasses
import json
import resource
import socket
import subprocess
import sys
from collections import Counter

from .. import ROOT, Failure
from ..base import process

EACH = 8000  # connections of a process
ANSWER_S = 600  # for a process to have opened them; one in which none is accepted takes far less
PATIENCE_S = 15  # for a connection to have its first response
# Errors of connect(2) and socket(2) that say that the load itself has met a limit.
OWN = {"connect: EADDRNOTAVAIL", "socket: EMFILE", "socket: ENFILE", "socket: ENOBUFS", "socket: ENOMEM"}


@dataclasses.dataclass
class Report:
    held: int = 0
    refused: Counter[str] = dataclasses.field(
        default_factory=Counter
    )  # by reason: 503, closed, ETIMEDOUT, ...
    lost: Counter[str] = dataclasses.field(default_factory=Counter)  # of those that were held
    answered: int = 0  # requests that wait, so far
    late_ms: int = 0  # the most that a response came after its t, since the last report

    def add(self, found: dict) -> None:
        self.held += found["held"]
        self.refused.update(found["refused"])
        self.lost.update(found["lost"])
        self.answered += found["answered"]
        self.late_ms = max(self.late_ms, found["late_ms"])


class Holders:
    """Call close() in the end."""

    def __init__(
        self, port: int, wait_ms: int, place: process.Place = process.ANYWHERE, patience_s: float = PATIENCE_S
    ):
        self.port, self.wait_ms, self.place, self.patience_s = port, wait_ms, place, patience_s
        self.processes: list[Process] = []
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.each = EACH if most == resource.RLIM_INFINITY else max(1, min(EACH, most - process.OTHER_FILES))

    def hold(self, count: int) -> Report:
        """Opens connections until so many are held, or one process cannot."""
        missing = count - self.report().held
        while missing > 0:
            number = next(
                (n for n, one in enumerate(self.processes) if one.held < self.each), len(self.processes)
            )
            if number == len(self.processes):
                self.processes.append(Process(self, number))
            one = self.processes[number]
            more = min(missing, self.each - one.held)
            goal = one.held + more
            one.ask(f"open {more}")
            if one.held < goal:
                break
            missing -= more
        return self.report()

    def release(self, count: int) -> None:
        """Closes so many."""
        for one in reversed(self.processes):
            fewer = min(count, one.held)
            if fewer:
                one.ask(f"close {fewer}")
            count -= fewer

    def report(self) -> Report:
        whole = Report()
        for one in self.processes:
            whole.add(one.ask("report"))
        return whole

    def close(self) -> None:
        for one in self.processes:
            one.close()
        self.processes = []


class Process:
    def __init__(self, owner: Holders, number: int):
        self.held = 0
        self.control, theirs = socket.socketpair()
        self.control.settimeout(ANSWER_S)
        self.lines = self.control.makefile("r")
        source = f"127.0.{1 + number // 250}.{1 + number % 250}"
        words = [theirs.fileno(), "127.0.0.1", owner.port, source, owner.wait_ms, owner.patience_s]
        with theirs:
            self.child = process.start(
                [sys.executable, "-B", "-m", "waitbench.bench.holder", *map(str, words)],
                owner.place,
                stderr=subprocess.DEVNULL,
                keep=[theirs.fileno()],
                folder=ROOT / "loadtest",
            )

    def ask(self, command: str) -> dict:
        try:
            self.control.sendall(command.encode() + b"\n")
            line = self.lines.readline()
            if not line:
                raise OSError("it has ended")
        except OSError as error:
            raise Failure(
                f"a process that holds connections does not answer ({error}): is there memory for it?"
            ) from None
        found = json.loads(line)
        self.held = found["held"]
        return found

    def close(self) -> None:
        process.kill(self.child)
        self.lines.close()
        self.control.close()
