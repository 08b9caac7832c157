"""The counters of the server: a row of numbers per worker in memory that all processes share, and GET /stats.

The memory is made in the master before it forks. A worker that takes the place of one that died goes on counting in
its row, so no count is lost; what CPU the dead one took, the master knows from the kernel.
"""

import importlib.metadata
import mmap
import os
import platform
import resource
import sys
import threading
import time
from datetime import datetime, timezone
from typing import Callable, NoReturn

from settings import Settings, fail

# The numbers of a row.
(
    AGE,  # gunicorn's number of the worker whose row this is; 0: nobody's
    PID,
    READY,
    REQUESTS,
    QUERIES,
    REPLIES_4XX,
    REPLIES_5XX,
    CONNECTIONS_OPEN,
    CONNECTIONS_ACCEPTED,
    DB_CONNECTS,
    DB_LOST,
) = range(11)
FAILED = 4  # in the row of the dead
WORKER_BOOT_ERROR = 3  # the exit status at which gunicorn ends the server instead of trying again
WIDTH = 16  # numbers of a row: two cache lines, so that no two workers write to the same one
PACKAGES = {
    "python-wsgi": ("gunicorn", "bottle", "psycopg", "psycopg-pool"),
    "python-asgi": ("gunicorn", "uvicorn", "starlette", "asyncpg", "uvloop", "httptools"),
}


class Stats:
    def __init__(self, settings: Settings):
        self.settings = settings
        self.master = os.getpid()
        self.start_time = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        memory = memoryview(mmap.mmap(-1, 8 * WIDTH * (settings.workers + 1))).cast("q")
        rows = [memory[i * WIDTH : (i + 1) * WIDTH] for i in range(settings.workers + 1)]
        self.rows, self._of_dead = rows[:-1], rows[-1]
        # Workers that become ready at the same moment: the one that gets this byte writes the line.
        self._token, token = os.pipe()
        os.set_blocking(self._token, False)
        os.write(token, b".")
        os.close(token)
        self.version = " ".join(
            [f"python {platform.python_version()}"]
            + [f"{name} {_version(name)}" for name in PACKAGES[settings.model]]
        )

    # ---- In the master

    def assign(self, age: int) -> None:
        """Before a worker is forked: the first free row is its own."""
        next(row for row in self.rows if not row[AGE])[AGE] = age

    def release(self, age: int) -> None:
        """After a worker has ended. Its CPU and context switches are in the kernel's account of dead children."""
        for row in self.rows:
            if row[AGE] == age:
                row[AGE] = row[PID] = row[CONNECTIONS_OPEN] = row[READY] = 0
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._of_dead[0] = round(used.ru_utime * 1e6)
        self._of_dead[1] = round(used.ru_stime * 1e6)
        self._of_dead[2], self._of_dead[3] = used.ru_nvcsw, used.ru_nivcsw

    def has_failed(self) -> bool:
        """Whether a worker could not serve."""
        return bool(self._of_dead[FAILED])

    # ---- In a worker

    def index_of(self, age: int) -> int:
        return next(i for i, row in enumerate(self.rows) if row[AGE] == age)

    def set_ready(self, index: int) -> None:
        """The line with `listening` comes from the worker that is the last to be ready, once."""
        self.rows[index][READY] = 1
        if all(row[READY] for row in self.rows) and os.read(self._token, 1):
            host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
            print(
                f"waitbench {self.settings.model}: listening on http://{host}:{self.settings.port}",
                file=sys.stderr,
                flush=True,
            )

    def cannot_serve(self, error: BaseException) -> NoReturn:
        self._of_dead[FAILED] = 1
        fail(
            f"cannot use the database: {' '.join(str(error).split()) or type(error).__name__}",
            WORKER_BOOT_ERROR,
        )

    def counter(self, row: memoryview) -> Callable[[int, int], None]:
        """A function that counts a response by its status, and its queries. Any thread of the worker may call it."""
        lock = threading.Lock()

        def count(status: int, queries: int) -> None:
            with lock:
                row[REQUESTS] += 1
                row[QUERIES] += queries
                if status >= 400:
                    row[REPLIES_4XX if status < 500 else REPLIES_5XX] += 1

        return count

    def document(self) -> dict:
        """GET /stats; units: common/API.md."""

        def total(column: int) -> int:
            return sum(row[column] for row in self.rows)

        pids = [self.master, *(row[PID] for row in self.rows if row[PID])]
        user_us, system_us, voluntary, involuntary = self._of_dead[:4]
        found = {"cpu_user_s": user_us / 1e6, "cpu_system_s": system_us / 1e6}
        found |= {"ctx_voluntary": voluntary, "ctx_involuntary": involuntary}
        found |= {"threads": 0, "rss_kib": 0, "rss_peak_kib": 0}
        for pid in pids:
            for name, value in _of_process(pid).items():
                found[name] += value
        return found | {
            "model": self.settings.model,
            "version": self.version,
            "build": platform.python_compiler(),
            "pid": self.master,
            "start_time": self.start_time,
            "boot_id": _read("/proc/sys/kernel/random/boot_id").strip(),
            "cpus": os.cpu_count(),
            "workers": self.settings.workers,
            "requests": total(REQUESTS),
            "queries": total(QUERIES),
            "replies_4xx": total(REPLIES_4XX),
            "replies_5xx": total(REPLIES_5XX),
            "connections_open": total(CONNECTIONS_OPEN),
            "connections_accepted": total(CONNECTIONS_ACCEPTED),
            "pool_size": self.settings.pool,
            "db_connects": total(DB_CONNECTS),
            "db_lost": total(DB_LOST),
        }


def _of_process(pid: int) -> dict[str, float]:
    """Nothing of a process that ends at this moment: then the account of dead children has it."""
    try:
        ticks = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        # The clock that the kernel keeps of the process's CPU (clock_getcpuclockid(3)): to the nanosecond, ended
        # threads included. The split into user and system comes from ticks.
        cpu_s = time.clock_gettime(~pid << 3 | 2)
        system_s = min(cpu_s, int(ticks[12]) / os.sysconf("SC_CLK_TCK"))
        found = {"cpu_user_s": cpu_s - system_s, "cpu_system_s": system_s}
        status = _status(f"/proc/{pid}/status")
        found |= {"threads": status["Threads"], "rss_kib": status["VmRSS"], "rss_peak_kib": status["VmHWM"]}
        tasks = [_status(f"/proc/{pid}/task/{task}/status") for task in os.listdir(f"/proc/{pid}/task")]
        found["ctx_voluntary"] = sum(task["voluntary_ctxt_switches"] for task in tasks)
        found["ctx_involuntary"] = sum(task["nonvoluntary_ctxt_switches"] for task in tasks)
        return found
    except (OSError, KeyError):
        return {}


def _status(path: str) -> dict[str, int]:
    lines = (line.split() for line in _read(path).splitlines())
    return {words[0][:-1]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}


def _read(path: str) -> str:
    with open(path) as stream:
        return stream.read()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of an unknown version"
