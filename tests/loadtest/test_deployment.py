"""Which parts ran in containers, and the sentence that says so."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from waitbench.observe import deployment
from waitbench.bench import placement


def test_a_process_that_says_its_id():
    assert deployment.of_process(1, "server-libuv") == "container"
    child = subprocess.Popen(["sleep", "30"])
    try:
        deadline = time.monotonic() + 10
        while deployment.of_process(child.pid, "sleep") == "unknown" and time.monotonic() < deadline:
            time.sleep(0.01)  # until it is no longer a copy of this program
        assert deployment.of_process(child.pid, "sleep") == deployment.own() != "unknown"
        # Somebody else's id is taken here by another program, or by none.
        assert deployment.of_process(child.pid, "server-coro") == "unknown"
    finally:
        child.kill()
        child.wait()
    assert deployment.of_process(child.pid, "sleep") == "unknown"
    assert deployment.of_process(0, "postgres") == "unknown"


def may_unshare():
    return subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not may_unshare(), reason="this user may make no PID namespace")
def test_another_pid_namespace_is_a_container():
    code = "from waitbench.observe import deployment; print(deployment.own())"
    words = ["unshare", "--pid", "--fork", "/usr/bin/python3", "-c", code]
    folder = Path(deployment.__file__).parents[2]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, cwd=folder)
    assert done.stdout == "container\n", done.stderr


class Database:
    postmaster = None

    def postmaster_pid(self):
        return 1


def test_every_part_has_its_place():
    targets = {"libuv": {"pid": 1, "model": "libuv"}, "coro": {"pid": 2**22 + 1, "model": "coro"}}
    ran = deployment.of_all(["threaded", "libuv", "coro"], targets, Database())
    assert ran["servers"] == {"threaded": deployment.own(), "libuv": "container", "coro": "unknown"}
    assert (ran["load_test"], ran["database"]) == (deployment.own(), "container")
    assert deployment.of_all(["threaded"], {}, None)["database"] is None


@pytest.mark.parametrize(
    "load, database, servers, says",
    [
        ("native", "native", ["native", "native"], "everything ran natively"),
        ("container", "container", ["container"], "everything ran in containers"),
        ("native", None, ["container"], "the load test ran natively; the servers ran in containers"),
        (
            "native",
            "container",
            ["native", "container"],
            "the load test and a ran natively; the database and b ran in containers",
        ),
        (
            "native",
            "container",
            ["native", "container", "container"],
            "the load test and a ran natively; the database, b and c ran in containers",
        ),
        (
            "native",
            "unknown",
            ["native"],
            "the load test and the servers ran natively; the database ran where it is not known",
        ),
    ],
)
def test_sentence(load, database, servers, says):
    ran = {"load_test": load, "database": database, "servers": dict(zip("abc", servers))}
    assert deployment.sentence(ran) == says


def test_an_older_result_says_nothing():
    assert deployment.sentence(None) == ""


def test_cpu_sets_of_docker_compose():
    everyone = list(range(os.cpu_count()))
    found = placement.elsewhere(everyone, {"SERVER_CPUS": "0-2,7", "DB_CPUS": ""})
    assert found == {"server": {0, 1, 2, 7}}
    assert placement.elsewhere(everyone, {}) == {}
    assert placement.elsewhere(everyone[:0], {"DB_CPUS": "3"}) == {"database": {3}, "wrk": set()}
    assert placement.elsewhere(everyone[:0], {}, wrk_here=False) == {}
