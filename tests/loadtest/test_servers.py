"""A server that the load test starts, and that ends before it is stopped."""

import signal

import pytest
import test_run
from waitbench import Failure
from waitbench.bench import servers, subject
from waitbench.base import process
from waitbench.observe import out_of_memory
from waitbench.plan import server_list, settings

HEAD = server_list.DEFAULT.read_text().splitlines()[0]


def chosen_stub(tmp_path, *flags):
    program = tmp_path / "stub"
    program.write_text(f'#!/bin/sh\nexec {test_run.PYTHON} {test_run.HERE}/stub_server.py "$PORT"\n')
    program.chmod(0o755)
    (tmp_path / "list.csv").write_text(f"{HEAD}\nstub,a stub,,{program},8084,#5b4bb5\n")
    words = ["--server-list", str(tmp_path / "list.csv"), "--port", str(test_run.free_port())]
    return settings.load([*words, *flags], {})


@pytest.fixture
def server(tmp_path):
    chosen = chosen_stub(tmp_path)
    server = servers.Server(chosen.servers[0], chosen, "")
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    "number, kills, why",
    [
        (signal.SIGKILL, 0, "SIGKILL: somebody sent it"),
        (signal.SIGKILL, 1, "SIGKILL: the kernel's OOM killer ended a process meanwhile"),
        (signal.SIGSEGV, 0, "SIGSEGV"),
    ],
)
def test_a_server_that_is_killed_is_said_to_be_killed_and_why(server, monkeypatch, number, kills, why):
    monkeypatch.setattr(out_of_memory, "kills", lambda: kills)
    server.kills = 0
    process.send(server.child, number)
    with pytest.raises(servers.Died, match=f"^stub, in the middle of the run, was ended by {why}"):
        server.stats()


def test_a_server_that_ignores_its_variant_is_not_measured_under_its_name(tmp_path):
    chosen = chosen_stub(tmp_path, "--servers", "stub+pipeline")
    measured = subject.Subject(subject.Bench(chosen, None, {}, 1), chosen.servers[0], chosen.points[0])
    try:
        with pytest.raises(Failure, match="stub has no DB_PIPELINE"):
            measured.start()
    finally:
        measured.stop()
