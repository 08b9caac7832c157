"""pace and the load test: its command line, its JSON, where it is watched. Only the last tests need the program."""

import json
import math
import shutil
import subprocess
import time

import pytest
import test_run
from paced import FOUND, OPEN, WARM, result
from test_soundness import POINT, REQUESTS, US

from waitbench import Failure, ROOT
from waitbench.base import process, results
from waitbench.plan import matrix, requests, settings
from waitbench.observe import load_result, pace_output
from waitbench.judge import figures, load
from waitbench.bench import generators, load_program, measure, pace, subject, watch

stub = test_run.stub
PACING = load_program.Pacing(1500.5, "poisson", 0, 0, 0.5, 5, 7)


def test_its_json_is_a_result():
    found = result()
    assert (found.generator, found.requests, found.all_requests) == ("pace", REQUESTS - 3, REQUESTS + WARM)
    assert found.histogram == [(US, REQUESTS - 40), (50_000, 40)] and found.operations is None
    assert (found.paced.mode, found.paced.due, found.paced.before_s) == (
        "open",
        REQUESTS,
        pytest.approx(0.504),
    )
    crud = {"issued": [1, 2, 3, 4, 5, 6], "answered": [1, 2, 3, 4, 5, 5], "wrong": 0, "first_wrong": ""}
    assert result(crud=crud).operations.issued == (1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "no output"),
        ("pace: no address\n", "pace: no address"),
        ('{"pace":1}\n', "KeyError: 'requests'"),
        (json.dumps(FOUND | {"pace": 2}), "its format is 2 and not 1"),
        (json.dumps(FOUND)[:-20], "JSONDecodeError"),
        (json.dumps(FOUND | {"mode": "ajar"}), "its mode is ajar"),
        (json.dumps(FOUND | {"latency": [[1]]}), "ValueError"),
    ],
)
def test_what_is_no_result_of_pace_is_said(text, words):
    with pytest.raises(load_result.Broken, match=f"pace ended without handing out its results: .*{words}"):
        pace_output.parse(text)


@pytest.fixture
def program(tmp_path):
    """A program `pace` that does what a test says, for its command line."""

    def make(text="exit 0"):
        (tmp_path / "pace").write_text("#!/bin/sh\n" + text)
        (tmp_path / "pace").chmod(0o755)
        return str(tmp_path)

    return make


def command(spec, build, point=OPEN, pacing=PACING, crud=None):
    return pace.command(pace.job("http://h:1", matrix.parse_server(spec), point, 2.5, pacing, crud), 1, build)


def option(words, name):
    return words[words.index(name) + 1]


def test_the_command_line_of_an_open_loop(program):
    built = command("a", program())
    assert built[0].endswith("/pace") and built[-1] == "http://h:1"
    wanted = {
        "--rate": "1500.5", "--arrivals": "poisson", "--connections": "16", "--duration": "2.5", "--warmup": "0.5",
        "--drain": "5", "--requests-per-connection": "0", "--idle": "0", "--seed": "7", "--json": "-",
        "--path": "/work?n=20&m=1024&w=0&d=0",
    }  # fmt: skip
    assert {name: option(built, name) for name in wanted} == wanted
    assert float(option(built, "--timeout")) > 2.5 + 0.5 + 5, "no response is an error because it is slow"


def test_the_command_line_of_a_closed_loop_and_of_crud(program):
    closed = PACING._replace(rate=None, arrivals=None, requests_per_connection=7, idle=100)
    built = command("a", program(), pacing=closed)
    assert "--rate" not in built and "--arrivals" not in built
    assert (option(built, "--requests-per-connection"), option(built, "--idle")) == ("7", "100")
    point = matrix.Point("none", None, None, None, None, 16, "crud", None)
    mixed = command("a", program(), point, crud=requests.Crud((1, 2, 3, 4, 5, 6), 9))
    assert option(mixed, "--crud") == "1 2 3 4 5 6 10000 9" and "--path" not in mixed
    assert mixed.index("--seed") > mixed.index("--crud"), "the last one counts"


