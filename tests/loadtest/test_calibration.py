"""How fast the machine is, and whether that moved."""

import os
import signal
import threading
import time

import pytest
from waitbench.observe import calibration


def test_both_works_take_time_and_leave_no_child():
    cpus = os.sched_getaffinity(0)
    speed = calibration.measure()
    assert speed.cpu_work_ms > 0.1 and speed.hand_offs_ms > 0.1
    assert os.sched_getaffinity(0) == cpus, "they were each on a CPU of their own for a moment only"
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_without_semaphores_one_figure_is_missing(monkeypatch):
    def refused(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(calibration._fork, "Semaphore", refused)
    speed = calibration.measure()
    assert speed.cpu_work_ms > 0 and speed.hand_offs_ms is None


def test_an_interrupt_in_the_middle_leaves_no_child(monkeypatch):
    monkeypatch.setattr(calibration, "HAND_OFFS", 10_000_000)
    previous = signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    try:
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            calibration.measure()
        assert time.monotonic() - begin < 10
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
    finally:
        signal.signal(signal.SIGTERM, previous)


def test_a_machine_that_becomes_slower_is_noticed():
    steady = [5.0, 5.1, 4.9] * 16
    assert calibration.moved(steady) < 0.01
    assert calibration.moved(steady[:24] + [value * 1.2 for value in steady[24:]]) == pytest.approx(0.2)
    assert calibration.moved([5.0, 50.0, 5.0] * 8) == 0  # single interruptions are no change of speed
    assert calibration.moved(steady[:5]) is None
