"""loadtest/generator: the jobs that it accepts and refuses; loadtest/run with two of them, and when one fails."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time

import pytest
import test_run

from waitbench import Failure
from waitbench.plan import matrix
from waitbench.bench import generators, wrk

GENERATOR = test_run.RUN.with_name("generator")
JOB = {"url": "http://127.0.0.1:1", "path": "/work?n=0&m=64", "connections": 4, "seconds": 0.3}
POINT = matrix.Point("none", 0, 64, 0, 0, 9)

pytestmark = test_run.pytestmark
stub = test_run.stub


@pytest.fixture
def generator():
    """Starts generators; returns (address, process)."""
    running = []

    def start(environment=None, host="127.0.0.1", names=""):
        port = test_run.free_port()
        words = [test_run.PYTHON, "-S", GENERATOR, "--port", str(port)]  # -S: no library but Python's own
        words += ["--host", host, "--names", names]
        child = subprocess.Popen(
            words, stdout=subprocess.PIPE, text=True, env=environment or test_run.clean()
        )
        running.append(child)
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        assert child.stdout.readline() == f"generator: listening on {url}\n"
        return url, child

    yield start
    for child in running:
        child.kill()
        child.wait()
        child.stdout.close()


def post(url, body, path="/run", kind="application/json"):
    """(status, response) of a generator."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        text = body if isinstance(body, str) else json.dumps(body)
        connection.request("POST", path, text, {"Content-Type": kind})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def run(url, *addresses, connections=9, seconds=0.5):
    """Their load together."""
    remote = generators.Remote(list(addresses), [connections])
    return remote.run(wrk.job(url, matrix.parse_server("stub"), POINT._replace(c=connections), seconds))


def test_what_is_not_a_job_is_refused(generator):
    url, _ = generator()
    bad = [
        "", "[]", "{", {}, JOB | {"more": 1}, {"url": JOB["url"]}, JOB | {"url": "file:///etc/passwd"},
        JOB | {"url": "http://127.0.0.1:1/x"}, JOB | {"url": "-h"}, JOB | {"url": "http://a b:1"}, JOB | {"path": "work"},
        JOB | {"path": "/w; id"}, JOB | {"path": "/w\n-s x"}, JOB | {"path": "/" + "x" * 2000}, JOB | {"path": 7},
        JOB | {"connections": 0}, JOB | {"connections": 60001}, JOB | {"connections": 1.5}, JOB | {"connections": "4"},
        JOB | {"connections": True}, JOB | {"seconds": 0}, JOB | {"seconds": 601}, JOB | {"seconds": None},
        JOB | {"seconds": float("nan")},
    ]  # fmt: skip
    for body in bad:
        status, response = post(url, body)
        assert status == 400 and len(response["error"].splitlines()) == 1, body
    assert post(url, JOB | {"path": "/" + "x" * 5000})[0] == 400
    assert post(url, JOB, kind="text/plain")[0] == 415
    assert post(url, JOB, path="/other")[0] == 404


@pytest.mark.skipif(not test_run.ipv6(), reason="nothing can listen on ::1 here")
def test_a_whole_run_over_ipv6(generator, stub, tmp_path):
    (a, _), (b, _) = generator(host="::1"), generator(host="::1")
    folder = tmp_path / "r"
    targets = f"threaded={stub('ipv6=1')} libuv={stub('ipv6=1')}"
    done = test_run.run(folder, targets, generators=f"{a} {b.removeprefix('http://')}", c="9", retries="8")
    assert done.returncode == 0, done.stderr
    assert len(test_run.rows(folder)) == 4
    facts = json.loads((folder / "environment.json").read_text())
    assert [one["generator"] for one in facts["hosts"]["generators"]] == [a, b]
    assert a in (folder / "report.html").read_text()


def test_a_wrk_that_cannot_connect_is_said(generator):
    url, _ = generator()
    status, response = post(url, JOB)
    assert status == 200 and "unable to connect" in response["error"]


def test_one_run_at_a_time(generator, stub):
    url, _ = generator()
    job = JOB | {"url": stub(), "seconds": 5}
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as first:
        first.sendall(request(job))
        assert first.recv(100).startswith(b"HTTP/1.0 200 ")  # wrk runs
        status, response = post(url, job)
        assert status == 409 and "one at a time" in response["error"]
    # The first has gone, and so has its wrk.
    assert eventually(lambda: post(url, JOB | {"url": job["url"]})[0] == 200)


def request(job):
    body = json.dumps(job).encode()
    head = f"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def eventually(holds, seconds=5):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("end", ["the load test goes away", "SIGTERM", "SIGKILL"])
def test_wrk_does_not_survive(generator, stub, end):
    url, child = generator()
    target = stub()
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as first:
        first.sendall(request(JOB | {"url": target, "seconds": 60}))
        first.recv(100)
        assert len(test_run.wrks_at(target)) == 1
        if end.startswith("SIG"):
            child.send_signal(signal.Signals[end])
            assert child.wait(5) == (0 if end == "SIGTERM" else -signal.SIGKILL)
    assert eventually(lambda: test_run.wrks_at(target) == [])


