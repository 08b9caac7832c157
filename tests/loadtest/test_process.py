"""Child processes of the load test."""

import signal
import sys
import time

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
