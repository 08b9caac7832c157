"""The results folder: tables that are complete CSV files at any moment, and a log."""

import codecs
import csv
import datetime
import io
import os
import re
from pathlib import Path
from typing import Callable, Mapping, Protocol, Sequence

from .. import Failure, ROOT
from . import csv_file, reading

COLUMNS = (
    "block,order,server,proxy,n,m,w,d,c,duration_s,requests,rps,mean_us,p50_us,p90_us,p99_us,p999_us,"
    "max_us,bytes,errors,cpu_user_us_per_req,cpu_sys_us_per_req,ctx_voluntary_per_req,"
    "ctx_involuntary_per_req,rss_kib,rss_peak_kib,kernel_kib,threads,db_cpu_share,server_cpu_share,"
    "wrk_cpu_share,idle_share,steal_share,flags,cpu_groups,workload,t,"
    "k,i,load,generator,mode,offered_rps,achieved_rps"
).split(",")
DETAIL = (
    "block,order,server,attempt,started_at,littles_ratio,in_flight_ratio,goodput_rps,connect_ms,"
    "connections_open,connections_accepted,server_requests,queries_per_req,query_us_per_req,"
    "pool_waits_per_req,pool_wait_us_per_req,runqueue_wait_us_per_req,server_cpu_us_per_req,"
    "db_cpu_us_per_req,wrk_cpu_us_per_req,proxy_cpu_us_per_req,proxy_cpu_share,other_share,bystander_cpu,"
    "cpu_pressure_share,kernel_stack_kib,page_tables_kib,slab_kib,tcp_kib,db_commits_per_query,"
    "db_blocks_hit_per_query,db_blocks_read_per_query,db_deadlocks,harness_cpu_share,generators_apart_ms,"
    "load_s,wall_s,cpu_work_ms,hand_offs_ms,throttled_s,"
    "reads,lists,creates,replaces,patches,deletes,items_before,items_after,"
    "generator_late_share,waited_share,unfinished,generator_cpu_share,service_p99_us"
).split(",")
UNSOUND = COLUMNS + ["attempt", "reason"]
SYSCALLS = "server,proxy,n,m,w,d,c,method,requests,syscalls,syscalls_per_req,workload,t,k,i,load".split(",")
KEY = "block", "order", "server"
# Of MODE=open. A configuration is a point without its load.
CONFIGURATION = "proxy,n,m,w,d,t,c,k,i,workload".split(",")
RATES = [*CONFIGURATION, "server", "try", "rps"]
CAPACITY = [*KEY, *CONFIGURATION, "slo_ms", "capacity_rps", "steps", "bound"]
CAPACITY_STEPS = [*KEY, *CONFIGURATION, "step", "offered_rps", "achieved_rps", "p99_us", "met", "note"]
SERIES = [*KEY, "second", "requests", "p50_us", "p99_us", "max_us", "due", "checkpoints"]
HISTOGRAM = [*KEY, "up_to_us", "requests"]


