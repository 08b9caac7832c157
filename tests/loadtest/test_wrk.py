"""How wrk is started, and how its output is parsed."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from waitbench.plan import matrix
from waitbench.base import kernel
from waitbench.observe import load_result, out_of_memory, wrk_output
from waitbench.bench import load_program, wrk

TEXT = (Path(__file__).parent / "golden" / "wrk-4.1.0.txt").read_text()
POINT = matrix.Point("none", 20, 1024, 0, 0, 16)


def test_golden_output():
    result = wrk_output.parse(TEXT)
    assert (result.requests, result.duration_us, result.bytes) == (671, 1082982, 760914)
    assert result.errors == {"connect": 0, "read": 0, "write": 0, "timeout": 0, "status": 0}
    assert result.histogram[0] == (583, 1) and result.histogram[-1] == (191870, 1)


@pytest.mark.parametrize(
    "text",
    ["", "unable to connect to 127.0.0.1:1 Connection refused\n", TEXT[:-40], TEXT.split("waitbench")[0]],
)
def test_output_that_was_cut_off_is_no_result(text):
    with pytest.raises(load_result.Broken):
        wrk_output.parse(text)


def command(server, **changes):
    spec, point = matrix.parse_server(server), POINT._replace(**changes)
    return wrk.command(wrk.job("http://127.0.0.1:1", spec, point, 2.5), 2)


def test_no_response_can_be_slower_than_the_timeout():
    words = command("threaded")
    assert words[words.index("-d") + 1] == "3s"
    assert int(words[words.index("--timeout") + 1].rstrip("s")) > 2.5
    assert words[-1] == "/work?n=20&m=1024&w=0&d=0"


def test_injected_faults_are_other_requests():
    assert command("threaded:slow+n=21")[-1] == "/work?n=21&m=1024&w=0&d=0"
    for option in ("plant", "inject"):
        assert command(f"threaded+{option}=error")[-2:] == ["/work?n=none&m=1024&w=0&d=0", "100"]
        assert command(f"threaded+{option}=short")[-2] == "/work?n=20&m=512&w=0&d=0"
        assert command(f"threaded+{option}=slow-generator")[-1] == "burn=2000"


@pytest.mark.parametrize("connections, cpus, expected", [(16, 2, 2), (17, 2, 1), (16, 1, 1), (1, 8, 1)])
def test_connections_divide_evenly_among_threads(connections, cpus, expected):
    assert load_program.threads(connections, cpus) == expected
    assert connections % expected == 0


def script(folder, text):
    path = folder / "wrk"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return [str(path)]


def test_a_run_has_its_own_cpu_time_and_output(tmp_path):
    (tmp_path / "golden").write_text(TEXT)
    result = wrk.run(
        script(tmp_path, f"i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; cat {tmp_path}/golden"), 1
    )
    assert result.requests == 671
    assert 0.01 < result.cpu_s < 5


def test_a_fraction_of_a_second_ends_by_sigint(tmp_path):
    (tmp_path / "golden").write_text(TEXT)
    looks = []
    text = f"trap 'cat {tmp_path}/golden; exit 0' INT; while :; do sleep 0.05; done"
    result = wrk.run(script(tmp_path, text), 0.3, watch=lambda elapsed: looks.append(elapsed) or 0.1)
    assert result.requests == 671
    assert len(looks) >= 3


@pytest.mark.parametrize(
    "kills, why",
    [
        ((3, 4), "SIGKILL: the kernel's OOM killer ended a process meanwhile, .* choose a smaller C"),
        ((3, 3), "SIGKILL: somebody sent it"),
        ((None, None), "SIGKILL: probably by the kernel's OOM killer .* choose a smaller C"),
    ],
)
def test_a_killed_wrk_is_said_to_be_killed_and_why(tmp_path, monkeypatch, kills, why):
    counts = iter(kills)
    monkeypatch.setattr(out_of_memory, "kills", lambda: next(counts))
    with pytest.raises(load_result.Broken, match=f"{why}.*; it said: b / c$"):
        wrk.run(script(tmp_path, "printf 'a\\nb\\nc\\n'; kill -KILL $$"), 1)


def test_what_a_failing_wrk_says_is_passed_on(tmp_path):
    with pytest.raises(load_result.Broken, match="status 1; it said: unable to connect"):
        wrk.run(script(tmp_path, "echo unable to connect; exit 1"), 1)


def test_a_wrk_that_lacks_memory_says_so(tmp_path):
    text = "echo unable to create thread 0: Cannot allocate memory; exit 2"
    with pytest.raises(load_result.Broken, match="status 2: there is too little memory: choose a smaller C"):
        wrk.run(script(tmp_path, text), 1)


LIMITED = """
import resource, sys
sys.path.insert(0, {loadtest!r})
from waitbench.bench import wrk
from waitbench.base import kernel
from waitbench.observe import load_result, out_of_memory, wrk_output
job = wrk.Job("http://127.0.0.1:1", "/", 8, 1)
resource.setrlimit(resource.RLIMIT_AS, (90_000 * 1024,) * 2)
try:
    wrk.output(wrk.command(job, 2), 1)
