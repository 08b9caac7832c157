"""Adds connections to a server in steps until it takes no more: loadtest/limits.

A *sweep* is one server, freshly started, with connections of one kind: without any, then step by step. After each step
every limit is read from outside; the step at which it takes no more names the limit met.
"""

import dataclasses
import itertools
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from .. import Failure
from ..base import process, results
from ..judge import limits as judge
from ..observe import limits, sampling, server_stats
from ..plan import matrix, settings
from ..show import limits as shown
from . import holders, opening, raising, servers

TIMEOUT_S = 86400  # of the servers: a connection that rests is no idle one here
POOL_S = 5  # for all database connections to be made
SETTLE_S = 0.5  # after a step, before anything is read
ROOM = 4  # connections that are closed for the active ones beside these, where the server takes no more
RAISES_MOST = 40  # of one server and kind
CPU_OF_QEMU = "QEMU"  # how the names of its emulated CPUs begin
EMULATED, COUNTS_ONLY = "emulated", "counts-only"


class Plan(NamedTuple):
    """The settings of each sweep."""

    steps: list[int]  # connections
    by: int  # after the last of them
    most: int
    wait_ms: int
    active: int  # connections of wrk, beside those that are held
    seconds: float  # of wrk at each step; 0: no rate is measured
    patience_s: float  # for a connection to have its first response
    flags: str = ""

    def counts(self) -> list[int]:
        """The steps, up to the most; the most is one."""
        last = max([0, *self.steps])
        every = itertools.chain(self.steps, range(last + self.by, self.most + 1, self.by))
        return [*sorted({count for count in every if count < self.most}), self.most]


class Sweep(NamedTuple):
    met: judge.Met | None  # None: it took all
    held: int


class State:
    """Of a sweep that is under way."""

    def __init__(self, server: servers.Server, crowd: holders.Holders, key: dict):
        """Reads everything as it is without connections."""
        assert server.pid
        _await_pool(server)
        self.server, self.crowd, self.key, self.pid = server, crowd, key, server.pid
        self.none = self.last = limits.read(self.pid)
        self.memory, self.overflows = sampling.memory(), limits.overflows() or 0
        self.held = 0
        self.order: list[judge.Ahead] = []
        self.met: judge.Met | None = None


class Runner:
    """All sweeps, and the tables that they fill."""

    def __init__(
        self,
        ready: opening.Opened,
        chosen: settings.Settings,
        plan: Plan,
        raiser: raising.Raiser | None,
        folder: Path,
        cpus: int,
    ):
        self.ready, self.chosen, self.plan, self.raiser, self.cpus = ready, chosen, plan, raiser, cpus
        self.rows = results.Table(folder / judge.FILE, judge.COLUMNS)
        self.ahead = results.Table(folder / judge.AHEAD_FILE, judge.AHEAD_COLUMNS)
        if raiser:
            self.raises = results.Table(folder / judge.RAISES_FILE, judge.RAISES_COLUMNS)

    def run(self, kinds: list[str], repeats: int) -> None:
        """Each repeat has the servers in another order. Raises Failure."""
        chance = random.Random(self.chosen.seed)
        for repeat in range(1, repeats + 1):
            jobs = [(spec, kind) for spec in self.chosen.servers for kind in kinds]
            for spec, kind in chance.sample(jobs, len(jobs)):
                self._one(spec, kind, repeat)

    def _one(self, spec: matrix.Server, kind: str, repeat: int) -> None:
        """One server and kind, again after each raise."""
        raised: list[raising.Change] = []
        held, who = 0, {"server": spec.name, "kind": kind, "repeat": repeat}
        try:
            for place in range(1, RAISES_MOST + 1):
                found = self._sweep(spec, kind, repeat, raised, held)
                held = found.held
                if not found.met or not self.raiser or not self._raise(who, place, found, raised):
                    return
        finally:
            if self.raiser and raised:
                self.raiser.restore()
                _say(who, f"restored {', '.join(one.limit for one in raised)}")

    def _raise(self, who: dict, place: int, found: Sweep, raised: list[raising.Change]) -> bool:
        """Whether the limit met could be raised."""
        assert self.raiser and found.met
        row = who | {"place": place, "limit": found.met.limit}
        try:
            change = self.raiser.raise_limit(found.met.limit)
        except raising.Refused as error:
            self.raises.append(row | {"why_not": str(error)})
            _say(who, f"ends: {error}")
            return False
        raised.append(change)
        old, new = raising.in_a_word(change.old), raising.in_a_word(change.new)
        self.raises.append(row | {"limit": change.limit, "old": old, "new": new})
        _say(who, f"raised {change}")
        return True

    def _sweep(
        self, spec: matrix.Server, kind: str, repeat: int, raised: list[raising.Change], least: int
    ) -> Sweep:
        """From no connection up; steps below `least` were done before a limit was raised."""
        key: dict[str, Any] = {
            "server": spec.name,
            "kind": kind,
            "raised": _raised(raised),
            "repeat": repeat,
            "flags": self.plan.flags,
        }
        server = self._start(spec)
        wait_ms = self.plan.wait_ms if kind == judge.WAITING else 0
        wrk_place = process.Place(group=self.ready.groups.of("wrk"))
        crowd = holders.Holders(self.chosen.port, wait_ms, wrk_place, self.plan.patience_s)
        try:
            if wait_ms:
                _check_waits(server)
            state = State(server, crowd, key)
            self.rows.append(key | {"step": 0, "asked": 0, "held": 0} | limits.memory_of(state.pid))
            for step, asked in enumerate((count for count in self.plan.counts() if count > least), 1):
                self._step(state, step, asked)
                if state.met:
                    break
            for place, one in enumerate(state.order, 1):
                self.ahead.append(key | {"place": place} | one._asdict())
            return Sweep(state.met, state.held)
        finally:
            crowd.close()
            if server.child:
                process.kill(server.child)  # a drain would wait for the requests that wait
                if server.child.returncode is None:  # many threads take a while to end
                    process.reap(server.child, self.plan.patience_s)
            server.stop()

    def _step(self, state: "State", step: int, asked: int) -> None:
        """One row: so many connections, or as many as there can be."""
        report = state.crowd.hold(asked)
        time.sleep(SETTLE_S)
        died = state.server.how_it_ended()
        if not died:  # else what was read last
            state.last = limits.read(state.pid)
            state.order = judge.ahead(state.none, state.last, report.held)
        state.held = report.held
        row = state.key | {"step": step, "asked": asked, "held": report.held}
        row |= limits.memory_of(state.pid) | _growth(state.memory) | _counts(state.crowd.report(), report)
        if report.held < asked or died:
            said, is_full = limits.said(state.server.output()), (limits.overflows() or 0) > state.overflows
            state.met = judge.met(
                said, state.order, state.last, report.held, report.refused, holders.OWN, died, is_full
            )
        if self.plan.seconds and not died:
            if state.met:
                self._make_room(state.crowd)
            row |= self._rate(state.server)
        self.rows.append(row | (state.met._asdict() if state.met else {}))
        _say(state.key, shown.step(row, state.met, state.last))

    def _start(self, spec: matrix.Server) -> servers.Server:
        variables = dict(spec.variables) | {"IDLE_TIMEOUT": str(TIMEOUT_S)}
        patient = dataclasses.replace(spec, variables=tuple(variables.items()))
        place = process.Place(group=self.ready.groups.of("server"))
        server = servers.Server(patient, self.chosen, self.ready.db.url, place)
        server.patience = max(1, round(self.plan.patience_s / holders.PATIENCE_S))
        server.start()
        server.client.close()
        return server

    def _make_room(self, crowd: holders.Holders) -> None:
        """For the active connections. A server goes on with a request that waits until its wait is over."""
        crowd.release(self.plan.active + ROOM)
        time.sleep(crowd.wait_ms / 1000 + SETTLE_S)

    def _rate(self, server: servers.Server) -> dict:
        """Throughput and p99 of the active connections."""
        # These import numpy, which a machine that only counts need not have.
        from ..judge import histogram
        from ..observe import load_result
        from . import generators, wrk

        place = process.Place(group=self.ready.groups.of("wrk"))
        job = wrk.Job(server.url, "/work?n=0&m=1024", self.plan.active, self.plan.seconds)
        try:
            load = generators.Local(place, self.cpus).run(job)
        except load_result.Broken:
            return {"errors": self.plan.active}
        errors = sum(load.errors.values())
        if errors or not load.requests:
            return {"errors": errors}
        return {
            "errors": 0,
            "rps": load.requests * 1e6 / load.duration_us,
            "p99_us": histogram.percentile(*load.latencies, 0.99),
        }


