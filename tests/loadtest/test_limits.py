"""loadtest/limits: which limit was met and which comes next, from made-up evidence and from servers that have one."""

import csv
import os
import resource
import threading

import pytest
from waitbench import Failure
from waitbench.base import kernel
from waitbench.bench import holders
from waitbench.bench import limits as bench
from waitbench.judge import limits as judge
from waitbench.observe import limits
from waitbench.observe.limits import Reading, Said
from waitbench.show import limits as shown
from waitbench.show import markdown

LINE = "2026-11-28T22:00:00.000Z crowd warn: 40 connections are open, new ones get a 503; limit met: {}, {} of {} in use ({})"
EAGAIN = "pthread_create: Resource temporarily unavailable"
EMPTY = {
    "RLIMIT_NOFILE": Reading(40, 1024),
    "kernel.pid_max": Reading(300, 32768, 2),
    "memory": Reading(10**9, 8 * 10**9),
}
FULL = {
    "RLIMIT_NOFILE": Reading(1000, 1024),
    "kernel.pid_max": Reading(1500, 32768, 962),
    "memory": Reading(10**9 + 960 * 20480, 8 * 10**9),
}
HELD = 960


# -- what the server wrote ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, used, value",
    [("kernel.pid_max", 32468, 32768), ("cgroup pids.max", 600, 600), ("cgroup memory.max", 2**30, 2**30)]
    + [("RLIMIT_NOFILE", 1000, 1024), ("vm.overcommit_memory", 5, 9), ("unknown", 0, 0)],
)
def test_the_line_of_a_server_is_read(name, used, value):
    lines = ["2026-11-28T22:00:00.000Z crowd warn: something else", LINE.format(name, used, value, EAGAIN)]
    assert limits.said(lines) == Said(name, used, value, EAGAIN)
    assert limits.said(lines[:1]) is None


# -- which limit is met, and which comes next ---------------------------------------------------------------------


def test_limits_are_in_the_order_in_which_connections_meet_them():
    found = judge.ahead(EMPTY, FULL, HELD)
    assert [one.limit for one in found] == ["RLIMIT_NOFILE", "kernel.pid_max", "memory"]
    files, threads, memory = found
    assert (files.per_connection, files.connections) == (1, 984)
    # Other programs have 538 threads at the last reading, whatever they had at the first.
    assert (threads.at_none, threads.per_connection, threads.connections) == (540, 1, 32768 - 540)
    assert memory.per_connection == 20480 and memory.connections == 7 * 10**9 // 20480


def test_what_connections_do_not_use_is_in_no_order():
    none, last = {"vm.max_map_count": Reading(150, 65530)}, {"vm.max_map_count": Reading(152, 65530)}
    assert judge.ahead(none, last, 1000) == []
    assert judge.ahead(none, {"memory": Reading(5, 9)}, 1000) == []
    assert judge.ahead(none, last, 0) == []


def test_a_tracked_connection_is_one_entry_whatever_is_forgotten_meanwhile():
    none, last = {limits.CONNTRACK: Reading(90_000, 262_144)}, {limits.CONNTRACK: Reading(70_000, 262_144)}
    (found,) = judge.ahead(none, last, 1000)
    assert (found.at_none, found.per_connection) == (69_000, 1)


def met(said=None, refused=None, **more):
    order = more.pop("order", judge.ahead(EMPTY, FULL, HELD))
    return judge.met(
        said, order, more.pop("readings", FULL), HELD, refused or {"503": 16}, holders.OWN, **more
    )


def test_both_sides_agree():
    found = met(Said("RLIMIT_NOFILE", 1000, 1024, "accept4: Too many open files"))
    assert found == judge.Met(
        "server", "RLIMIT_NOFILE", 1000, 1024, "accept4: Too many open files", "RLIMIT_NOFILE", "yes"
    )


def test_a_server_that_names_another_limit_than_can_be_seen_is_said():
    found = met(Said("kernel.pid_max", 1500, 32768, EAGAIN))
    assert (found.limit, found.outside, found.agrees) == ("kernel.pid_max", "RLIMIT_NOFILE", "no")
    far = {name: reading for name, reading in FULL.items() if name != "RLIMIT_NOFILE"}
    found = met(Said("kernel.pid_max", 1500, 32768, EAGAIN), order=judge.ahead(EMPTY, far, HELD))
    assert (found.limit, found.outside, found.agrees) == ("kernel.pid_max", "", "no")
    words = shown.step({"held": 1, "asked": 2, "rss_kib": 3, "threads": 4}, found, FULL)
    assert "seen from outside it is no limit that is near, since 1500 of 32768 are in use" in words


def test_what_cannot_be_read_is_neither_agreed_to_nor_not():
    assert met(Said("cgroup pids.max", 5, 5, EAGAIN)).agrees == ""
    full = FULL | {"cgroup pids.max": Reading(598, 600)}  # by others, too
    assert met(Said("cgroup pids.max", 598, 600, EAGAIN), readings=full).agrees == "yes"


@pytest.mark.parametrize("said", [None, Said("unknown", 0, 0, EAGAIN)])
def test_a_server_that_names_none_leaves_what_is_seen_from_outside(said):
    found = met(said)
    assert (found.side, found.limit, found.used, found.value) == ("server", "RLIMIT_NOFILE", 1000, 1024)
    assert found.evidence == (EAGAIN if said else "the client saw: 503") and found.agrees == ""
    assert met(said, order=[]).limit == "unknown"


