"""Files of /proc and /sys that are missing, empty, cut short or full of something else, as in rootless containers,
under lxcfs and gVisor: a figure is then not known, and never 0."""

import json
import os
from types import SimpleNamespace

import psycopg2
import pytest
import synthetic
import test_soundness
from waitbench.base import kernel, process, results
from waitbench.bench import cpu_groups, database, environment, placement
from waitbench.judge import evidence, figures, soundness, summary
from waitbench.observe import cgroups, deployment, hosts, sampling
from waitbench.plan import settings
from waitbench.show import findings, report, table
from waitbench.show.pictures import shares

PID = os.getpid()
SYSTEM = "sys/devices/system/cpu"
FILES = {
    "proc/stat": "cpu  9 1 5 70 2 0 3 1 0 0\ncpu0 9 1 5 70 2 0 3 1 0 0\n",
    "proc/meminfo": "MemTotal: 900 kB\nSlab: 30 kB\nKernelStack: 4 kB\nPageTables: 5 kB\nHugePages_Total: 0\n",
    "proc/net/sockstat": "sockets: used 9\nTCP: inuse 1 orphan 0 tw 0 alloc 2 mem 3\n",
    "proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n",
    "proc/cpuinfo": "model name\t: A CPU\nflags\t\t: fpu hypervisor\n",
    "proc/self/cgroup": "0::/\n",
    "proc/self/mountinfo": "30 22 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io\n",
    "sys/fs/cgroup/cpu.max": "150000 100000\n",
    "sys/fs/cgroup/cpu.stat": "usage_usec 9\nthrottled_usec 5\n",
    "proc/sys/kernel/random/boot_id": "01234567-89ab-cdef-0123-456789abcdef\n",
    "proc/sys/kernel/sched_autogroup_enabled": "1\n",
    "proc/sys/kernel/threads-max": "1\n",
    "proc/sys/kernel/pid_max": "1\n",
    "proc/sys/net/core/somaxconn": "1\n",
    f"proc/{PID}/stat": f"{PID} (a b) S 1 1 1 0 -1 4 1 1 1 1 1 2 3 4 20 0 1 0 9 9 9\n",
    f"proc/{PID}/status": "Name:\ta\nSigCgt:\t0000000000000000\n",
    f"proc/{PID}/comm": "postgres\n",
    f"proc/{PID}/schedstat": "1000000000 2000000000 3\n",
    f"proc/{PID}/task/{PID}/schedstat": "1000000000 2000000000 3\n",
    f"proc/{PID}/task/{PID}/children": "",
    f"{SYSTEM}/cpufreq/boost": "1\n",
    f"{SYSTEM}/smt/active": "1\n",
    f"{SYSTEM}/cpu0/cpufreq/scaling_governor": "powersave\n",
    f"{SYSTEM}/cpu0/topology/thread_siblings_list": "0-1\n",
}
# The figures that each file is needed for.
NEEDED = {
    "proc/stat": {"machine"},
    "proc/meminfo": {"kernel", "memory_kib"},
    "proc/net/sockstat": {"tcp"},
    "proc/pressure/cpu": {"pressure"},
    "proc/cpuinfo": {"cpu_model", "virtual"},
    "proc/self/cgroup": {"by_session", "cpu_limit", "throttled"},
    "proc/self/mountinfo": {"by_session", "cpu_limit", "throttled"},
    "sys/fs/cgroup/cgroup.controllers": {"by_session", "cpu_limit", "throttled"},
    "sys/fs/cgroup/cpu.max": {"cpu_limit"},
    "sys/fs/cgroup/cpu.stat": {"throttled"},
    "proc/sys/kernel/random/boot_id": {"boot_id"},
    "proc/sys/kernel/sched_autogroup_enabled": {"by_session"},
    "proc/sys/kernel/threads-max": {"threads-max"},
    "proc/sys/kernel/pid_max": {"pid_max"},
    "proc/sys/net/core/somaxconn": {"somaxconn"},
    f"proc/{PID}/stat": {"cpu_s"},
    f"proc/{PID}/status": {"does_not_catch"},
    f"proc/{PID}/comm": {"place"},
    f"proc/{PID}/schedstat": {"cpu_s"},
    f"proc/{PID}/task/{PID}/schedstat": {"run_queue"},
    f"proc/{PID}/task/{PID}/children": {"cpu_s"},
    f"{SYSTEM}/cpufreq/boost": {"turbo"},
    f"{SYSTEM}/smt/active": {"smt"},
    f"{SYSTEM}/cpu0/cpufreq/scaling_governor": {"governor"},
}
ANY_TEXT = {f"proc/{PID}/comm", f"{SYSTEM}/smt/active", f"{SYSTEM}/cpu0/cpufreq/scaling_governor"}
DAMAGES = {
    "absent": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "empty": lambda path: path.write_text(""),
    "cut short": lambda path: path.write_text(path.read_text()[:4]),
    "garbage": lambda path: path.write_bytes(b"\xff\xfe\x00 ? \n: :\n-\n"),
    "words": lambda path: path.write_text("not: known\n"),
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(kernel, "ROOT", tmp_path)
    monkeypatch.setattr(deployment, "own", lambda: deployment.NATIVE)
    return tmp_path


def known():
    """The names of the figures that are known; a figure that is not known is None, "", or no claim."""
    machine, memory, group = environment.machine(), sampling.memory(), cgroups.group_of()
    met = " ".join(environment.limits_met(10))
    found = {name: machine[name] for name in ("memory_kib", "governor", "turbo", "smt", "virtual")}
    found |= {name: name in met or None for name in ("threads-max", "pid_max", "somaxconn")}
    found |= {
        "machine": sampling.machine(), "kernel": memory.kernel, "tcp": memory.tcp, "pressure": sampling.pressure(),
        "cpu_model": machine["cpu_model"] == "A CPU" or None, "by_session": cpu_groups.as_found(group) == cpu_groups.SESSION or None,
        "cpu_limit": machine["cpu_limit"], "throttled": group and cgroups.throttled_s(group),
        "boot_id": hosts.own().boot_id or None, "cpu_s": sampling.tree_cpu(PID),
        "run_queue": sampling.run_queue_wait(PID),
        "does_not_catch": None if process.catches(SimpleNamespace(pid=PID), 2) else True,
        "place": {deployment.UNKNOWN: None}.get(deployment.of_process(PID, "postgres"), True),
    }  # fmt: skip
    placement.available()
    return {name for name, value in found.items() if value is not None}


def test_every_figure_is_known_where_the_kernel_says_all(root):
    assert known() == set().union(*NEEDED.values())


def cases():
    for name in FILES:
        for damage in DAMAGES:
            number = name.startswith("proc/sys") and "boot" not in name
            harmless = (
                damage in ("empty", "cut short") and name.endswith("children")
                or damage == "cut short" and (number or name in ANY_TEXT or name.startswith("sys") or name.endswith("cgroup"))
                or damage == "words" and name in ANY_TEXT - {f"proc/{PID}/comm"}
            )  # fmt: skip
            if not harmless:
                yield name, damage


@pytest.mark.parametrize("name, damage", cases())
def test_a_figure_is_not_known_where_its_file_is_not_as_it_should_be(root, name, damage):
    everything = known()
    DAMAGES[damage](root / name)
    assert everything - known() == NEEDED.get(name, set())


def test_nothing_at_all(root, monkeypatch):
    monkeypatch.setattr(kernel, "ROOT", root / "none")
    monkeypatch.setattr(os, "getloadavg", lambda: (_ for _ in ()).throw(OSError))
    assert known() == set()
    chosen = settings.load(["--targets", "a=http://127.0.0.1:1"], {})
    facts = environment.describe(chosen, None, {}, [0], {"a": {"pid": 7}})
    assert facts["machine"]["load_average"] is None and facts["limits"]["somaxconn"] is None
    assert not any("busy" in warning or "thread" in warning for warning in facts["warnings"])
    json.dumps(facts)


def test_lxcfs_writes_0_for_what_it_does_not_know(root):
    (root / "proc/meminfo").write_text(FILES["proc/meminfo"].replace("Slab: 30 kB", "Slab: 0 kB"))
    assert sampling.memory().slab is None and sampling.memory().kernel is None


def test_a_process_that_has_ended_is_no_missing_file(root):
    with pytest.raises(ProcessLookupError):
        sampling.tree_cpu(2**22 + 1)


class Elsewhere(database.Database):
    """PostgreSQL on a machine of which these files are seen."""

    def __init__(self, root):
        self.root, self.postmaster = root, None
        self.session = SimpleNamespace(link=SimpleNamespace(info=SimpleNamespace(host="db")))

    def _query(self, sql):
        path = self.root / sql.split("'")[1].strip("/").replace("proc/self/", f"proc/{PID}/")
        try:
            return [(path.read_text(),)]
        except FileNotFoundError:
            return [(None,)]
        except (IsADirectoryError, UnicodeDecodeError):
            raise psycopg2.Error from None


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "name", [f"proc/{PID}/stat", "proc/1/schedstat", "proc/sys/kernel/random/boot_id", "proc/stat"]
)
def test_a_database_elsewhere(root, name, damage):
    for file in ("stat", "schedstat", "task/1/children"):
        (root / "proc/1" / file).parent.mkdir(parents=True, exist_ok=True)
        (root / "proc/1" / file).write_text(FILES[f"proc/{PID}/{file.replace('1', str(PID))}"])
    db = Elsewhere(root)
    db.host = db._find_host()
    assert db.cpu_s() > 0 and db.host.cpus == 1
    DAMAGES[damage](root / name)
    db.host = db._find_host()
    lost = db.host.cpus is None if name == "proc/stat" else db.cpu_s() is None
    assert lost


