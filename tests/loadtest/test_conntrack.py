"""Connection tracking: what it holds, what it dropped, and that a run in which it dropped something is unsound."""

import pytest
from test_soundness import observation, words

from waitbench.base import kernel
from waitbench.observe import conntrack

STAT = """entries  clashres found new drop early_drop
0000000a  00000000 00000000 00000000 00000010 00000001
0000000a  00000000 00000000 00000000 00000002 00000000
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function that writes a file of a made-up /proc."""
    monkeypatch.setattr(kernel, "ROOT", tmp_path)

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    return write


def test_where_nothing_is_tracked(machine):
    assert (conntrack.dropped(), conntrack.sustained(), conntrack.warning()) == (None, None, None)


def test_what_was_dropped_is_the_sum_over_the_cpus(machine):
    machine(conntrack.COUNTS, STAT)
    assert conntrack.dropped() == 18


@pytest.mark.parametrize("text", ["", "entries found\n00000001 00000002\n", "drop\nmany\n"])
def test_a_file_of_another_kind_says_nothing(machine, text):
    machine(conntrack.COUNTS, text)
    assert not conntrack.dropped()


def test_the_warning_says_how_many_it_holds(machine):
    machine(conntrack.SETTINGS + "max", "262144\n")
    machine(conntrack.SETTINGS + "tcp_timeout_time_wait", "120\n")
    assert conntrack.sustained() == pytest.approx(2184.5, abs=0.1)
    assert "holds 2,185 new connections per second" in conntrack.warning()


@pytest.mark.parametrize(
    "first, last, expected", [(3, 3, []), (3, 5, ["dropped"]), (None, None, []), (None, 5, [])]
)
def test_a_run_in_which_connections_were_dropped_is_unsound(first, last, expected):
    seen = observation()
    seen.first.dropped, seen.last.dropped = first, last
    assert words(seen) == expected
