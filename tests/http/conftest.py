"""One suite, every server of servers.csv: each test that takes `server` or `start` runs against each of them.

DATABASE_URL names the database (tests/run sets it), BUILD the folder of the built programs, SERVER_LIST another
list than servers.csv, and MODELS the servers of the list that are tested ("threaded libuv coro").
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading

import psycopg2
import pytest
from cluster import Cluster
from network import Proxy
from project import MODELS, PIPELINES, ROOT, start_command
from wire import Connection, eventually

# The tests read what programs say, in English.
os.environ["LC_ALL"] = "C"
os.environ.pop("LANGUAGE", None)

# What a test machine has in its environment is not for the servers: each test says what it sets.
SETTINGS = (
    "HOST PORT DB_POOL DB_PIPELINE THREADS N M W D T MAX_CONNECTIONS STACK_KIB HEADER_TIMEOUT IDLE_TIMEOUT WRITE_TIMEOUT "
    "POOL_TIMEOUT QUERY_TIMEOUT DRAIN_TIMEOUT MAX_HEADER_BYTES MAX_BODY_BYTES LOG_LEVEL"
).split()


def sanitizer(model):
    """What the server is built with: "address,undefined", "thread" or ""; it says so itself."""
    done = subprocess.run([*start_command(model), "--version"], cwd=ROOT, capture_output=True, text=True)
    found = re.search(r"-fsanitize=(\S+?)[ )]", done.stdout)
    return found[1] if found else ""


STOP_S = 90  # LeakSanitizer looks for leaks for 30 s after 10,000 threads


def free_port():
    """One that no other process of tests takes before the server does: of two side by side each has every second pair."""
    number = int(os.environ.get("WAITBENCH_TESTS_BESIDE", 0))
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if not number or port // 2 % 2 == number - 1:
            return port


class Server:
    """A server process. Its log is read as it comes, so that it never blocks on a full pipe."""

    def __init__(self, model, args=(), prefix=(), wait=True, **settings):
        self.model = model
        self.port = settings.setdefault("PORT", free_port())
        env = {key: value for key, value in os.environ.items() if key not in SETTINGS}
        env |= {key: str(value) for key, value in settings.items()}
        self.process = subprocess.Popen(
            [*prefix, *start_command(model), *args],
            cwd=ROOT,
            env=env,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.lines = []
        self.reader = threading.Thread(
            target=lambda: self.lines.extend(iter(self.process.stderr.readline, "")), daemon=True
        )
        self.reader.start()
        if wait:
            eventually(lambda: self.process.poll() is not None or self.said("listening"), within=30)
            assert self.process.poll() is None, f"server-{model} did not start: {self.log}"

    @property
    def log(self):
        return "".join(self.lines)

    def said(self, text):
        return any(text in line for line in self.lines)

    def connect(self, **options):
        return Connection(("127.0.0.1", self.port), **options)

    def let_in(self):
        """A connection that is served; None if it is refused, as a client that has just left may still count."""
        connection = self.connect()
        try:
            if connection.lives_on():
                return connection
        except (ConnectionError, EOFError):
            pass  # it was closed before the request came
        connection.socket.close()
        return None

    def ask(self, method, target, body=None, headers=()):
        with self.connect() as connection:
            return connection.ask(method, target, body, headers)

    def get(self, target, **headers):
        return self.ask("GET", target, headers=headers)

    def stats(self):
        return self.get("/stats").json()

    def descriptors(self):
        """How many it has open."""
        return len(self.open_files())

    def open_files(self):
        """Each descriptor, and what it is: "socket:[inode]", "/dev/null"."""
        folder, files = f"/proc/{self.process.pid}/fd", {}
        for number in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                files[int(number)] = os.readlink(f"{folder}/{number}")
        return files

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait(self, timeout=STOP_S):
        """Exit status, once the process has ended by itself; its log is complete then."""
        status = self.process.wait(timeout)
        self.reader.join(5)
        return status

    def stop(self, timeout=STOP_S):
        """SIGTERM; the exit status. A process that does not end is killed, and that fails the test."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.wait()
            raise


def pytest_generate_tests(metafunc):
    """Each test for each server; those of a file that says PIPELINED for each with DB_PIPELINE=1, too or alone."""
    models = {"": MODELS, "too": MODELS + PIPELINES, "alone": PIPELINES}[
        getattr(metafunc.module, "PIPELINED", "")
    ]
    chosen = {mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")}
    for fixture, scope in ("model", "function"), ("server", "module"):
        if fixture in metafunc.fixturenames and fixture not in chosen:
            metafunc.parametrize(fixture, models, indirect=True, scope=scope)


@pytest.fixture
def model(request):
    return request.param


@pytest.fixture(scope="module")
def server(request):
    """A server with its default settings, shared by the tests of a file."""
    server = Server(request.param)
    yield server
    assert server.process.poll() is None, f"the server died: {server.log}"
    assert server.stop() == 0, server.log


@pytest.fixture(scope="module")
def servers():
    """All of them at once, for tests that compare their responses."""
    servers = [Server(model) for model in MODELS]
    yield servers
    for server in servers:
        assert server.stop() == 0, server.log


@pytest.fixture
def start(model):
    """start(SETTING=value...) starts a server of the model that is gone after the test."""
    servers = []

    def start(**options):
        servers.append(Server(model, **options))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            assert server.stop() == 0, server.log


@pytest.fixture
def connection(server):
    with server.connect() as connection:
        yield connection


@pytest.fixture
def item(connection):
    """A new item of the test's own: the response to its POST."""
    return connection.ask("POST", "/items", {"name": "tea", "value": 3, "payload": {"a": 1}})


@pytest.fixture(scope="session")
def database():
    """A cursor that commits each statement."""
    link = psycopg2.connect(os.environ["DATABASE_URL"])
    link.autocommit = True
    with link.cursor() as cursor:
        yield cursor
    link.close()


@pytest.fixture(scope="session")
def breakable():
    cluster = Cluster(f"faults-{os.getpid()}")
    try:
        # An ordinary role: limits do not hold for a superuser.
        cluster.sql("CREATE ROLE app LOGIN PASSWORD 'app'", "GRANT ALL ON world, items TO app")
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(breakable, start):
    """A PostgreSQL that a test may break: after the test, it runs and its settings are as they were.

    Torn down before `start`, so that the servers end with a database.
    """
    yield breakable
    breakable.go_on()
    try:
        breakable.sql("SELECT 1")
    except psycopg2.Error:
        breakable.restart()
    breakable.sql("ALTER ROLE app CONNECTION LIMIT -1", "ALTER ROLE app RESET ALL", "TRUNCATE items")


@pytest.fixture
def proxy(cluster):
    """The network between a server and that PostgreSQL."""
    with Proxy(cluster.port) as proxy:
        yield proxy


@pytest.fixture
def launch(model):
    """launch(SETTING=value...) starts a server of the model without waiting for it, and kills it after the test."""
    servers = []

    def launch(**options):
        servers.append(Server(model, wait=False, **options))
        return servers[-1]

    yield launch
    for server in servers:
        server.process.kill()
        server.wait()
