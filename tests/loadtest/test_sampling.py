"""The parsers of /proc against files that a kernel wrote (6.18), and against this kernel."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from waitbench.observe import sampling, system_calls

GOLDEN = Path(__file__).parent / "golden"


def golden(name):
    return (GOLDEN / name).read_text()


def test_stat():
    machine = sampling.parse_stat(golden("stat.txt"))
    tick = sampling.TICK_S
    assert machine.user == pytest.approx(201488 * tick)
    assert machine.idle == pytest.approx(379666 * tick)
    assert machine.steal == pytest.approx(269 * tick)
    # guest time is in user already: it must not be counted twice
    assert machine.total == pytest.approx((201488 + 10022 + 66405 + 379666 + 2375 + 11946 + 269) * tick)


def test_memory():
    kib = sampling.parse_meminfo(golden("meminfo.txt"))
    assert (kib["KernelStack"], kib["PageTables"], kib["Slab"]) == (4384, 18112, 391716)
    assert sampling.Memory(4384, 18112, 391716, None).kernel == 4384 + 18112 + 391716
    assert sampling.parse_sockstat(golden("sockstat.txt")) == 313 * sampling.PAGE_KIB


def test_pressure():
    assert sampling.parse_pressure(golden("pressure-cpu.txt")) == pytest.approx(754.25991)


def test_a_name_may_hold_parentheses_and_spaces():
    parent, ended = sampling.parse_pid_stat(golden("pid-stat.txt"))
    assert parent == 17
    assert ended == pytest.approx((567 + 89) * sampling.TICK_S)


def test_schedstat():
    assert sampling.parse_schedstat("1500000000 250000000 42\n") == (1.5, 0.25)


@pytest.mark.parametrize(
    "tool, name, total", [("perf", "perf-stat.txt", 29), ("strace", "strace-c.txt", 351)]
)
def test_system_calls(tool, name, total):
    assert system_calls.parse(tool, golden(name)) == total


@pytest.mark.parametrize(
    "tool, text", [("perf", "<not counted>,,raw_syscalls:sys_enter,0,100.00,,"), ("strace", "")]
)
def test_no_count_is_none_and_not_zero(tool, text):
    assert system_calls.parse(tool, text) is None


def test_cpu_of_a_tree_counts_the_living_and_the_dead():
    burn = "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done"
    child = subprocess.Popen(["sh", "-c", f"sh -c '{burn}'; echo done; read line"], stdin=-1, stdout=-1)
    try:
        child.stdout.readline()
        assert sampling.tree_cpu(child.pid) >= 0.02  # all of it by a child that has ended
    finally:
        child.communicate(b"\n")
    with pytest.raises(OSError):
        sampling.tree_cpu(child.pid)


def test_waiting_for_a_cpu_grows_only_for_who_waits():
    if sampling.run_queue_wait(os.getpid()) is None:
        pytest.skip("this kernel has no schedstat")
    before = sampling.run_queue_wait(os.getpid())
    time.sleep(0.01)
    assert sampling.run_queue_wait(os.getpid()) >= before
    assert sampling.run_queue_wait(2**22 + 1) is None


@pytest.mark.skipif(system_calls.find() is None, reason="neither perf nor strace may be used here")
def test_system_calls_of_a_process_are_counted():
    """sh in a loop of one read() each: as many calls as lines, and a few."""
    child = subprocess.Popen(
        ["sh", "-c", "echo; while read -r line; do echo $line; done"], stdin=-1, stdout=-1
    )
    try:
        child.stdout.readline()
        counter = system_calls.Counter(system_calls.find(), child.pid)
        assert counter.begin()
        for _ in range(100):
            child.stdin.write(b"x\n")
            child.stdin.flush()
            child.stdout.readline()
        total = counter.end()
    finally:
        child.communicate()
    # Read "\n", write, and read "x" of the next line, which for the last line may be after the end.
    assert 299 <= total <= 320
    assert counter.end() is None
