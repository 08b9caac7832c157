"""Which part runs on which CPUs, and that a child process does."""

import os
import subprocess

import pytest

from waitbench import Failure
from waitbench.base import process
from waitbench.bench import placement


@pytest.mark.parametrize("count", range(4, 130))
def test_everyone_gets_cpus_of_their_own_and_all_are_used(count):
    places = placement.divide(list(range(count)))
    assert set(places) == {"server", "wrk", "database"}
    assert sorted(cpu for own in places.values() for cpu in own) == list(range(count))
    assert len(places["server"]) == len(places["wrk"]) <= len(places["database"])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_to_divide_is_said(count):
    cpus = list(range(count))
    assert placement.divide(cpus) == {}
    assert "too few to divide" in placement.sentence({}, cpus, "auto", False)
    assert "PIN=none" in placement.sentence({}, cpus, "none", False)
    assert "elsewhere" in placement.sentence({}, cpus, "auto", True)


def test_a_child_runs_where_it_was_put_and_its_children_too():
    cpu = max(os.sched_getaffinity(0))
    said = os.memfd_create("said")
    child = process.start(
        ["sh", "-c", "grep Cpus_allowed_list /proc/self/status"], process.Place({cpu}), stdout=said
    )
    assert process.reap(child, 5)
    assert os.pread(said, 100, 0).split()[-1] == str(cpu).encode()
    os.close(said)


def test_a_child_is_stopped_or_killed_and_its_end_is_known():
    deaf = process.start(
        ["sh", "-c", "trap '' TERM; echo; while :; do sleep 0.05; done"], stdout=subprocess.PIPE
    )
    deaf.stdout.readline()
    assert process.stop(deaf, 0.2) == -9
    assert process.stop(process.start(["sleep", "60"]), 5) == -15
    ended = process.start(["false"])
    assert process.reap(ended, 5) and ended.returncode == 1
    assert process.stop(ended, 1) == 1
    deaf.stdout.close()


def test_all_are_killed_at_once():
    children = [process.start(["sleep", "60"]) for _ in range(3)]
    process.kill_all()
    assert [child.returncode for child in children] == [-9] * 3


@pytest.mark.parametrize("text", ["x", "0-", "0,,1", "1-2-x", "0..3"])
def test_what_is_no_list_of_cpus_is_a_sentence(text):
    with pytest.raises(Failure, match=f"DB_CPUS: '{text}' is not a list of CPUs"):
        placement.elsewhere([0, 1], {"DB_CPUS": text})
