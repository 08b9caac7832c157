"""loadtest/run from the outside, with the real wrk, against stubs that speak the contract at n=0."""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
RUN = HERE.parents[1] / "loadtest" / "run"
PYTHON = "/usr/bin/python3"
PORTS = range(15650, 15690)

pytestmark = pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")


def free_port():
    # Suites that run at the same time begin at different places.
    first = os.getpid() % len(PORTS)
    for port in [*PORTS[first:], *PORTS[:first]]:
        if can_listen("127.0.0.1", port) and (not ipv6() or can_listen("::1", port)):
            return port
    raise RuntimeError(f"no free port in {PORTS}")


def can_listen(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return True
        except OSError:
            return False


def ipv6():
    return can_listen("::1", 0)


@pytest.fixture
def stub():
    """Starts stubs; returns their address."""
    running = []

    def start(*faults):
        port = free_port()
        child = subprocess.Popen([PYTHON, HERE / "stub_server.py", str(port), *faults])
        running.append(child)
        host, url = ("::1", "[::1]") if "ipv6=1" in faults else ("127.0.0.1", "127.0.0.1")
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection((host, port), 1).close()
                return f"http://{url}:{port}"
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the stub did not start")

    yield start
    for child in running:
        child.kill()
        child.wait()


def arguments(folder, targets, **more):
    flags = {
        "targets": targets,
        "n": "0",
        "c": "8",
        "duration": "0.6",
        "warmup": "0.2",
        "repeats": "2",
        "bystander-max": "0.05",  # a stub in Python takes 1 ms to say its /stats, and more on a busy machine
    } | more
    flags["steal-max"] = "1"  # the machine that runs the tests may be a bad one
    words = [PYTHON, str(RUN), "--out", str(folder)]
    return words + [word for name, value in flags.items() for word in (f"--{name}", value)]


def clean():
    return {name: os.environ[name] for name in ("PATH", "HOME", "LC_ALL") if name in os.environ}


def run(folder, targets, **more):
    return subprocess.run(
        arguments(folder, targets, **more), capture_output=True, text=True, timeout=100, env=clean()
    )


@pytest.fixture(scope="module", autouse=True)
def unreachable(tmp_path_factory):
    """A load test that waits for a server which is not there, 15 s: meanwhile the other tests run."""
    words = arguments(tmp_path_factory.mktemp("unreachable") / "r", "a=http://127.0.0.1:1")
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean())
    yield child
    child.kill()
    child.communicate()


def rows(folder, name="runs.csv"):
    with (folder / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_two_servers_at_two_points(stub, tmp_path):
    folder = tmp_path / "r"
    done = run(folder, f"threaded={stub()} libuv={stub()}", m="64 1024")
    assert done.returncode == 0, done.stderr
    found = rows(folder)
    assert [(row["block"], row["order"]) for row in found] == [
        (str(b), str(o)) for b in (1, 2, 3, 4) for o in (1, 2)
    ]
    assert {(row["server"], row["m"]) for row in found} == {
        (s, m) for s in ("threaded", "libuv") for m in ("64", "1024")
    }
    assert all(float(row["rps"]) > 100 and row["errors"] == "0" for row in found)
    assert all(row["db_cpu_share"] == "" for row in found)  # it was not seen, and is not 0
    assert [row["block"] for row in rows(folder, "detail.csv")] == [row["block"] for row in found]
    facts = json.loads((folder / "environment.json").read_text())
    assert facts["outcome"]["blocks_missing"] == [] and facts["settings"]["SEED"].isdigit()
    assert "8 runs" in done.stderr and (folder / "summary.csv").exists()
    lines = done.stdout.splitlines()
    assert lines[0].startswith("On this machine") and max(map(len, lines[:-1])) <= 80
    order = ["Requests per second", "[joint 95% interval]", "Warnings:", "results: "]
    assert [done.stdout.index(words) for words in order] == sorted(
        done.stdout.index(words) for words in order
    )
    assert lines[-1] == f"results: {folder}/report.html" and (folder / "report.html").exists()
    assert (done.stdout + done.stderr).count(str(folder)) == 1, "the folder is named once"


def test_a_quiet_run_prints_the_answer_alone(stub, tmp_path):
    words = [*arguments(tmp_path / "r", f"threaded={stub()} libuv={stub()}", repeats="1"), "-q"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, env=clean())
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("On this machine") and done.stdout.endswith("/report.html\n")
    again = subprocess.run(words[:-1], capture_output=True, text=True, timeout=100, env=clean())
    assert again.returncode == 0 and "1 of 1 blocks were there already" in again.stderr


@pytest.mark.parametrize("fault, reason", [("error=50", "errors"), ("short=50", "size"), ("die=300", "died")])
def test_a_fault_is_caught_and_nothing_of_it_is_kept(stub, tmp_path, fault, reason):
    folder = tmp_path / "r"
    done = run(
        folder, f"good={stub()} bad={stub(fault)}", repeats="1", retries="1" if reason != "died" else "0"
    )
    assert rows(folder) == [], done.stderr
    thrown = [row for row in rows(folder, "unsound.csv") if row["server"] == "bad"]
    assert reason in thrown[0]["reason"]
    # Each 50th request of all: in a second attempt it may fall on the proof.
    assert all(reason in row["reason"] or row["reason"].startswith("wrong") for row in thrown)
    if reason != "died":
        assert done.returncode == 3
        assert {row["attempt"] for row in thrown} == {"1", "2"}
    assert "given up" in done.stderr


def test_a_server_that_is_not_under_test_is_seen_to_idle(stub, tmp_path):
    """While one is measured, the other idles; the one that burns CPU makes only the runs of the other unsound."""
    idle, busy = tmp_path / "idle", tmp_path / "busy"
    done = run(idle, f"threaded={stub()} libuv={stub()}", repeats="1")
    assert done.returncode == 0, done.stderr
    shares = [float(row["bystander_cpu"]) for row in rows(idle, "detail.csv")]
    assert len(shares) == 2 and all(0 <= share < 0.05 for share in shares)
    done = run(busy, f"threaded={stub()} libuv={stub('burn=10')}", repeats="1", retries="0")
    assert done.returncode == 3
    thrown = [row for row in rows(busy, "unsound.csv") if row["reason"].startswith("bystander: libuv")]
    assert [row["server"] for row in thrown] == ["threaded"], done.stderr


def test_with_and_without_a_proxy_in_one_run(stub, tmp_path):
    """A target's second address is another way into the same server, and not another server."""
    url = stub()
    done = run(tmp_path / "r", f"a={url} a@nginx={url}", repeats="1")
    assert done.returncode == 0, done.stderr
    assert sorted(row["proxy"] for row in rows(tmp_path / "r")) == ["nginx", "none"]
    assert [row["bystander_cpu"] for row in rows(tmp_path / "r", "detail.csv")] == ["", ""]


@pytest.mark.skipif(not ipv6(), reason="nothing can listen on ::1 here")
def test_a_server_on_an_ipv6_address(stub, tmp_path):
    url = stub("ipv6=1")
    assert url.startswith("http://[::1]:")
    done = run(tmp_path / "r", f"threaded={url} libuv={stub('ipv6=1')}")
    assert done.returncode == 0, done.stderr
    assert all(float(row["rps"]) > 100 and row["idle_share"] for row in rows(tmp_path / "r"))
    facts = json.loads((tmp_path / "r" / "environment.json").read_text())
    assert facts["hosts"]["servers"]["threaded"]["name"] == "::1"
    assert url in (tmp_path / "r" / "report.html").read_text()


def test_a_short_response_to_the_proof_is_not_timed(stub, tmp_path):
    folder = tmp_path / "r"
    done = run(folder, f"bad={stub('short=1')}", repeats="1", retries="0")
    assert done.returncode == 3
    assert rows(folder, "unsound.csv")[0]["reason"].startswith("wrong: sends a body of 512 bytes where 1024")


def interrupt(folder, words, when):
    """Runs until `when` rows are there and then sends SIGINT; the finished process."""
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean())
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        if (folder / "runs.csv").exists() and len(rows(folder)) >= when:
            break
        time.sleep(0.02)
    time.sleep(0.3)  # into the next run
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    return child.returncode, out, err


