"""Child processes of the load test."""

import signal
import time

from waitbench.base import process


def test_a_handler_is_seen_once_it_is_there():
    child = process.start(["/bin/sh", "-c", "sleep 1; trap : INT; sleep 5"])
    try:
        time.sleep(0.05)  # execve(2) closes the descriptors that Popen waits for before it resets the handlers
        assert not process.catches(child, signal.SIGINT)
        end = time.monotonic() + 5
        while not process.catches(child, signal.SIGINT) and time.monotonic() < end:
            time.sleep(0.01)
        assert process.catches(child, signal.SIGINT)
    finally:
        process.kill(child)
