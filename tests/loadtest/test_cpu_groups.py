"""CPU_GROUPS: the groups are made, everything runs in them, and none is left, whatever ends the load test."""

import contextlib
import errno
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import test_run
from waitbench.base import client, kernel, process
from waitbench.bench import cpu_groups
from waitbench.observe import cgroups
from waitbench.plan import settings

ROOT = Path(__file__).resolve().parents[2]


def writable():
    """Whether this user can make groups here."""
    groups = cpu_groups.make("service")
    groups.remove()
    return groups.actual == cpu_groups.SERVICE


@pytest.fixture
def need_groups():
    if not writable():
        pytest.skip("control groups cannot be made here")


def left():
    """Groups of load tests that are there."""
    own = cgroups.group_of()
    return sorted(path for folder in own.chain for path in folder.glob("waitbench-*")) if own else []


def test_service_has_a_group_of_equal_weight_for_each(need_groups):
    before, home = left(), cgroups.group_of()
    groups = cpu_groups.make("service")
    try:
        folders = [groups.of(role) for role in cpu_groups.ROLES]
        assert len(set(folders)) == 4
        own = cgroups.group_of()
        weight = "cpu.weight" if own.version == 2 else "cpu.shares"
        assert len({(folder / weight).read_text() for folder in folders}) == 1
        child = process.start(["sleep", "60"], process.Place(group=groups.of("wrk")))
        assert cgroups.group_of(child.pid).path == groups.of("wrk")
        assert own.path == groups.of("wrk")  # the load test itself, as in its container
        process.stop(child, 5)
    finally:
        groups.remove()
    assert left() == before and cgroups.group_of() == home


def test_flat_has_one_group_for_all(need_groups):
    groups = cpu_groups.make("flat")
    try:
        assert groups.actual == "flat"
        assert len({groups.of(role) for role in cpu_groups.ROLES}) == 1
    finally:
        groups.remove()


def test_what_still_runs_goes_back(need_groups):
    home = cgroups.group_of()
    groups = cpu_groups.make("service")
    child = process.start(["sleep", "60"])
    groups.place_database([child.pid])
    assert cgroups.group_of(child.pid).path == groups.of("database")
    groups.remove()
    assert cgroups.group_of(child.pid) == home
    process.kill(child)


def test_groups_of_a_load_test_that_was_killed_are_swept_away(need_groups):
    code = f"import sys, time; sys.path.insert(0, {str(ROOT / 'loadtest')!r})\n"
    code += "from waitbench.bench import cpu_groups; cpu_groups.make('service'); print(flush=True); time.sleep(60)"
    child = process.start(["/usr/bin/python3", "-c", code], stdout=subprocess.PIPE)
    child.stdout.readline()
    alive = [path for path in left() if path.name.endswith(str(child.pid))]
    assert alive
    cpu_groups.make("service").remove()  # another load test leaves them alone
    assert alive[0].exists()
    process.kill(child)
    child.stdout.close()
    cpu_groups.make("service").remove()
    assert not alive[0].exists()


@pytest.fixture
def sealed(tmp_path, monkeypatch):
    """A kernel whose groups nobody may change, with autogroup on or off."""
    monkeypatch.setattr(kernel, "ROOT", tmp_path)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)

    def write(autogroup, membership="0::/\n"):
        (tmp_path / "proc/self/cgroup").write_text(membership)
        (tmp_path / "proc/self/mountinfo").write_text("1 0 0:1 / /nowhere ro - cgroup2 cgroup2 ro\n")
        (tmp_path / "nowhere").mkdir()
        (tmp_path / "nowhere/cgroup.controllers").write_text("cpu\n")
        (tmp_path / "proc/sys/kernel/sched_autogroup_enabled").write_text(f"{autogroup}\n")

    return write


@pytest.mark.parametrize(
    "asked, autogroup, membership, actual, says",
    [
        ("service", 1, "0::/\n", "session", "not to be had"),
        ("service", 1, "0::/user.slice\n", "flat", "systemd-run"),
        ("service", 0, "0::/\n", "flat", "all are in one CPU group"),
        ("flat", 1, "0::/\n", "session", "CPU_GROUPS=flat is not to be had"),
        ("session", 1, "0::/\n", "session", "by session"),
        ("session", 1, "0::/x\n", "flat", "leaves alone what is in a control group"),
        ("session", 0, "0::/\n", "flat", "sched_autogroup_enabled is not 1"),
    ],
)
def test_the_nearest_that_can_be_had_is_said(sealed, asked, autogroup, membership, actual, says):
    sealed(autogroup, membership)
    groups = cpu_groups.make(asked)
    assert groups.actual == actual and says in groups.says
    assert groups.of("server") is None
    groups.remove()


