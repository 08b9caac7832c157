"""Child processes of the load test."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from waitbench.base import process


def catches_within(child, seconds):
    end = time.monotonic() + seconds
    while not process.catches(child, signal.SIGINT) and time.monotonic() < end:
        time.sleep(0.01)
    return process.catches(child, signal.SIGINT)


def test_a_handler_is_seen_when_it_is_there():
    """Python has one for SIGINT, once it has started; sleep has none. (execve(2) closes the descriptors that Popen
    waits for a moment before it resets the handlers.)"""
    without = process.start(["sleep", "9"])
    with_one = process.start([sys.executable, "-c", "import time; time.sleep(9)"])
    try:
        time.sleep(0.1)
        assert not process.catches(without, signal.SIGINT)
        assert catches_within(with_one, 5)
    finally:
        for child in (without, with_one):
            process.kill(child)


SAYS = ["sh", "-c", "echo LC_ALL=$LC_ALL LANGUAGE=$LANGUAGE HOME=$HOME"]


def started(words):
    output = os.memfd_create("said")
    child = process.start(words, stdout=output)
    assert process.reap(child, 5)
    with os.fdopen(output) as stream:
        stream.seek(0)
        return stream.read()


def ran(words):
    return process.run(words, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.parametrize("way", [started, ran])
def test_children_have_the_c_locale(monkeypatch, way):
    """In a German locale strace writes 100,00: no system call was counted."""
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    assert way(SAYS) == f"LC_ALL=C LANGUAGE= HOME={os.environ.get('HOME', '')}\n"


def test_nothing_but_this_module_starts_a_program():
    """So that no child has another environment."""
    folder = Path(__file__).resolve().parents[2] / "loadtest"
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix in ("", ".py")]
    starts = re.compile(r"subprocess\.(run|call|check_\w+|Popen)\(|os\.(system|popen|exec\w+|spawn\w+)\(")
    assert [path.name for path in files if starts.search(path.read_text())] == ["process.py"]
