"""pace and the server with planned delays (delay_server.c), for the tests of pace."""

import dataclasses
import functools
import json
import math
import os
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
PACE = BUILD / "pace"
SERVER = BUILD / "tests/loadtest/delay_server"
HANGS = 20  # s; every run here is far shorter


def _first():
    """A prefix that puts a program before all others on its CPU, where that is permitted: tests of microseconds run
    beside other programs."""
    words = ["chrt", "--fifo", "1"]
    try:
        return words if subprocess.run([*words, "true"], capture_output=True).returncode == 0 else []
    except FileNotFoundError:
        return []


FIRST = _first()


class Server:
    """A context manager: the server with this plan. `seen` is what it reports in the end."""

    def __init__(self, prefix=(), **plan):
        self.prefix = prefix
        self.words = [f"{name}={value}" for name, value in plan.items()]
        self.host = plan.get("host", "127.0.0.1")
        self.seen = {}

    def __enter__(self):
        assert SERVER.exists(), f"{SERVER} is missing: make BUILD={BUILD} test-programs"
        self.process = subprocess.Popen(
            [*self.prefix, SERVER, *self.words], stdout=subprocess.PIPE, text=True
        )
        self.port = int(self.process.stdout.readline())
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.url = f"http://{host}:{self.port}"
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        said, _ = self.process.communicate(timeout=HANGS)
        self.seen = json.loads(said) if said else {}


@dataclasses.dataclass
class Outcome:
    """How a run of pace ended. `result` is its JSON, None where it wrote none."""

    status: int
    said: str  # on standard output
    complaint: str  # on standard error
    result: dict | None = None

    def __getitem__(self, name):
        assert self.result is not None, self.complaint
        return self.result[name]

    def percentile(self, share, which="latency"):
        """Milliseconds, by nearest rank."""
        pairs = self[which]
        rank, seen = math.ceil(share * sum(count for _, count in pairs)), 0
        for us, count in pairs:
            seen += count
            if seen >= rank:
                return us / 1000
        raise AssertionError("no samples")

    def share_above(self, ms, which="latency"):
        pairs = self[which]
        return sum(count for us, count in pairs if us > ms * 1000) / sum(count for _, count in pairs)

    def count(self, which="latency"):
        return sum(count for _, count in self[which])

    @property
    def wrong(self):
        """The errors that there were, by name."""
        return {name: count for name, count in self["errors"].items() if count}


def command(*words):
    assert PACE.exists(), f"{PACE} is missing: make BUILD={BUILD} {PACE.relative_to(BUILD.parent)}"
    return [str(PACE), *map(str, words)]


def start(*words, prefix=(), json_to="-"):
    """pace, started; `outcome` waits for its end."""
    return subprocess.Popen(
        [*prefix, *command(*([] if json_to is None else ["--json", json_to]), *words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"LC_ALL": "C"},
    )


def await_handlers(child):
    """Waits until the child handles SIGTERM: before, it would be ended by one."""
    deadline = time.monotonic() + HANGS
    while time.monotonic() < deadline:
        status = Path(f"/proc/{child.pid}/status").read_text()
        if int(status.partition("SigCgt:")[2].split()[0], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.01)
    raise AssertionError("it never handled SIGTERM")


def outcome(process):
    try:
        said, complaint = process.communicate(timeout=HANGS)
    finally:
        process.kill()
    result = json.loads(said) if said.startswith("{") else None
    return Outcome(process.returncode, said, complaint, result)


def pace(*words, prefix=(), json_to="-"):
    """One run of pace, with its result on standard output."""
    return outcome(start(*words, prefix=prefix, json_to=json_to))


def right(*words, **options):
    """A run without errors. On a busy machine pace may have been late, and says so; that is no fault of either."""
    done = pace(*words, **options)
    assert done.status in (0, 3), done.complaint
    assert not done.wrong and done["first_error"] == ""
    assert done["sound"] == (done.status == 0) == (not done["unsound"])
    assert all(reason.startswith(("late: ", "cpu: ")) for reason in done["unsound"])
    return done


def exact(*words):
    """The same before all other programs."""
    return right(*words, prefix=FIRST)


def exact_server(**plan):
    return Server(FIRST, **plan)


def on_a_quiet_machine(test):
    """A test whose bounds another process on the machine may break: it passes if one of three runs does. A wrong
    figure is wrong in all three."""

    @functools.wraps(test)
    def repeated(*arguments, **named):
        for attempt in range(3):
            try:
                return test(*arguments, **named)
            except AssertionError:
                if attempt == 2:
                    raise

    return repeated


def log(path):
    """[(seconds, "address,port" of the client, target)] of a server's log."""
    rows = (line.split() for line in path.read_text().splitlines())
    return [(int(ns) / 1e9, client, target) for ns, client, target in rows]
