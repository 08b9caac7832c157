"""tests/contract can fail: the example of docs/adding-a-server.md passes, and each thing done wrong is found."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest
from conftest import free_port, sanitizer
from project import MODELS, ROOT
from test_contract import CHECKER
from wire import eventually

AT_A_TIME = 3
FAULTS_OF_A_SERVER = 5
EXAMPLE = re.search(r"^```python\n(.*?)^```", (ROOT / "docs/adding-a-server.md").read_text(), re.M | re.S)[1]

SERVE = "        status, body = respond(url.path, url.query)\n"
QUERY = "            with database.cursor() as cursor:\n"
HEAD = '        self.send_header("Content-Type", "application/json")\n'
FIRST_IS_CLOSED = """timeout = property(lambda self: None if stats["requests"] else 1)
    log_message ="""
FEW = """gate = threading.Semaphore(50)
Handler.setup = lambda self: (gate.acquire(), BaseHTTPRequestHandler.setup(self))
Handler.finish = lambda self: (BaseHTTPRequestHandler.finish(self), gate.release())
ThreadingHTTPServer.request"""

# What is changed in the example, and the checks that must fail then; no other may.
WRONG = {
    "nothing wrong": ("import psycopg2", "import psycopg2", set()),
    "sum": ("total += cursor.fetchone()[0]", "total += cursor.fetchone()[0] + 1", {"sum"}),
    "other rows": ("1 + (z ^ z >> 31)", "2 + (z ^ z >> 31)", {"sum"}),
    "one byte too many": ('"x" * (m - len(body))', '"x" * (m - len(body) + 1)', {"length"}),
    "ignores m": ('"x" * (m - len(body))', '"x" * (1024 - len(body))', {"length"}),
    "spaces in the body": (', separators=(",", ":")', "", {"body"}),
    "other order in the body": (
        '{"n": n, "sum": total, "pad": ""}',
        '{"sum": total, "n": n, "pad": ""}',
        {"body"},
    ),
    "media type": ("application/json", "text/html", {"type"}),
    "the same seed each time": ("random.getrandbits(63)", "7", {"seed"}),
    "takes what is out of range": ("raise ValueError", "n, w, d, t = 1, 0, 0, 0", {"ranges"}),
    "500 for what is out of range": ("return 400", "return 500", {"ranges"}),
    "200 for any path": ('(404, "{}")', '(200, "{}")', {"other paths"}),
    "no readyz": ('if path in ("/work", "/readyz")', 'if path == "/work"', {"readyz", "outage"}),
    "no healthz": ('in ("/stats", "/healthz")', '== "/stats"', {"healthz"}),
    "needs parameters": (
        'if path in ("/work", "/readyz")',
        'if path == "/work" and query or path == "/readyz"',
        {"defaults"},
    ),
    "ignores d": ("d / 1000", "0", {"delay", "session"}),
    "does not wait": ("time.sleep(t / 1000)", "pass", {"wait"}),
    "waits with a database connection": (
        "        if database:\n            pool.put",
        "        if database:\n            time.sleep(t / 1000)\n            pool.put",
        {"wait"},
    ),
    "updates nothing": ("UPDATE if i >= n - w else READ", "READ", {"updates"}),
    "one update too few": ("i >= n - w", "i > n - w", {"updates"}),
    "one query too many": (
        QUERY,
        "            database.cursor().execute(READ, (1, 0))\n" + QUERY,
        {"queries"},
    ),
    "another connection for each query": (
        "for i in range(n):",
        "for i in range(n):\n            pool.put(database)\n            database = pool.get()",
        {"session", "outage"},
    ),
    "one request after another": (
        SERVE,
        f"        with vars(sys).setdefault('turn', threading.Lock()):\n    {SERVE}",
        {"together", "no queries", "wait"},
    ),
    "ends without a database": ('return 503, "{}"', "os._exit(1)", {"outage"}),
    "does not connect again": ("database and database.closed", "False", {"outage"}),
    "another status without a database": ("return 503", "return 500", {"outage"}),
    "n=0 takes a connection": ("pool.get() if n else None", "pool.get()", {"no queries"}),
    "no keep-alive": (HEAD, HEAD + '        self.send_header("Connection", "close")\n', {"keep-alive"}),
    "closes after 100 requests": (
        "        under_way.discard(self)\n",
        """        under_way.discard(self)
        self.served = getattr(self, "served", 0) + 1
        self.close_connection |= self.served >= 100