def test_two_loads_are_one(generator, stub):
    (a, _), (b, _) = generator(), generator()
    both = run(stub(), a, b)
    assert [(part.generator, part.connections) for part in both.parts] == [(a, 5), (b, 4)]
    assert both.requests == sum(part.result.requests for part in both.parts) > 100
    assert both.latencies[1].sum() == both.requests and not both.failed
    assert all(part.result.cpu_s > 0 and 0 <= part.steal_share < 1 for part in both.parts)
    assert [host.here for host in both.machines] == [True]


def test_fewer_connections_than_generators(generator, stub):
    (a, _), (b, _) = generator(), generator()
    both = run(stub(), a, b, connections=1)
    assert [part.generator for part in both.parts] == [a]


def test_the_load_test_merges_two(generator, stub, tmp_path):
    (a, _), (b, _) = generator(), generator()
    folder = tmp_path / "r"
    done = test_run.run(
        folder, f"threaded={stub()} libuv={stub()}", generators=f"{a} {b}", c="9", retries="8"
    )
    assert done.returncode == 0, done.stderr
    found = test_run.rows(folder)
    assert len(found) == 4 and all(float(row["rps"]) > 100 for row in found)
    facts = json.loads((folder / "environment.json").read_text())
    assert [one["connections"] for one in facts["hosts"]["generators"]] == [{"9": 5}, {"9": 4}]
    assert all(detail["generators_apart_ms"] for detail in test_run.rows(folder, "detail.csv"))


def test_a_generator_that_is_gone_is_named_and_the_other_ended(generator, stub, tmp_path):
    (a, _), (b, child) = generator(), generator()
    target, folder = stub(), tmp_path / "r"
    once = {"duration": "20", "warmup": "0", "retries": "0", "repeats": "1"}
    words = test_run.arguments(folder, f"a={target}", generators=f"{a} {b}", **once)
    running = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=test_run.clean()
    )
    assert eventually(lambda: len(test_run.wrks_at(target)) == 2, 20)
    child.kill()
    _, said = running.communicate(timeout=15)
    assert running.returncode == 3
    (row,) = test_run.rows(folder, "unsound.csv")
    assert row["reason"].startswith(f"broken: generator {b}: ") and b in said
    assert eventually(lambda: test_run.wrks_at(target) == [])


def test_a_load_test_that_is_interrupted_ends_them(generator, stub, tmp_path):
    (a, _), (b, _) = generator(), generator()
    target = stub()
    words = test_run.arguments(
        tmp_path / "r", f"a={target}", generators=f"{a} {b}", duration="60", warmup="0"
    )
    running = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=test_run.clean()
    )
    assert eventually(lambda: len(test_run.wrks_at(target)) == 2, 20)
    running.send_signal(signal.SIGINT)
    assert running.wait(15) == 130
    assert eventually(lambda: test_run.wrks_at(target) == [])


def test_where_no_generator_responds_is_a_sentence(stub, tmp_path):
    closed = f"http://127.0.0.1:{test_run.free_port()}"
    done = test_run.run(tmp_path / "r", f"a={stub()}", generators=closed)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"loadtest/run: no generator responds at {closed} (")


def test_another_server_is_no_generator(stub):
    with pytest.raises(Failure, match="start loadtest/generator there"):
        generators.Remote([stub()], [1])


def test_too_many_connections_for_a_generator(generator):
    url, _ = generator()
    files = generators.Generator(url).facts["files"]
    if not files:
        pytest.skip("this user may open any number of files")
    with pytest.raises(Failure, match=f"may open {files} files, too few for its {files} connections"):
        generators.Remote([url], [1, files])


def test_a_generator_has_the_number_of_files_that_the_hard_limit_allows(generator):
    url, child = generator()
    limits = open(f"/proc/{child.pid}/limits").read()
    soft, hard = next(line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open files"))
    assert soft == hard and str(generators.Generator(url).facts["files"]) in (hard, "None")


def test_a_name_with_several_addresses_is_several_generators_and_one_is_not_asked_twice(
    generator, monkeypatch
):
    """As Swarm's tasks.generator; both addresses here are of one generator."""
    url, _ = generator()
    port = int(url.rpartition(":")[2])
    where = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))] * 2
    where += [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port))]
    where += [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0))]
    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", lambda *words, **more: where)
        found = generators.addresses("http://tasks.generator")
    assert found == [f"http://127.0.0.1:{port}", f"http://127.0.0.2:{port}"]
    remote = generators.Remote([url, url.replace("127.0.0.1", "localhost")], [4])
    assert len(remote.generators) == 1


def test_wrk_is_missing(tmp_path):
    done = subprocess.run(
        [test_run.PYTHON, GENERATOR], env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=10
    )
    assert (
        done.returncode == 1
        and done.stderr == "loadtest/generator: wrk is not installed: apt-get install wrk\n"
    )


def test_a_port_in_use_is_said(generator):
    url, _ = generator()
    words = [test_run.PYTHON, GENERATOR, "--port", url.rpartition(":")[2]]
    done = subprocess.run(words, env=os.environ, capture_output=True, text=True, timeout=10)
    assert done.returncode == 1 and "in use" in done.stderr and len(done.stderr.splitlines()) == 1
