"""Limits that are raised are as before in the end, whatever ends the program: on a folder with copies of the files."""

import json
import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest
import test_run
from waitbench import Failure
from waitbench.base import kernel
from waitbench.bench import raising

LOADTEST = Path(__file__).resolve().parents[2] / "loadtest"
FILES = {
    "vm/max_map_count": "65530",
    "kernel/pid_max": "32768",
    "vm/overcommit_memory": "2",
    "net/ipv4/ip_local_port_range": "32768\t60999",
    "fs/nr_open": "1048576",
}
# Raises two limits below the folder, says so, and waits for what is to end it.
PROGRAM = """
import os, pathlib, sys, time
sys.path.insert(0, sys.argv[1])
from waitbench.base import interrupt, kernel
from waitbench.bench import raising
kernel.ROOT, os.geteuid = pathlib.Path(sys.argv[2]), lambda: 0
interrupt.interruptible()
try:
    with raising.raiser(True) as one:
        one.raise_limit("vm.max_map_count")
        one.raise_limit("kernel.pid_max")
        one.raise_limit("kernel.pid_max")
        print("raised", flush=True)
        if sys.argv[3] == "raise":
            raise ValueError("in the middle")
        time.sleep(60)
except interrupt.Interrupted:
    sys.exit(130)
"""


def contents(root):
    return {name: (root / "proc/sys" / name).read_text().strip() for name in FILES}


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel, "ROOT", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "run").mkdir()
    for name, value in FILES.items():
        path = tmp_path / "proc/sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
    return tmp_path


def test_each_is_raised_and_all_are_restored(root):
    with raising.raiser(True) as one:
        assert str(one.raise_limit("vm.max_map_count")) == "vm.max_map_count from 65530 to 262120"
        assert str(one.raise_limit("net.ipv4.ip_local_port_range")).endswith("from 32768-60999 to 1024-65535")
        one.raise_limit("vm.overcommit_memory")
        one.raise_limit("vm.max_map_count")
        assert contents(root)["vm/max_map_count"] == str(65530 * 16)
        assert contents(root)["vm/overcommit_memory"] == "1"
        assert len(json.loads((root / raising.STATE).read_text())) == 4
        one.restore()
        assert contents(root) == FILES
        one.raise_limit("kernel.pid_max")
    assert contents(root) == FILES and list((root / "run").iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, "raise"])
def test_whatever_ends_the_program(root, how, capsys):
    words = [test_run.PYTHON, "-B", "-c", PROGRAM, LOADTEST, root, how if how == "raise" else "wait"]
    child = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "raised\n"
    if how != "raise":
        assert contents(root)["kernel/pid_max"] == str(32768 * 16)
        with pytest.raises(Failure, match="another loadtest/limits is raising limits now"):
            raising.Raiser()
        child.send_signal(how)
    child.communicate(timeout=20)
    if how == signal.SIGKILL:
        assert contents(root) != FILES
        with raising.raiser(True):
            assert contents(root) == FILES
        assert "that was killed had left: vm.max_map_count is 65530 again" in capsys.readouterr().out
    else:
        assert child.returncode == {"raise": 1}.get(how, 130)
    assert contents(root) == FILES and list((root / "run").iterdir()) == []


def test_what_somebody_else_has_changed_since_is_theirs(root):
    with raising.raiser(True) as one:
        one.raise_limit("vm.max_map_count")
        (root / "proc/sys/vm/max_map_count").write_text("99999\n")
    assert contents(root)["vm/max_map_count"] == "99999"


def test_what_cannot_be_restored_is_named_and_the_rest_is(root, monkeypatch):
    real = Path.write_text

    def write(path, text):
        if path.name == "pid_max" and text == "32768":
            raise PermissionError(13, "Permission denied")
        return real(path, text)

    with pytest.raises(Failure, match="pid_max was 32768: Permission denied"):
        with raising.raiser(True) as one:
            one.raise_limit("vm.max_map_count")
            one.raise_limit("kernel.pid_max")
            monkeypatch.setattr(Path, "write_text", write)
    assert contents(root)["vm/max_map_count"] == "65530"


def test_the_kernel_may_take_less(root, monkeypatch):
    real = Path.write_text

    def write(path, text):
        if path.name == "pid_max" and int(text) > 70000:
            raise OSError(22, "Invalid argument")
        return real(path, text)

    monkeypatch.setattr(Path, "write_text", write)
    with raising.raiser(True) as one:
        assert one.raise_limit("kernel.pid_max").new == "65536"
        with pytest.raises(
            raising.Refused, match="kernel.pid_max 65536 cannot be raised to 81920: Invalid argument"
        ):
            one.raise_limit("kernel.pid_max")
    assert contents(root) == FILES


@pytest.mark.parametrize(
    "name", ["memory", "unknown", "MAX_CONNECTIONS", "kernel.threads-max", "net.of.nobody"]
)
def test_what_cannot_be_raised_is_said(root, name):
    with raising.raiser(True) as one, pytest.raises(raising.Refused, match=f"{name} cannot be raised: "):
        one.raise_limit(name)
    assert contents(root) == FILES


def test_a_limit_of_the_process_is_raised_as_far_as_it_may(root):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        with raising.raiser(True) as one:
            resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
            assert one.raise_limit("RLIMIT_NOFILE").new == "800"
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (800, before[1])
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_only_root_may(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Failure, match="run it as root"), raising.raiser(True):
        pass
    with raising.raiser(False) as none:
        assert none is None


def test_a_damaged_file_is_not_thrown_away(root):
    (root / raising.STATE).write_text('[["vm.max_map')
    with pytest.raises(Failure, match="is damaged"):
        raising.Raiser()
    assert (root / raising.STATE).read_text() == '[["vm.max_map'