@pytest.mark.parametrize(
    "reason, limit",
    [
        ("connect: EADDRNOTAVAIL", limits.PORTS),
        ("socket: EMFILE", limits.NOFILE),
        ("socket: ENFILE", limits.FILE_MAX),
    ],
)
def test_a_limit_of_the_load_is_none_of_the_server(reason, limit):
    found = met(Said("RLIMIT_NOFILE", 1000, 1024, "x"), {reason: 1})
    assert (found.side, found.limit, found.evidence) == ("load", limit, reason)


def test_of_memory_a_server_keeps_more_back():
    readings = {
        "cgroup memory.max": Reading(375 * 10**6, 400 * 10**6),
        "kernel.pid_max": Reading(30400, 32768),
    }
    for name, agrees in (("cgroup memory.max", "yes"), ("kernel.pid_max", "no")):
        assert met(Said(name, 1, 2, EAGAIN), order=[], readings=readings).agrees == agrees


def test_a_server_that_died_and_a_full_backlog():
    assert (
        met(order=[], died="was ended by SIGKILL: the kernel's OOM killer: too little memory").limit
        == "memory"
    )
    group = FULL | {"cgroup memory.max": Reading(10**8, 2 * 10**8)}
    assert met(order=[], died="was ended by SIGKILL: memory", readings=group).limit == "cgroup memory.max"
    assert met(order=[], died="ended with status 1").limit == "unknown"
    found = met(refused={"ETIMEDOUT": 16}, order=[], backlog=True)
    assert (found.limit, found.evidence) == (limits.BACKLOG, "the client saw: ETIMEDOUT")


def test_readings_of_this_process_are_those_of_the_kernel():
    found = limits.read(os.getpid())
    assert found["RLIMIT_NOFILE"].value == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert 3 <= found["RLIMIT_NOFILE"].used < 1000
    assert found["vm.max_map_count"].value == kernel.number("proc/sys/vm/max_map_count")
    assert 20 < found["vm.max_map_count"].used < 5000
    assert found["kernel.pid_max"].used >= threading.active_count() == found["kernel.pid_max"].own
    assert 10**8 < found["memory"].used < found["memory"].value


# -- files and tables ---------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """Two repeats of two servers; the file has them in random order, environment.json in that of the list."""
    rows, ahead = [], []
    for repeat, (one, more) in enumerate([("quick", 0), ("slow", 8), ("slow", 0), ("quick", 8)]):
        key = {"server": one, "kind": "idle", "raised": "", "repeat": 1 + repeat // 2}
        rows.append(key | {"step": 0, "asked": 0, "held": 0, "rss_kib": 1000, "threads": 2})
        rows.append(
            key
            | {"step": 1, "asked": 100, "held": 100, "rss_kib": 1000 + 2000 + 100 * more, "kernel_kib": -50}
        )
        stopped = {
            "side": "server",
            "limit": "RLIMIT_AS",
            "used": 2**30 - 2**29 * (more > 0),
            "value": 2**30,
        }
        stopped |= {"evidence": "mmap: Cannot allocate memory", "outside": "memory", "agrees": "no"}
        rows.append(key | {"step": 2, "asked": 300, "held": 290 + more, "rps": 10, "p99_us": 1500} | stopped)
        for place, (limit, at) in enumerate([("memory", 500 + more), ("RLIMIT_AS", 300)], 1):
            ahead.append(
                key
                | {
                    "place": place,
                    "limit": limit,
                    "value": 2**33,
                    "at_none": 5,
                    "per_connection": 2048,
                    "connections": at,
                }
            )
    for name, columns, table in (
        ("limits.csv", judge.COLUMNS, rows),
        ("ahead.csv", judge.AHEAD_COLUMNS, ahead),
    ):
        with (tmp_path / name).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)
    (tmp_path / "environment.json").write_text('{"servers": ["slow", "quick"]}')
    return tmp_path


def test_tables_have_every_number_with_its_spread(folder):
    _, rows = shown.cells([str(folder), "table=met"])
    assert rows[0] == [
        *("slow", "idle", "294 [290, 298]", "RLIMIT_AS", "768.0 MiB [512.0 MiB, 1.0 GiB] of 1.0 GiB"),
        *("mmap: Cannot allocate memory", "memory (they do not agree)"),
    ]
    assert rows[1][0] == "quick"
    _, rows = shown.cells([str(folder), "table=cost", "asked=100", "server=quick"])
    assert rows == [["100 idle", "quick", "24.0 [20.0, 28.0]", "-0.5", "", "", "", ""]]
    _, rows = shown.cells([str(folder), "table=order", "server=slow"])
    assert rows == [
        ["slow", "idle", "RLIMIT_AS", "8.0 GiB", "2.0 KiB", "300"],
        ["slow", "idle", "memory", "8.0 GiB", "2.0 KiB", "504 [500, 508]"],
    ]
    assert "RLIMIT_AS" in shown.text(folder)


def test_a_document_has_such_tables(folder):
    text = f"<!-- loadtest/tables limits {folder} table=order server=quick -->\n<!-- end of table -->\n"
    assert "\n| quick | idle | RLIMIT_AS | 8.0 GiB | 2.0 KiB | 300 |\n" in markdown.remade(text)


@pytest.mark.parametrize("words", ["", "table=all", "table=met server=none"])
def test_what_cannot_be_shown_is_said(folder, words):
    with pytest.raises(Failure):
        shown.cells([str(folder), *words.split()])


def test_steps_end_with_the_most():
    plan = bench.Plan([100, 300], 1000, 2500, 1, 8, 1, 15)
    assert plan.counts() == [100, 300, 1300, 2300, 2500]
    assert plan._replace(most=300).counts() == [100, 300] and plan._replace(most=200).counts() == [100, 200]
    assert bench.flags(True, "QEMU TCG CPU version 2.5+") == "counts-only emulated"
    assert bench.flags(False, "AMD EPYC") == ""
