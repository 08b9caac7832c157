"""SIGINT and SIGTERM as an exception, so that whatever was begun is undone on the way out."""

import contextlib
import signal
import sys
from typing import Iterator

AGAIN_S = 0.02


class Interrupted(Exception):
    """SIGINT or SIGTERM."""


def interruptible() -> None:
    """From here on SIGINT and SIGTERM raise Interrupted, once: a second signal, while things are being
    stopped, changes nothing. Python drops an exception of a callback (after a fork, or in a destructor): then the signal
    comes again, a little later. It is a timer of the process (setitimer(2)) that sends it again, since Python warns of
    a fork beside a thread."""

    def on_signal(number, frame):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Interrupted

    def arm() -> None:
        signal.signal(signal.SIGINT, on_signal)
        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGALRM, lambda number, frame: signal.raise_signal(signal.SIGINT))

    def on_dropped(dropped):
        if not issubclass(dropped.exc_type, Interrupted):
            return sys.__unraisablehook__(dropped)
        arm()
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)

    sys.unraisablehook = on_dropped
    arm()


@contextlib.contextmanager
def ignored() -> Iterator[None]:
    """Meanwhile both signals change nothing: what is being undone is to be finished."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
