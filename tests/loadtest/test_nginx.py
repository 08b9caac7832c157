"""loadtest/nginx-conf is the only configuration of nginx: of the load test's, of the yardstick's, of Compose's."""

import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import test_run
from waitbench import Failure
from waitbench.base import client, process
from waitbench.bench import proxy, servers
from waitbench.plan import settings

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
    assert "worker_rlimit_nofile 20000;" in text and "worker_processes 3;" in text and 'pid "/f/' in text


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


ODD = "a b'c\"d$e;{f}\\n"


@needs_nginx
@pytest.mark.parametrize("size", [64, 1000])
def test_a_folder_may_have_any_name(stub, tmp_path, monkeypatch, size):
    (tmp_path / ODD).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ODD))
    server = int(stub().rpartition(":")[2])
    port = test_run.free_port()
    check(proxy.FixedResponse(port, size, 8) if size == 1000 else proxy.InFront(port, server, 8), size)


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
    check(proxy.InFront(test_run.free_port(), server, 8), 64)


def test_a_worker_has_connections_for_every_client_and_no_more():
    """Each costs a worker 430 bytes: as many as a limit of 1,048,576 files allows would cost it 446 MB."""
    text = proxy.InFront(1, 2, 256).configuration("/f")
    assert "worker_connections 612;" in text  # 2 * 256 and 100 others
    assert "worker_connections 5100;" in proxy.FixedResponse(1, 64, 5000).configuration("/f")


@needs_nginx
def test_all_connections_fit_into_one_worker(stub):
    server = int(stub().rpartition(":")[2])
    nginx = proxy.InFront(test_run.free_port(), server, 300, process.Place({0}))
    clients = []
    try:
        nginx.start()
        for _ in range(300):
            clients.append(client.Client(nginx.url))
            assert clients[-1].get("/work?n=0&m=64")[0] == 200
        assert all(one.get("/work?n=0&m=64")[0] == 200 and one.connects == 1 for one in clients)
    finally:
        for one in clients:
            one.close()
        nginx.stop()


@needs_nginx
def test_as_a_server_of_its_own():
    check(proxy.FixedResponse(test_run.free_port(), 1000, 8), 1000)


# nginx-follow's programs: an address is what a file says, nginx writes down its signals, five seconds pass at once.
PLAYED = {
    "getent": 'cat "$FOLDER/$2"',
    "sleep": "exec /bin/sleep 0.05",
    "nginx": 'trap \'echo reload >>"$FOLDER/did"\' HUP; echo "start $*" >>"$FOLDER/did"; while :; do /bin/sleep 0.02; done',
}


@pytest.fixture
def follow(tmp_path):
    """A running loadtest/nginx-follow of the servers `one` and `two`; the folder of their addresses."""
    for name, text in PLAYED.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "one").write_text("10.0.0.1")
    (tmp_path / "two").write_text("10.0.0.2")
    child = subprocess.Popen(
        [ROOT / "loadtest" / "nginx-follow", "x.conf", "8081=one:80", "8082=two:81"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "FOLDER": str(tmp_path)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    await_lines(tmp_path, 1)
    yield tmp_path
    child.kill()
    child.wait()


def await_lines(folder, count):
    did = folder / "did"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if did.exists() and did.read_text().count("\n") >= count:
            break
        time.sleep(0.02)
    return did.read_text().splitlines()


def test_nginx_is_reloaded_when_a_server_has_another_address(follow):
    assert await_lines(follow, 1) == ["start -e stderr -c x.conf"]
    (follow / "two").write_text("10.0.0.3")
    assert await_lines(follow, 2)[1:] == ["reload"]
    (follow / "one").unlink()  # stopped: nginx would not start with a name that has no address
    time.sleep(0.5)
    assert len(await_lines(follow, 2)) == 2
    (follow / "one").write_text("10.0.0.4")
    assert await_lines(follow, 3)[1:] == ["reload", "reload"]
    time.sleep(0.5)
    assert len(await_lines(follow, 3)) == 3  # the same addresses as before are no reason


def targets(*words):
    return settings.load(["--targets", " ".join(words), "--n", "0", "--c", "8"], {})


def test_nginx_is_to_reach_the_server_that_is_measured(stub, monkeypatch):
    monkeypatch.setattr(servers, "START_S", 0.5)
    one, other, gone = stub(), stub(), f"http://127.0.0.1:{test_run.free_port()}"
    assert list(servers.await_targets(targets(f"a={one}", f"a@nginx={one}"))) == ["a"]
    assert list(servers.await_targets(targets(f"a@nginx={one}"))) == ["a"]
    for proxy_url, words in ((other, f"another server than {one} responds"), (gone, "a does not respond")):
        with pytest.raises(Failure, match=f"through {proxy_url} {words}.*restart nginx"):
            servers.await_targets(targets(f"a={one}", f"a@nginx={proxy_url}"))
        spec = targets(f"a={one}", f"a@nginx={proxy_url}").servers[0]
        with pytest.raises(Failure, match="restart nginx"):
            servers.Server(spec, targets(f"a={one}"), "").await_reached_through(spec.url_of_proxy)


def test_a_target_is_the_server_whose_name_it_has(stub, monkeypatch):
    monkeypatch.setattr(servers.server_stats, "check", lambda stats: stats | {"model": "coro"})
    url = stub()
    assert list(servers.await_targets(targets(f"coro={url}", f"mine={url}"))) == ["coro", "mine"]
    with pytest.raises(Failure, match=f"at {url} is coro, and not libuv"):
        servers.await_targets(targets(f"libuv={url}"))


def test_the_configuration_stands_once():
    """Not in the code nor in Compose: the image has the program, and Compose its arguments."""
    words = "worker_connections|proxy_pass|keepalive_requests"
    files = [*(ROOT / "loadtest").rglob("*"), *ROOT.glob("docker-*.yml"), ROOT / "Dockerfile"]
    texts = {path.name: path.read_text() for path in files if path.is_file() and path.suffix != ".pyc"}
    found = {name for name, text in texts.items() if re.search(words, text)}
    assert found == {"nginx-conf"}
    image = (ROOT / "Dockerfile").read_text()
    assert " loadtest/nginx-conf " in image and "nginx-conf /tmp auto 40000 - $SITES" in image


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
