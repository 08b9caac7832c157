"""micro/vm: a command runs in a virtual machine, which is gone afterwards. The machine boots twice."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
MACHINE, MANY_THREADS = ROOT / "micro/vm", BUILD / "micro/many_threads"
BOOT_S = 120  # on a machine that has much else to do
PROBE = "/waitbench-vm-test"  # in the root file system

needs_machine = pytest.mark.skipif(
    not shutil.which("qemu-system-x86_64")
    or not (BUILD / "vm/vmlinuz").exists()
    or not MANY_THREADS.exists(),
    reason="no qemu-system-x86_64, kernel in build/vm or build/micro/many_threads: make vm",
)


def start(*words, **options):
    return subprocess.Popen(
        [MACHINE, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"BUILD": str(BUILD), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=ROOT,
        **options,
    )


def run(*words):
    child = start(*words)
    out, err = child.communicate(timeout=BOOT_S)
    return child.returncode, out, err


def machines():
    """The processes of qemu that boot this clone's kernel, and the folders of runs."""
    found = set((BUILD / "vm").glob("run-*"))
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = command.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[0].endswith("qemu-system-x86_64") and str(BUILD / "vm/vmlinuz") in words:
            found.add(command.parent)
    return found


@pytest.fixture
def left():
    """left(): what has come since the test began, and is there."""
    before = machines()
    return lambda: machines() - before


@needs_machine
def test_output_status_and_results_come_back_and_the_root_stays_as_it_was(tmp_path, left):
    script = f"""
        uname -r
        echo "$WAITBENCH_VM" >/dev/stderr
        {MANY_THREADS} 1000 | tee /out/threads
        echo 900 >/proc/sys/kernel/threads-max && {MANY_THREADS} --csv 1000
        touch {PROBE} && ls {PROBE}
        sleep 1000 &
        exit 7"""
    out = tmp_path / "a,b"
    status, printed, errors = run("--memory", "512M", "--out", str(out), "--", "sh", "-c", script)
    lines = printed.splitlines()
    assert status == 7, errors
    assert re.fullmatch(r"\d+\.\d+\..*-amd64", lines[0])
    assert lines[1] == "1000 threads of 1000 wait" == (out / "threads").read_text().splitlines()[0]
    wanted, _, threads, error, limit, value = lines[3].split(",")[:6]
    assert (wanted, error, limit, value) == ("1000", "EAGAIN", "kernel.threads-max", "900")
    assert 500 < int(threads) < 900
    assert lines[4:] == [PROBE] and not Path(PROBE).exists()
    assert errors == "emulated\n"
    assert not left()


@needs_machine
def test_sigterm_ends_the_machine_while_it_runs(left):
    child = start("--memory", "512M", "--", "sh", "-c", "echo ready; sleep 1000")
    try:
        assert child.stdout.readline() == "ready\n"
        assert len(left()) == 2
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=20)
        assert child.returncode == 128 + signal.SIGTERM
        assert not left()
    finally:
        child.kill()
        child.communicate()


@needs_machine
def test_the_machine_goes_with_micro_vm_after_sigkill(left):
    child = start("--memory", "256M", "--", "true")
    deadline = time.monotonic() + 30
    while len(left()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(left()) == 2
    child.kill()
    child.communicate()
    while len(left()) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    (folder,) = left()  # it had no chance to remove it
    shutil.rmtree(folder)


@needs_machine
def test_a_timeout_ends_the_machine(left):
    status, _, errors = run("--memory", "256M", "--timeout", "1", "--", "true")
    assert (status, errors) == (124, "micro/vm: ended after 1 s, as --timeout has it\n")
    assert not left()


@needs_machine
def test_a_machine_that_cannot_start_says_why():
    status, _, errors = run("--memory", "900G", "--", "true")
    assert status == 125 and "--memory 900G is more than the " in errors


@pytest.mark.parametrize(
    "words, said",
    [
        ([], "give a command after --, or --fetch alone"),
        (["--fetch", "--", "true"], "give a command after --, or --fetch alone"),
        (["--memory", "8", "--", "true"], "--memory is a number with M or G"),
        (["--memory", "100M", "--", "true"], "of at least 256M"),
        (["--cpus", "0", "--", "true"], "--cpus is 1 to 64"),
        (["--timeout", "nan", "--", "true"], "--timeout is up to 86400 seconds"),
    ],
)
def test_a_wrong_call_is_told_what_to_do(words, said):
    status, _, errors = run(*words)
    assert status == 2 and said in errors