OF_THE_MACHINE = "kernel_kib", "idle_share", "steal_share"


@pytest.mark.parametrize("standing_still", [False, True])
def test_a_run_without_the_machines_figures(standing_still):
    """It is sound, and its fields are empty."""
    seen = test_soundness.observation()
    none = sampling.Memory(None, None, None, None)
    first = test_soundness.machine() if standing_still else None
    seen.first.machine = seen.last.machine = first
    seen.first.pressure = seen.first.db_cpu = seen.last.db_cpu = None
    seen.idle_memory, seen.watched.memory = none, [none]
    assert soundness.judge(seen) == ([], [])
    row, detail = figures.row(seen, []), figures.detail(seen)
    empty = {name for name, value in row.items() if value is None}
    assert empty == {*OF_THE_MACHINE, "db_cpu_share"} | test_soundness.OPEN_ALONE
    assert (
        detail["other_share"] is None and detail["slab_kib"] is None and detail["cpu_pressure_share"] is None
    )
    assert results.line(["idle_share", "kernel_kib"], row) == b",\n"


def test_the_share_of_a_machine_of_unknown_size_is_not_known():
    far = hosts.Host("far", "another-boot", None, "")
    seen = test_soundness.observation(db_host=far)
    assert seen.cpu["db"] and seen.db_cpu_share is None


def test_what_is_not_known_is_shown_as_such(tmp_path):
    rows = synthetic.runs([{}, {"c": 64}], {"threaded": 1000, "libuv": 1100})
    whole = [row | {"db_cpu_share": 0.5} for row in rows]
    assert shares.section(evidence.load(synthetic.write(tmp_path / "whole", whole)))
    unknown = [
        row | dict.fromkeys([*OF_THE_MACHINE, "rss_kib", "threads", "cpu_user_us_per_req"]) for row in rows
    ]
    folder = synthetic.write(tmp_path / "r", unknown)
    found = summary.load(folder)
    assert shares.section(evidence.load(folder)) is None  # what remains would be called other programs' time
    assert "?" in table.text(found) and "of the CPU" not in table.text(found) + findings.text(folder)
    assert "CPU per request is not known" in findings.find(found).servers[0][0]
    assert "<td>?</td>" in report.write(folder).read_text()
    written = dict(zip(*(line.split(",") for line in summary.csv_text(found).splitlines()[:2])))
    assert all(written[name] == "" for name in (*OF_THE_MACHINE, "rss_kib", "cpu_us_per_req", "ratio_cpu"))
