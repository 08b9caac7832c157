"""An interrupt that falls into a callback, whose exceptions Python drops, is raised again outside."""

import subprocess
import sys
from pathlib import Path

import pytest

LOADTEST = Path(__file__).resolve().parents[2] / "loadtest"
AFTER_A_FORK = "os.register_at_fork(after_in_parent=fall); os.fork() or os._exit(0)"
IN_A_DESTRUCTOR = "type('Gone', (), {'__del__': lambda self: fall()})()"
SCRIPT = """
import os, signal, sys, time
from waitbench.base import interrupt

def fall():
    os.kill(os.getpid(), signal.SIG%s)
    time.sleep(0.01)

interrupt.interruptible()
try:
    %s
    time.sleep(20)
except interrupt.Interrupted:
    sys.exit(130)
"""


@pytest.mark.parametrize("name", ["INT", "TERM"])
@pytest.mark.parametrize("callback", [AFTER_A_FORK, IN_A_DESTRUCTOR], ids=["fork", "destructor"])
def test_an_interrupt_in_a_callback_is_not_lost(name, callback):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT % (name, callback)],
        env={"PYTHONPATH": str(LOADTEST), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (130, "")