def text(value: object) -> str:
    """A field of a table: six significant digits, and empty for a missing value."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def line(columns: Sequence[str], row: Mapping) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([text(row.get(column)) for column in columns])
    return out.getvalue().encode()


class Table:
    """A CSV file to which whole rows are appended; a row that does not fit on the disk leaves no part of itself."""

    def __init__(self, path: Path, columns: Sequence[str]):
        self.path, self.columns = path, columns
        if not path.exists() or path.stat().st_size == 0:
            self._write((",".join(columns) + "\n").encode())
        else:
            self._drop_half_a_row()
            self._check()

    def _drop_half_a_row(self) -> None:
        """A power failure may have left one at the end of the file. A file that is not of this table stays as it is."""
        data = csv_file.read_bytes(self.path)
        whole = re.match(rb"(.*[\r\n])?", data, re.S)
        assert whole
        first = data.splitlines()[0]
        if whole[0] and whole[0] != data:
            heads: list[str] = next(csv.reader([first.decode("utf-8-sig", "replace")]), [])
            reading.check_heads(self.path, heads, self.columns)
            os.truncate(self.path, len(whole[0]))
        elif not whole[0] and data.removeprefix(codecs.BOM_UTF8) == ",".join(self.columns).encode():
            self._write(b"\n")

    def _check(self) -> None:
        """Whether rows can follow those that are there."""
        self.rows()
        if csv_file.text(self.path).splitlines()[0] != ",".join(self.columns):
            raise Failure(f"{self.path} has other columns than this version writes: choose another OUT")

    def append(self, *rows: Mapping) -> None:
        """All of them or none."""
        self._write(b"".join(line(self.columns, row) for row in rows))

    def rows(self) -> list[dict[str, str]]:
        return reading.table(self.path, self.columns)

    def remove(self, unwanted: Callable[[dict], bool]) -> list[dict]:
        """Removes the rows for which unwanted(row) holds, and returns them."""
        rows = self.rows()
        gone = [row for row in rows if unwanted(row)]
        if gone:
            kept = b"".join(line(self.columns, row) for row in rows if not unwanted(row))
            replace(self.path, (",".join(self.columns) + "\n").encode() + kept)
        return gone

    def remove_block(self, block: int) -> list[dict]:
        """The rows of a block, likewise. Where there are none, a long table is not taken apart to find that out."""
        if not re.search(rb'^"?0*%d"?,' % block, self.path.read_bytes(), re.MULTILINE):
            return []
        return self.remove(lambda row: int(row["block"]) == block)

    def _write(self, data: bytes) -> None:
        try:
            with self.path.open("ab", buffering=0) as stream:
                end = stream.seek(0, os.SEEK_END)
                try:
                    if stream.write(data) != len(data):
                        raise OSError(None, "there is no space left")
                except OSError:
                    stream.truncate(end)
                    raise
        except OSError as error:
            raise Failure(
                f"cannot write to {self.path}: {error.strerror}; every row before it is there"
            ) from None


def replace(path: Path, data: bytes) -> None:
    """Writes a file. A reader meanwhile reads the whole old one or the whole new one."""
    draft = path.with_suffix(path.suffix + ".new")
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise Failure(f"cannot write to {path}: {error.strerror}") from None


class Run(Protocol):
    row: dict
    detail: dict
    series: list[dict]
    histogram: list[dict]


class Folder:
    def __init__(self, path: str | Path | None):
        self.path = Path(path) if path else new_folder()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Failure(
                f"cannot make the results folder {self.path}: {error.strerror}; choose another OUT"
            ) from None
        self.runs = Table(self.path / "runs.csv", COLUMNS)
        self.detail = Table(self.path / "detail.csv", DETAIL)
        self.unsound = Table(self.path / "unsound.csv", UNSOUND)
        self.syscalls = Table(self.path / "syscalls.csv", SYSCALLS)
        self.series = Table(self.path / "series.csv", SERIES)
        self.histogram = Table(self.path / "histogram.csv", HISTOGRAM)

    def log(self, words: str) -> None:
        """A line in run.log. A full disk loses the line and stops nothing; a lost row stops the run."""
        try:
            with (self.path / "run.log").open("a") as stream:
                stream.write(f"{now():%Y-%m-%dT%H:%M:%S}Z {words}\n")
        except OSError:
            pass

    def keep(self, run: Run) -> None:
        """The row of runs.csv comes last: a run that is in it has its other rows, even where the disk became full. What is
        left of a run without one goes with its block (discard)."""
        key = {name: run.row[name] for name in KEY}
        self.histogram.append(*(key | bucket for bucket in run.histogram))
        self.series.append(*(key | second for second in run.series))
        self.detail.append(run.detail)
        self.runs.append(run.row)

    def discard(self, block: int, attempt: int, reason: str) -> None:
        """Moves the rows of a block from runs.csv to unsound.csv: the block is run again as a whole."""
        for row in self.runs.remove_block(block):
            self.unsound.append(row | {"attempt": attempt, "reason": reason})
        for table in (self.detail, self.series, self.histogram):
            table.remove_block(block)


def new_folder() -> Path:
    """Where results go that are told no other place; it is not made."""
    return ROOT / "results" / now().strftime("%Y-%m-%dT%H%M%SZ")


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
