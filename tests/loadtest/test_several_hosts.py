"""docs/several-machines.md, line by line, on hosts made of network namespaces: each has an
address of its own, and reaches the others over a bridge."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
HOSTS = {
    "database": "10.0.0.1",
    "server": "10.0.0.2",
    "load-1": "10.0.0.3",
    "load-2": "10.0.0.4",
    "any": "10.0.0.5",
}
LINE = re.compile(rf"^    ({'|'.join(HOSTS)})\$ (.*)$", re.M)
POINT = {"N": "1", "M": "1024", "C": "9", "DURATION": "1", "WARMUP": "0.3", "REPEATS": "1"}
POINT |= {"STEAL_MAX": "1", "RETRIES": "8"}  # the machine that runs the tests may be a busy one


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True)


class Network:
    """A namespace for each host, each with a link to a bridge in one more."""

    def __init__(self):
        self.prefix = f"waitbench-{os.getpid()}-"
        self.made = []

    def up(self):
        """The sentence that says why it cannot be; None when it is up."""
        commands = [f"-n {self.add('switch')} link add bridge up type bridge"]
        for host, address in HOSTS.items():
            name = self.add(host)
            commands += [
                f"link add eth0 netns {name} type veth peer name {host} netns {self.prefix}switch",
                f"-n {name} address add {address}/24 dev eth0",
                f"-n {name} link set eth0 up",
                f"-n {name} link set lo up",
                f"-n {self.prefix}switch link set {host} up master bridge",
            ]
        done = [ip("netns", "add", name) for name in self.made] + [
            ip(*command.split()) for command in commands
        ]
        return next(
            (f"no network namespaces here: {one.stderr.strip()}" for one in done if one.returncode), None
        )

    def add(self, host):
        self.made.append(self.prefix + host)
        return self.made[-1]

    def inside(self, host, command):
        """The words that run a shell command there."""
        return ["ip", "netns", "exec", self.prefix + host, "sh", "-c", command]

    def down(self):
        for name in self.made:
            ip("netns", "delete", name)


@pytest.fixture(scope="module")
def network():
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("network namespaces want root and `ip` (Debian's package iproute2)")
    for program in ("server-threaded", "server-libuv"):
        if not (BUILD / program).exists():
            pytest.skip(f"{program} is not built")
    network = Network()
    try:
        trouble = network.up()
        if trouble:
            pytest.skip(trouble)
        yield network
    finally:
        network.down()


@pytest.fixture(scope="module")
def commands():
    """{host: [its commands]}, as the document has them."""
    section = (ROOT / "docs/several-machines.md").read_text()
    found = {}
    for host, command in LINE.findall(section):
        found.setdefault(host, []).append(re.sub(r"\bbuild/", f"{shlex.quote(str(BUILD))}/", command))
    return found


class Hosts:
    """The database, the servers and the generators of the document, running."""

    def __init__(self, network, commands, folder):
        self.network, self.commands, self.folder = network, commands, folder
        kept = "PATH", "HOME", "LC_ALL", "TMPDIR"
        self.environment = {name: os.environ[name] for name in kept if name in os.environ}
        self.environment |= {"WAITBENCH_DB": f"hosts-{os.getpid()}", "PYTHONDONTWRITEBYTECODE": "1"}
        self.started = []

    def start(self):
        (command,) = self.commands["database"]
        done = self.run("database", command)
        assert done.returncode == 0, done.stderr
        self.environment["DATABASE_URL"] = done.stdout.strip()
        for host in ("server", "load-1", "load-2"):
            for command in self.commands[host]:
                words = self.network.inside(host, f"exec env {command}")
                with (self.folder / host).open("a") as said:
                    self.started.append(subprocess.Popen(words, cwd=ROOT, env=self.environment, stdout=said))
        await_listening(self.network)

    def said(self, host):
        return (self.folder / host).read_text()

    def load(self, out, **more):
        """The document's last lines; the finished process."""
        return self.run("any", "\n".join(self.commands["any"]), OUT=str(out), **(POINT | more))

    def run(self, host, command, **more):
        return subprocess.run(
            self.network.inside(host, command),
            cwd=ROOT,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def stop(self):
        for child in self.started:
            child.terminate()
            child.wait(30)
        self.run("database", "db/local stop")


@pytest.fixture(scope="module")
def hosts(network, commands, tmp_path_factory):
    found = Hosts(network, commands, tmp_path_factory.mktemp("hosts"))
    try:
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def results(hosts):
    """The folder of a run, as the document has it."""
    out = hosts.folder / "results"
    done = hosts.load(out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def await_listening(network):
    for host, port in (("server", 8081), ("server", 8082), ("load-1", 18090), ("load-2", 18090)):
        knock = network.inside("any", f"exec bash -c ': </dev/tcp/{HOSTS[host]}/{port}'")
        for _ in range(100):
            if subprocess.run(knock, stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.1)


def rows(folder, name):
    with (folder / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_host_has_its_lines(commands):
    assert set(commands) == set(HOSTS)
    for host, address in HOSTS.items():
        assert host == "any" or all(address in command for command in commands[host])


def test_every_server_has_a_sound_row(results):
    found = rows(results, "runs.csv")
    assert {row["server"] for row in found} == {"threaded", "libuv"}
    assert all(row["errors"] == "0" and float(row["rps"]) > 10 for row in found)


def test_a_row_is_of_both_generators(hosts, results):
    for row, detail in zip(rows(results, "runs.csv"), rows(results, "detail.csv")):
        requests = int(row["requests"])
        assert abs(int(detail["server_requests"]) - requests) <= 9
        # Nine connections, a try of the address by each wrk, and the load test's own if it was made anew.
        assert int(detail["connections_accepted"]) in (9 + 2, 9 + 3)
        assert 0 <= float(detail["generators_apart_ms"]) <= 150
        assert float(detail["littles_ratio"]) <= 1.02
    for host, connections in (("load-1", 5), ("load-2", 4)):
        assert f"1 s of {connections} connections to http://10.0.0.2:8081/work?" in hosts.said(host)
        assert f"1 s of {connections} connections to http://10.0.0.2:8082/work?" in hosts.said(host)


def test_the_environment_names_the_hosts(results):
    found = json.loads((results / "environment.json").read_text())["hosts"]
    assert found["database"]["name"] == "10.0.0.1"
    assert {server["name"] for server in found["servers"].values()} == {"10.0.0.2"}
    assert [(one["generator"], one["connections"]) for one in found["generators"]] == [
        ("http://10.0.0.3:18090", {"9": 5}),
        ("http://10.0.0.4:18090", {"9": 4}),
    ]
    # Namespaces of one machine: what its kernel tells is true for all of them.
    everybody = [found["load_test"], found["database"], *found["servers"].values(), *found["generators"]]
    assert len({host["boot_id"] for host in everybody}) == 1
    assert all(row["idle_share"] for row in rows(results, "runs.csv"))


def test_a_generator_that_is_cut_off_is_named_and_ends_its_wrk(hosts, tmp_path):
    """Its host is there and says nothing any more: no connection is closed."""
    prefix = hosts.network.prefix
    runs = (
        f"for pid in $(ip netns pids {prefix}load-2); do cat /proc/$pid/comm; done 2>/dev/null | grep -qx wrk"
    )
    cut = f"timeout 30 sh -c 'until {runs}; do sleep 0.1; done'; sleep 1; ip -n {prefix}switch link set load-2 down"
    running = subprocess.Popen(["sh", "-c", cut])
    try:
        begin = time.monotonic()
        done = hosts.load(tmp_path / "r", DURATION="60", WARMUP="0", RETRIES="0")
        assert time.monotonic() - begin < 40  # and not when wrk would have ended
        assert done.returncode == 3, done.stderr
        (row,) = rows(tmp_path / "r", "unsound.csv")
        assert row["reason"].startswith("broken: generator http://10.0.0.4:18090: ")
        for host, address in (("load-1", "10.0.0.5"), ("load-2", "10.0.0.5")):
            for _ in range(100):
                if f"generator: {address} went away; its wrk was ended\n" in hosts.said(host):
                    break
                time.sleep(0.1)
            else:
                raise AssertionError(f"{host} still runs wrk; it said:\n{hosts.said(host)}")
    finally:
        running.wait()
        ip("-n", f"{hosts.network.prefix}switch", "link", "set", "load-2", "up")