def test_a_container_is_told_of_compose(sealed, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    sealed(0)
    monkeypatch.setattr(cpu_groups.Tree, "_make", refuse)
    groups = cpu_groups.make("service")
    assert (
        groups.actual == "flat"
        and "Compose gives each part one" in groups.says
        and "run as root" not in groups.says
    )


def test_servers_elsewhere_are_where_the_user_says():
    def arranged(*words):
        chosen = settings.load(["--targets", "a=http://127.0.0.1:1", *words], {})
        return cpu_groups.arrange(chosen, None).actual

    assert arranged() == "unknown"
    assert arranged("--cpu-groups", "service") == "service"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.skipif(not (ROOT / "build/server-libuv").exists(), reason="no server is built")
def test_a_signal_leaves_no_group_and_no_process(need_groups, number, tmp_path):
    before = left()
    words = ["/usr/bin/python3", str(ROOT / "loadtest/run"), "--servers", "libuv", "--n", "1", "--c", "4"]
    words += [
        "--duration",
        "20",
        "--warmup",
        "0",
        "--repeats",
        "1",
        "--syscalls",
        "none",
        "--out",
        str(tmp_path / "r"),
    ]
    words += ["--port", str(test_run.free_port()), "--build", str(ROOT / "build")]
    log = tmp_path / "log"
    with log.open("w") as stream:
        child = subprocess.Popen(
            words, stdout=stream, stderr=stream, env=test_run.clean(), start_new_session=True
        )
    mine = groups_of(child.pid)
    deadline = time.monotonic() + 60
    while not (members(mine, "server") and len(members(mine, "wrk")) > 1) and time.monotonic() < deadline:
        time.sleep(0.05)
    running = {pid for role in cpu_groups.ROLES for pid in members(mine, role)} - {child.pid}
    assert len(running) >= 5, log.read_text()  # the server, wrk, and PostgreSQL's
    child.send_signal(number)
    child.wait(30)
    if (
        number == signal.SIGKILL
    ):  # the kernel and db/local end the others; the next load test removes the groups
        await_gone(running)
        cpu_groups.make("service").remove()
    assert left() == before
    assert await_gone(running) == []
    assert not re.search("Traceback", log.read_text())


def groups_of(pid):
    return cgroups.group_of().path / f"waitbench-{pid}"


def members(tree, role):
    text = kernel.text(tree / role / "cgroup.procs") or ""
    return [int(word) for word in text.split()]


def await_gone(pids, seconds=20):
    """Those that still run in the end. The first process of a machine reaps orphans when it gets to it."""
    deadline = time.monotonic() + seconds
    while (alive := [pid for pid in pids if runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def runs(pid):
    state = re.search(r"^State:\s+(\w)", kernel.text(f"proc/{pid}/status") or "", re.M)
    return state is not None and state[1] not in "ZX"


@pytest.fixture
def quota(need_groups):
    """A group of this machine that may use 0.3 CPUs."""
    own = cgroups.group_of()
    if own.version == 2 and not own.is_root:
        pytest.skip("no group can be made beside this process")
    folder = own.path / f"quota-{os.getpid()}"
    folder.mkdir()
    if own.version == 1:
        (folder / "cpu.cfs_quota_us").write_text("30000")
    else:
        (folder / "cpu.max").write_text("30000 100000")
    yield folder
    deadline = time.monotonic() + 10
    while folder.exists() and time.monotonic() < deadline:
        try:
            folder.rmdir()
        except OSError:
            time.sleep(0.05)


@pytest.mark.skipif("DATABASE_URL" not in os.environ, reason="tests/run brings a database")
@pytest.mark.skipif(not (ROOT / "build/server-libuv").exists(), reason="no server is built")
def test_a_limit_of_cpu_time_is_recorded_counts_for_workers_and_spoils_the_run(quota, tmp_path):
    folder, said = tmp_path / "r", os.memfd_create("said")
    words = ["/usr/bin/python3", str(ROOT / "loadtest/run"), "--servers", "libuv", "--n", "1", "--c", "4"]
    words += ["--duration", "1", "--warmup", "0", "--repeats", "1", "--retries", "0", "--syscalls", "none"]
    words += ["--port", str(test_run.free_port()), "--build", str(ROOT / "build"), "--out", str(folder)]
    # With 0.3 CPUs, a cluster of its own would take a while.
    environment = test_run.clean() | {"DATABASE_URL": os.environ["DATABASE_URL"]}
    child = process.start(words, process.Place(group=quota), environment, stdout=said, stderr=said)
    assert process.reap(child, 250), os.pread(said, 65536, 0).decode()
    log = os.pread(said, 65536, 0).decode()
    os.close(said)
    assert child.returncode == 3, log
    assert "may use 0.3 CPUs' worth of time" in log
    reasons = [row["reason"] for row in test_run.rows(folder, "unsound.csv")]
    assert len(reasons) == 1 and "throttled: a CPU limit" in reasons[0] and "the server" in reasons[0]
    assert test_run.rows(folder) == []


@pytest.mark.skipif("DATABASE_URL" not in os.environ, reason="tests/run brings a database")
@pytest.mark.skipif(not (ROOT / "build/server-libuv").exists(), reason="no server is built")
def test_an_event_loop_for_each_cpu_that_the_limit_allows(quota):
    port = test_run.free_port()
    environment = test_run.clean() | {"DATABASE_URL": os.environ["DATABASE_URL"], "PORT": str(port)}
    child = process.start([ROOT / "build/server-libuv"], process.Place(group=quota), environment)
    http = client.Client(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + 60
        stats = {}
        while not stats.get("cpu_throttled_s") and time.monotonic() < deadline:
            with contextlib.suppress(client.Unreachable):
                http.get("/work?n=0&m=1000000")
                stats = http.get_json("/stats")
        assert stats["workers"] == 1 and stats["cpu_throttled_s"] > 0
    finally:
        http.close()
        process.stop(child, 20)