""",
        {"keep-alive"},
    ),
    "closes idle connections": ("log_message =", FIRST_IS_CLOSED, {"keep-alive"}),
    "ignores Connection: close": (
        "        under_way.discard(self)\n",
        "        under_way.discard(self)\n" "        self.close_connection = False\n",
        {"close"},
    ),
    "no date": ("self.send_response(status)", "self.send_response_only(status)", {"date"}),
    "heads of other lengths": (
        HEAD,
        HEAD + '        self.send_header("X-Id", "x" * random.randint(1, 9))\n',
        {"head"},
    ),
    "50 connections at most": ("ThreadingHTTPServer.request", FEW, {"connections"}),
    "counts no queries": ('stats["queries"] += n', "pass", {"stats: queries"}),
    "no number of queries": (
        "json.dumps(stats)",
        'json.dumps({"pid": 1, "requests": stats["requests"]})',
        {"stats", "stats: queries"},
    ),
    "counts each request twice": ('stats["requests"] += 1', 'stats["requests"] += 2', {"stats: requests"}),
    "text for a number": ("json.dumps(stats)", 'json.dumps(stats | {"threads": "many"})', {"stats: threads"}),
    "a wrong number of connections": (
        "json.dumps(stats)",
        'json.dumps(stats | {"connections_open": 1, ' '"connections_accepted": 1})',
        {"stats: connections"},
    ),
}


@pytest.fixture(autouse=True, scope="module")
def without_sanitizers():
    if any(sanitizer(model) for model in MODELS):
        pytest.skip("the servers here are in Python: what the others are built with makes no difference")


# What these do to connections would show in the checks of other faults.
ALONE = {"50 connections at most", "one request after another", "no keep-alive"}


def grouped():
    """Faults that one server can have at the same time, since each changes another line and fails other checks."""
    groups = [["nothing wrong"]]
    for name, (old, _, failing) in list(WRONG.items())[1:]:
        for group in groups[1:]:
            apart = all(old != WRONG[other][0] and not failing & WRONG[other][2] for other in group)
            if apart and not {name, *group} & ALONE and len(group) < FAULTS_OF_A_SERVER:
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def changed_example(names):
    program = EXAMPLE
    for name in names:
        old, new, _ = WRONG[name]
        assert program.count(old) == 1, f"the example has {old!r} {program.count(old)} times"
        program = program.replace(old, new)
    return program


@pytest.fixture(scope="module")
def databases():
    """URLs of databases that are alike; each server under test is alone in its own."""

    def sql(url, *statements):
        with closing(psycopg2.connect(url)) as link:
            link.autocommit = True
            for statement in statements:
                link.cursor().execute(statement)

    base = os.environ["DATABASE_URL"]
    schema = (ROOT / "db/schema.sql").read_text()
    rows = (ROOT / "db/seed.sql").read_text().split(";")[0]
    names = [f"contract_{number}" for number in range(AT_A_TIME)]
    urls = []
    for name in names:
        sql(base, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}")
        urls.append(base.rpartition("/")[0] + f"/{name}")
        sql(urls[-1], schema, rows)
    yield urls
    for name in names:
        sql(base, f"DROP DATABASE {name} WITH (FORCE)")


def start_example(program, url):
    """The process and its port. Another program may take the port that was free: then it tries another."""
    log = program.with_suffix(".log")
    for _ in range(3):
        port = free_port()
        with open(log, "w") as errors:
            server = subprocess.Popen(
                [sys.executable, program],
                stderr=errors,
                env=os.environ | {"PORT": str(port), "DATABASE_URL": url, "DB_POOL": "4"},
            )
        eventually(lambda: "listening" in log.read_text() or server.poll() is not None, within=60)
        if server.poll() is None:
            return server, port
    raise AssertionError(log.read_text())


def failed_checks(names, folder, url):
    """Runs the changed example and the checker on it. Which checks failed, the exit status, and all that was said."""
    program = folder / "server.py"
    program.write_text(changed_example(names))
    server, port = start_example(program, url)
    try:
        done = subprocess.run(
            [sys.executable, CHECKER, f"http://127.0.0.1:{port}", "--database", url, "--outage"],
            capture_output=True,
            text=True,
            timeout=250,
        )
    finally:
        server.kill()
        server.wait()
    failed = set(re.findall(r"^FAILED   ([^:]+(?:: \w+)?):", done.stdout, re.M))
    return failed, done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def verdicts(databases, tmp_path_factory):
    """What the checker says of the server with each fault. Several are checked at a time: a check mostly waits."""
    free = list(databases)
    tmp_path_factory.getbasetemp()  # made here: two threads at once would make two

    def verdict(names):
        url = free.pop()
        try:
            failed, status, said = failed_checks(names, tmp_path_factory.mktemp("wrong"), url)
        finally:
            free.append(url)
        expected = set().union(*(WRONG[name][2] for name in names))
        return {name: (failed, expected, status, said) for name in names}

    with ThreadPoolExecutor(AT_A_TIME) as workers:
        return {name: found for group in workers.map(verdict, grouped()) for name, found in group.items()}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found_and_nothing_else(verdicts, name):
    failed, expected, status, said = verdicts[name]
    assert failed & WRONG[name][2] == WRONG[name][2], said
    assert failed == expected, said
    assert status == bool(failed)
    assert re.fullmatch(rf"\d+ passed, {len(failed)} failed, \d+ skipped", said.splitlines()[-1]), said


def test_each_check_is_seen_to_fail():
    """But for those of optional members, which are one check many times."""
    listed = re.findall(r'^@check\("(.*)"\)', CHECKER.read_text(), re.M)
    assert set(listed) <= set().union(*(failing for _, _, failing in WRONG.values()))


def test_a_server_of_a_temporary_folder(tmp_path):
    """One line in another list, and an executable that is no part of the project: its start, its end, and what it
    serves are checked as those of the three servers are."""
    program = tmp_path / "example.py"
    program.write_text(EXAMPLE)
    servers = tmp_path / "servers.csv"
    servers.write_text(
        "name,description,build,start,port,colour\n"
        f"example,the smallest one,,{sys.executable} {program},8099,#000000\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "MODELS"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_contract.py"],
        cwd=ROOT / "tests/http",
        env=environment | {"SERVER_LIST": str(servers)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0 and "passed" in done.stdout and "skipped" not in done.stdout, done.stdout


# ---- The command


@pytest.mark.parametrize(
    "args, words",
    [
        ([], "URL"),
        (["nonsense"], "nonsense"),
        (["https://127.0.0.1:1"], "https"),
        (["http://127.0.0.1:port"], "port"),
        (["http://127.0.0.1:1/work"], "/work"),
        (["http://127.0.0.1:1", "--nonsense"], "--nonsense"),
        (["http://127.0.0.1:1", "--outage"], "--database"),
        (["http://127.0.0.1:1", "--database", "postgresql://127.0.0.1:1/x"], "database"),
    ],
)
def test_usage(args, words):
    done = subprocess.run([sys.executable, CHECKER, *args], capture_output=True, text=True)
    assert done.returncode == 2 and words in done.stderr and done.stdout == ""


def test_help():
    done = subprocess.run([sys.executable, CHECKER, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--database" in done.stdout and "docs/adding-a-server.md" in done.stdout


def test_nobody_there():
    done = subprocess.run(
        [sys.executable, CHECKER, f"http://127.0.0.1:{free_port()}"], capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stdout.splitlines()[-1] == "0 passed, 1 failed"