def test_injected_faults(program):
    build = program()
    assert option(command("a+inject=error", build), "--inject") == "/work?n=none&m=1024&w=0&d=0:100"
    assert option(command("a+inject=short", build), "--inject") == "/work?n=20&m=512&w=0&d=0:100"
    assert option(command("a+inject=slow-generator", build), "--burn") == "2000"
    point = matrix.Point("none", None, None, None, None, 16, "crud", None)
    assert option(command("a+inject=short", build, point), "--inject") == "short:100"


def test_where_pace_is(program, tmp_path, monkeypatch):
    assert pace.find(program()) == str(tmp_path / "pace")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pace.find("/nowhere") == str(tmp_path / "pace")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        Failure, match="pace, the program that makes this load, is not there: `make build/pace`"
    ):
        pace.find("/nowhere")


def test_the_drain_is_longer_than_a_request_waits():
    assert pace.drain({"n": 20, "d": 100, "t": 500}) == 5 + 2.5 and pace.drain({}) == 5


JOB = load_program.Job("http://h:1", "/", 16, 1, pacing=PACING)


@pytest.mark.parametrize("status", [0, 3])
def test_an_unsound_result_is_a_result_too(program, status):
    text = json.dumps(FOUND | {"unsound": ["late: 3%"] if status else []})
    done = pace.run([program(f"echo '{text}'; exit {status}") + "/pace"], JOB)
    assert done.requests == REQUESTS - 3 and done.paced.unsound == (["late: 3%"] if status else [])


@pytest.mark.parametrize("status, said", [(1, "status 1"), (2, "status 2"), (130, "status 130")])
def test_a_pace_without_a_result(program, status, said):
    build = program(f"echo 'pace: nobody listens' >&2; exit {status}")
    with pytest.raises(load_result.Broken, match=f"^pace .*{said}.*; it said: pace: nobody listens"):
        pace.run([build + "/pace"], JOB)


def test_a_look_that_ends_the_run_sends_sigint(program, tmp_path):
    (tmp_path / "json").write_text(json.dumps(FOUND))
    build = program(f"trap 'cat {tmp_path}/json; exit 0' INT; while :; do sleep 0.02; done")
    begin = time.monotonic()
    assert pace.run([build + "/pace"], JOB, watch=lambda elapsed: None).requests == REQUESTS - 3
    assert time.monotonic() - begin < 5


def test_rate_idle_connections_and_seeds_are_divided():
    pacing = PACING._replace(rate=900.0, idle=5)
    job = load_program.Job("http://h:1", "/", 9, 1, pacing=pacing, crud=requests.Crud((1,) * 6, 3))
    parts = [job.share(c, number, i) for number, (c, i) in enumerate(zip(load.split(9, 2), load.split(5, 2)))]
    assert [(p.connections, p.pacing.rate, p.pacing.idle) for p in parts] == [(5, 500, 3), (4, 400, 2)]
    assert parts[0].pacing.seed != parts[1].pacing.seed and parts[0].crud.seed != parts[1].crud.seed
    closed = job._replace(pacing=pacing._replace(rate=None)).share(5, 0, 3)
    assert closed.pacing.rate is None


class Measured:
    """A server whose connections are all accepted from the third look on."""

    pid, asked = None, 0

    def __init__(self, opened):
        self.looks, self.opened = 0, opened

    def stats(self):
        self.looks += 1
        return {"requests": 0, "connections_accepted": 10 + (self.opened if self.looks > 2 else 0)}


def test_the_middle_of_the_window_comes_after_connecting_and_warming_up():
    server = Measured(opened=16 + 100 + 1)
    watcher = watch.Watcher(server, POINT._replace(i=100), 2.0, 1, warmup=0.5)
    watcher.first = figures.Snapshot(
        0, {"requests": 0, "connections_accepted": 10}, None, None, None, None, 0, {}, 0, 0
    )
    for elapsed in (0.1, 0.2, 0.3):
        watcher(elapsed)
    assert watcher.watched.connect_s == 0.3
    assert watcher.due == {"middle": pytest.approx(0.3 + 0.5 + 1.0), "late": pytest.approx(0.3 + 0.5 + 1.8)}
    watcher(1.7)
    assert watcher.watched.stats is None
    watcher(1.9)
    assert watcher.watched.stats