def _raised(changes: list[raising.Change]) -> str:
    """The column: every limit that was raised, with what it is now."""
    now = {one.limit: raising.in_a_word(one.new) for one in changes}
    return "; ".join(f"{limit}={new}" for limit, new in now.items())


def _say(key: dict, words: str) -> None:
    print(f"{key['repeat']} {key['server']} {key['kind']}: {words}", flush=True)


def flags(counts_only: bool, cpu_model: str) -> str:
    """Of each row."""
    words = [COUNTS_ONLY] * counts_only + [EMULATED] * cpu_model.startswith(CPU_OF_QEMU)
    return " ".join(words)


def _await_pool(server: servers.Server) -> None:
    """A server is ready with its first database connection. The others would count as the clients'."""
    deadline = time.monotonic() + POOL_S * server.patience
    while time.monotonic() < deadline:
        stats = server.stats()
        count = server_stats.database_connections(stats)
        if count is None or count >= stats.get("pool_size", 0):
            break
        time.sleep(0.02)
    server.client.close()
    time.sleep(SETTLE_S)


def _check_waits(server: servers.Server) -> None:
    """Raises Failure when the server knows no requests that wait."""
    status, _, _ = server.client.get("/work?n=0&m=0&t=1")
    server.client.close()
    if status != 200:
        raise Failure(
            f"{server.spec.name} responds to /work?n=0&m=0&t=1 with {status}, so no request can wait there: leave out"
            f" '{judge.WAITING}' (--kinds {judge.IDLE})"
        )


def _growth(before: sampling.Memory) -> dict:
    """Memory of the kernel since there was no connection, of both ends of each."""
    now = sampling.memory()
    pairs = {
        "kernel_kib": (now.kernel, before.kernel),
        "kernel_stack_kib": (now.kernel_stack, before.kernel_stack),
        "page_tables_kib": (now.page_tables, before.page_tables),
        "slab_kib": (now.slab, before.slab),
        "tcp_kib": (now.tcp, before.tcp),
    }
    return {name: None if a is None or b is None else a - b for name, (a, b) in pairs.items()}


def _counts(now: holders.Report, step: holders.Report) -> dict:
    refused: Counter[str] = step.refused
    return {
        "refused": refused.total(),
        "lost": now.lost.total(),
        "answered": now.answered,
        "late_ms": max(now.late_ms, step.late_ms),
    }