except load_result.Broken as error:
    print(error)
"""


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_wrk_in_too_small_an_address_space():
    """The histogram of wrk takes 80 MB."""
    program = LIMITED.format(loadtest=str(Path(__file__).resolve().parents[2] / "loadtest"))
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert re.fullmatch(
        r"wrk was ended by SIGABRT: its address space may not exceed 90000 KiB, so allow more \(ulimit -v unlimited\);"
        r" it said: zmalloc: Out of memory trying to allocate \d+ bytes\n",
        said,
    )


VERSION_1 = {"proc/self/mountinfo": "31 30 0:28 / /sys/memory rw - cgroup cgroup rw,memory\n"}
IN_CONTAINER = {"proc/self/mountinfo": "31 30 0:28 /docker/1 /sys/memory rw - cgroup cgroup rw,memory\n"}
VERSION_2 = {
    "proc/self/mountinfo": "31 30 0:28 / /sys rw - cgroup2 cgroup2 rw\n",
    "sys/cgroup.controllers": "cpu memory\n",
}


@pytest.mark.parametrize(
    "files, count",
    [
        ({**VERSION_2, "proc/self/cgroup": "0::/a\n", "sys/a/memory.events": "oom 1\noom_kill 2\n", "proc/vmstat": "oom_kill 7\n"}, 2),
        ({**VERSION_2, "proc/self/cgroup": "0::/a/wrk\n", "sys/a/wrk/memory.events": "oom_kill 0\n", "sys/a/memory.events": "oom_kill 1\n"}, 1),
        ({**VERSION_1, "proc/self/cgroup": "4:memory:/b\n0::/\n", "sys/memory/b/memory.oom_control": "oom_kill 3\n"}, 3),
        ({**IN_CONTAINER, "proc/self/cgroup": "4:memory:/docker/1\n", "sys/memory/memory.oom_control": "oom_kill 4\n"}, 4),
        ({**VERSION_2, "proc/self/cgroup": "0::/\n", "proc/vmstat": "pgfault 9\noom_kill 7\n"}, 7),
        ({"proc/vmstat": "pgfault 9\n"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_what_the_oom_killer_has_ended(tmp_path, monkeypatch, files, count):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(kernel, "ROOT", tmp_path)
    assert out_of_memory.kills() == count


def test_a_failing_look_ends_wrk(tmp_path):
    pid = tmp_path / "pid"

    def watch(elapsed):
        if pid.exists() and pid.read_text().endswith("\n"):
            raise RuntimeError("the server is gone")
        return 0.01

    with pytest.raises(RuntimeError):
        wrk.run(script(tmp_path, f"echo $$ > {pid}; exec sleep 60"), 30, watch=watch)
    assert not os.path.exists(f"/proc/{pid.read_text().strip()}")