def bench(targets, *arguments):
    words = [
        "--targets",
        targets,
        "--n=0",
        "--m=64",
        "--duration=0.5",
        "--warmup=0.1",
        "--syscalls=none",
        *arguments,
    ]
    chosen = settings.load(words, {"BUILD": test_run.os.environ.get("BUILD", "build")})
    return subject.Bench(chosen, None, {}, 2), chosen


def test_a_rate_is_a_share_of_the_reference(monkeypatch):
    some, chosen = bench("a=http://127.0.0.1:1", "--mode=open", "--load", "50 1", "--c=4", "--k=1")
    (point, least) = chosen.points
    with pytest.raises(Failure, match="there is no reference rate at n=0 m=64 c=4 k=1, of which to take 50%"):
        some.rate(point)
    some.references[point.configuration] = 300.0
    assert (some.rate(point), some.rate(point.configuration)) == (150, None)
    some.references[point.configuration] = 5.0
    assert some.rate(least) == pace.RATE_LEAST


BUILT = ROOT / test_run.os.environ.get("BUILD", "build")
needs_pace = pytest.mark.skipif(not shutil.which("pace", path=str(BUILT)), reason="make build/pace")


@needs_pace
@pytest.mark.parametrize("mode, k, i", [("closed", "3", "20"), ("open", "unlimited", "0")])
def test_a_run_with_the_real_pace(stub, mode, k, i):
    """The counts of the stub and of pace agree to the last one, whatever the machine does besides."""
    more = ["--mode=open", "--load=50"] if mode == "open" else []
    some, chosen = bench(
        f"a={stub()}", "--generator=pace", "--c=4", "--k", k, "--i", i, "--steal-max=1", *more
    )
    (point,) = chosen.points
    some.references[point.configuration] = 400.0
    run = measure.run(some, chosen.servers[0], point)
    # A machine that is busy with other tests may keep pace waiting.
    assert all(reason.startswith("late: ") for reason in run.reasons), run.reasons
    assert (run.row["generator"], run.row["mode"], run.row["k"], run.row["i"]) == (
        "pace",
        mode,
        point.k,
        point.i,
    )
    assert set(run.row) >= set(results.COLUMNS) - {"block", "order"} and run.detail["connect_ms"] > 0
    served = run.detail["server_requests"]
    if mode == "open":
        assert 130 < run.row["offered_rps"] < 280 and run.detail["connections_accepted"] == 5
    else:
        assert run.row["offered_rps"] is None and run.row["requests"] < served
        assert (
            math.ceil((served - 20) / 3) + 21 <= run.detail["connections_accepted"] <= (served - 20) / 3 + 25
        )


@needs_pace
@pytest.mark.parametrize("fault, kind", [("error", "status"), ("short", "length")])
def test_an_injected_fault_is_caught(fault, kind):
    """By pace itself, which holds each response against the first."""
    with subprocess.Popen(
        [test_run.PYTHON, test_run.HERE / "stub_server.py", str(port := test_run.free_port()), f"{fault}=50"]
    ) as child:
        try:
            url = f"http://127.0.0.1:{port}"
            pacing = PACING._replace(rate=None, arrivals=None, warmup=0)
            job = load_program.Job(url, "/work?n=0&m=256", 4, 0.3, pacing=pacing)
            deadline = time.monotonic() + 10
            while test_run.can_listen("127.0.0.1", port) and time.monotonic() < deadline:
                time.sleep(0.02)
            done = generators.Local(process.ANYWHERE, 2, str(BUILT)).run(job)
        finally:
            child.kill()
    assert done.failed and done.errors[kind] > 0 and not sum(done.errors.values()) - done.errors[kind]
