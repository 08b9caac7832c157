"""loadtest/nginx-conf is the only configuration of nginx: of the load test's, of the yardstick's, of Compose's."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import test_run
from waitbench.base import client
from waitbench.bench import proxy

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "loadtest" / "nginx-conf"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")

stub = test_run.stub
needs_nginx = pytest.mark.skipif(not NGINX, reason="nginx is not installed")


def configuration(*words):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "connections, keepalive", [("8192", "4096"), ("1024", "512"), ("120000", "60000"), ("1000000", "60000")]
)
def test_idle_connections_to_a_server(connections, keepalive):
    text = configuration("/tmp", "auto", connections, "-", "1=h:2", "3=h:4")
    assert re.findall(r"^ +keepalive (\d+);", text, re.M) == [keepalive] * 2
    assert f"worker_connections {connections};" in text


def test_files_and_workers():
    assert "worker_rlimit_nofile" not in configuration("/tmp", "auto", "10", "-", "1=h:2")
    text = configuration("/f", "3", "10", "20000", "1=h:2")
    assert "worker_rlimit_nofile 20000;" in text and "worker_processes 3;" in text and "pid /f/" in text


@pytest.mark.parametrize("words", [(), ("/tmp", "auto", "10", "-")])
def test_usage(words):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True)
    assert done.returncode == 2 and "FOLDER" in done.stderr and not done.stdout


@needs_nginx
def test_nginx_takes_it(tmp_path):
    path = tmp_path / "nginx.conf"
    path.write_text(
        configuration(str(tmp_path), "auto", "100", "1000", "127.0.0.1:1=127.0.0.1:2", "3=bytes:9")
    )
    done = subprocess.run([NGINX, "-t", "-e", "stderr", "-c", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def check(nginx, size):
    try:
        nginx.start()
        http = client.Client(nginx.url)
        for _ in range(3):
            status, _, body = http.get("/work?n=0&m=64")
            assert (status, len(body)) == (200, size)
        assert http.connects == 1 and nginx.cpu_s() >= 0
        http.close()
    finally:
        nginx.stop()


@needs_nginx
def test_in_front_of_a_server(stub):
    server = int(stub().rpartition(":")[2])
    check(proxy.InFront(test_run.free_port(), server), 64)


@needs_nginx
def test_as_a_server_of_its_own():
    check(proxy.FixedResponse(test_run.free_port(), 1000), 1000)


def test_the_configuration_stands_once():
    """Not in the code nor in Compose: the image has the program, and Compose its arguments."""
    words = "worker_connections|proxy_pass|keepalive_requests"
    files = [*(ROOT / "loadtest").rglob("*"), *ROOT.glob("docker-*.yml"), ROOT / "Dockerfile"]
    texts = {path.name: path.read_text() for path in files if path.is_file() and path.suffix != ".pyc"}
    found = {name for name, text in texts.items() if re.search(words, text)}
    assert found == {"nginx-conf"}
    image = (ROOT / "Dockerfile").read_text()
    assert "COPY loadtest/nginx-conf " in image and "nginx-conf /tmp auto 8192 - $SITES" in image


def compose():
    done = (
        subprocess.run(["docker", "compose", "version"], capture_output=True)
        if shutil.which("docker")
        else None
    )
    return done and done.returncode == 0


@pytest.mark.skipif(not compose(), reason="there is no docker compose")
def test_compose_accepts_its_file():
    environment = test_run.clean() | {"THREADED_PORT": "15341"}
    done = subprocess.run(
        ["docker", "compose", "--profile", "proxy", "--profile", "loadtest", "config"],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr, done.stderr
    service = re.search(r"^  proxy:\n((?:    .*\n)+)", done.stdout, re.M)[1]
    sites = re.search(r"SITES: (.*)", service)[1].split()
    assert sites[0] == "8081=server-threaded:15341" and len(sites) == 3
    text = configuration("/tmp", "auto", "8192", "-", *sites)
    assert "server server-threaded:15341;" in text and "listen 8081 backlog=4096;" in text