def test_interrupted_and_continued(stub, tmp_path):
    folder = tmp_path / "r"
    targets = f"threaded={stub()} libuv={stub()}"
    status, out, err = interrupt(folder, arguments(folder, targets, repeats="4", seed="5"), when=3)
    assert status == 130, err
    first = rows(folder)
    assert 3 <= len(first) < 8
    assert (
        len(json.loads((folder / "environment.json").read_text())["outcome"]["blocks_missing"])
        == 4 - len(first) // 2
    )
    done = run(folder, targets, repeats="4")
    assert done.returncode == 0, done.stderr
    found = rows(folder)
    assert sorted((row["block"], row["server"]) for row in found) == sorted(
        (str(block), server) for block in range(1, 5) for server in ("threaded", "libuv")
    )
    kept = len(first) // 2 * 2  # whole blocks
    assert found[:kept] == first[:kept]
    assert all(row["reason"].startswith("interrupted") for row in rows(folder, "unsound.csv"))
    other = run(folder, targets, repeats="4", c="16")
    assert other.returncode == 1 and "was begun with C=8" in other.stderr


def test_wrk_does_not_survive(stub, tmp_path):
    url = stub()
    words = arguments(tmp_path / "r", f"a={url}", duration="30", warmup="0")
    child = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=clean())
    loads = []
    deadline = time.monotonic() + 30
    while not loads and time.monotonic() < deadline:
        time.sleep(0.05)
        loads = wrks_at(url)
    assert loads, "wrk was never started"
    child.kill()  # not even a chance to clean up
    child.wait()
    deadline = time.monotonic() + 5
    while wrks_at(url) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert wrks_at(url) == []


def wrks_at(url):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"wrk") and url.encode() in words:
            found.append(path.parent.name)
    return found


@pytest.mark.parametrize(
    "flags, status, words",
    [
        (["--foo"], 2, "--foo: no such flag"),
        (["--n", "1", "--w", "2"], 2, "w=2 updates do not fit"),
        (["--servers", "none", "--build", "/nonexistent"], 1, "build it with make"),
        (["--targets", "a=http://127.0.0.1:1", "--c", "50000000"], 2, "C:"),
        (["--targets", "a=http://127.0.0.1:1", "--out", "/proc/nobody"], 1, "choose another OUT"),
    ],
)
def test_an_impossible_setting_is_reported_at_once_in_one_line(tmp_path, flags, status, words):
    out = [] if "--out" in flags else ["--out", str(tmp_path / "r")]
    done = subprocess.run(
        [PYTHON, RUN, *flags, *out], capture_output=True, text=True, timeout=10, env=clean()
    )
    assert done.returncode == status
    assert re.fullmatch(rf"loadtest/run: .*{re.escape(words)}.*\n", done.stderr)


def test_an_unreachable_server_is_a_sentence(unreachable):
    out, err = unreachable.communicate(timeout=100)
    assert unreachable.returncode == 1
    assert "is its address right?" in err and "Traceback" not in err
