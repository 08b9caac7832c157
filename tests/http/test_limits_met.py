"""Each limit of the system in turn: the log names it, a new client gets a 503, those inside are served on, a new one
is taken when there is room again, and the server ends as it should."""

import contextlib
import os
import pathlib
import platform
import re
import resource
import select
import shutil
import signal
import subprocess

import pytest
from conftest import sanitizer
from limits import Group, lowered, number, write
from service import connections_up
from wire import eventually, request

SETTINGS = {"DB_POOL": 2, "WORKERS": 2}
MIB = 1 << 20
USER = 61234  # nobody else has it, so all its threads are the server's
threaded = pytest.mark.parametrize("model", ["threaded"], indirect=True)


@pytest.fixture(autouse=True)
def no_sanitizer(model):
    if sanitizer(model):
        pytest.skip("a sanitizer has threads, mappings and memory of its own")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4000:
        pytest.skip(f"RLIMIT_NOFILE is {hard}, 4000 are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4000), hard))


@pytest.fixture
def inside():
    """The clients that are served: closed after the test."""
    clients = []
    yield clients
    leave(clients)


def leave(clients):
    for client in clients:
        client.socket.close()
    clients.clear()


def begin(start, inside, clients, **options):
    """A server that serves so many."""
    server = start(**SETTINGS, **options)
    eventually(lambda: connections_up(server) == SETTINGS["DB_POOL"])
    for _ in range(clients):
        inside.append(server.connect())
        assert inside[-1].lives_on()
    return server


def is_full(server, inside):
    """Whether a client is refused; else it is inside."""
    client = server.let_in()
    if client is not None:
        inside.append(client)
    return client is None


def fill(server, inside, at_most):
    """Clients come in until one is refused."""
    full = any(is_full(server, inside) for _ in range(at_most))
    assert full, f"{len(inside)} are inside and nobody was refused: {server.log[-2000:]}"


def is_turned_away(server, inside):
    """A client that sends nothing gets a 503; else it is inside."""
    late = server.connect()
    if not select.select([late.socket], [], [], 0.3)[0]:
        inside.append(late)
        return False
    response = late.read()
    assert response.status == 503 and response["retry-after"] and response.closes
    assert late.is_closed_by_server()
    late.socket.close()
    return True


def check_refusal(server, inside, limit, tighten=lambda: None):
    """Returns what the log says is in use, and the value of the limit."""

    def refuses_again():
        """The kernel lets go of memory at leisure: then there is room for many more clients, and they come in at once."""
        if is_turned_away(server, inside):
            return True
        tighten()
        return any(is_full(server, inside) for _ in range(200)) and is_turned_away(server, inside)

    eventually(refuses_again, within=20)
    eventually(lambda: server.said("limit met: "))
    named = re.findall(r"limit met: (.+), (\d+) of (\d+) in use \(\w+: .+\)$", server.log, re.MULTILINE)
    assert {name for name, _, _ in named} == {limit}, server.log[-2000:]
    assert all(client.ask("GET", "/work?n=2&m=2000").status == 200 for client in inside)
    assert server.process.poll() is None
    return int(named[0][1]), int(named[0][2])


def check_end(server, inside):
    """There is room: a new client is served. Then SIGTERM while it is."""
    with eventually(server.let_in) as client:
        assert client.ask("GET", "/work?n=1").status == 200
    leave(inside)
    assert server.stop(timeout=10) == 0, server.log[-2000:]


def check_met(server, inside, limit, at_most):
    """Fills the server; where clients leave again, others come in."""
    fill(server, inside, at_most)
    used, value = check_refusal(server, inside, limit)
    leaving = inside[len(inside) // 2 :]
    del inside[len(inside) // 2 :]
    leave(leaving)
    check_end(server, inside)
    return used, value


def test_descriptors(start, inside):
    server = begin(start, inside, 1, prefix=["prlimit", "--nofile=110:110"])
    used, value = check_met(server, inside, "RLIMIT_NOFILE", 110)
    assert value == 110 and 60 <= used <= 110


@threaded
def test_threads_of_a_control_group(start, inside):
    with Group("pids") as group:
        server = begin(start, inside, 1, prefix=group.prefix)
        group.limit_pids(60)
        used, value = check_met(server, inside, "cgroup pids.max", 60)
    assert value == 60 and 58 <= used <= 60


@threaded
def test_threads_of_a_user(start, inside):
    if os.getuid() != 0:
        pytest.skip("only root can start a server as a user who has no other process")
    become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    done = subprocess.run([*become, "cat", "servers.csv"], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"another user cannot read this folder: {done.stderr.strip()}")
    server = begin(start, inside, 1, prefix=["prlimit", "--nproc=60:60", *become])
    used, value = check_met(server, inside, "RLIMIT_NPROC", 60)
    assert value == 60 and 58 <= used <= 60


def pid_namespaces_have_limits():
    return tuple(map(int, re.findall(r"\d+", platform.release())[:2])) >= (6, 14)


@threaded
def test_numbers_of_processes(start, inside):
    """In a namespace of its own. Numbers below 300 are given out once, so there are some above."""
    if not pid_namespaces_have_limits():
        pytest.skip("before Linux 6.14, kernel.pid_max is that of the whole machine")
    own = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c"]
    own += ['echo 420 >/proc/sys/kernel/pid_max && exec "$@"', "sh"]
    done = subprocess.run([*own, "true"], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot make a namespace here: {done.stderr.strip()}")
    server = begin(start, inside, 1, prefix=own)
    parent = server.process.pid
    child = number(f"/proc/{parent}/task/{parent}/children")
    try:
        fill(server, inside, 420)
        used, value = check_refusal(server, inside, "kernel.pid_max")
        assert value == 420 and 400 <= used <= 420
        leave([inside.pop() for _ in range(50)])
        eventually(server.let_in).socket.close()
        leave(inside)
    finally:
        os.kill(child, signal.SIGTERM)
    assert server.wait(10) == 0, server.log[-2000:]


@threaded
def test_threads_of_the_machine(start, inside):
    """For a moment nobody else can start a thread or process either: some room stays until the last."""
    server = begin(start, inside, 1)
    with open("/proc/loadavg") as file:
        threads = int(file.read().split()[3].split("/")[1])
    with lowered({"/proc/sys/kernel/threads-max": threads + 100}):
        fill(server, inside, 300)
        used, value = check_refusal(server, inside, "kernel.threads-max")
        leave([inside.pop() for _ in range(len(inside) // 2)])
        eventually(server.let_in).socket.close()
    assert value == threads + 100 and value - 4 <= used <= value
    check_end(server, inside)


VM = "/proc/sys/vm/"
MAPPINGS = VM + "max_map_count"


def mappings(server):
    with open(f"/proc/{server.process.pid}/maps") as file:
        return len(file.readlines())


@pytest.mark.parametrize("model", ["threaded", "coro"], indirect=True)
def test_a_part_of_the_mappings_is_not_for_clients(start, inside):
    with lowered({MAPPINGS: 1200}):
        server = begin(start, inside, 1)
        used, value = check_met(server, inside, "vm.max_map_count", 1200)
    assert value == 1200 and used <= 1000


@threaded
def test_mappings_run_out(start, inside):
    """The limit is lowered while the server runs: what it keeps back at the start does not help then."""
    server = begin(start, inside, 500)
    with lowered({MAPPINGS: mappings(server) + 40}):
        used, value = check_met(server, inside, "vm.max_map_count", 100)
    assert value - 40 <= used <= value


def test_memory_of_a_control_group(start, inside):
    """A client is refused before the kernel kills the process."""
    with Group("memory") as group:
        group.limit_memory(200 * MIB)
        server = begin(start, inside, 100, prefix=group.prefix)
        group.limit_memory(group.memory_used() + 9 * MIB)
        used, value = check_met(server, inside, "cgroup memory.max", 3000)
        assert value - 10 * MIB < used <= value - 4 * MIB and group.killed() == 0


@pytest.mark.parametrize("model", ["coro"], indirect=True)
def test_memory_of_stacks(start, inside):
    """Silent clients hold none. When all of them send a request at once, some get a 503, and the server lives."""
    with Group("memory") as group:
        group.limit_memory(200 * MIB)
        server = begin(start, inside, 1200, prefix=group.prefix)
        group.limit_memory(group.memory_used() + 9 * MIB)
        server.process.send_signal(signal.SIGSTOP)
        for client in inside:
            client.send(request("GET", "/work?n=1&m=64"))
        server.process.send_signal(signal.SIGCONT)
        statuses = [client.read().status for client in inside]
        assert min(map(statuses.count, (200, 503))) >= 100 and set(statuses) == {200, 503}, server.log[-2000:]
        assert server.said("limit met: cgroup memory.max, ") and group.killed() == 0
        assert all(client.lives_on() for client, status in zip(inside, statuses) if status == 200)
        group.limit_memory(200 * MIB)  # free stacks are kept, so the end of the requests makes little room
        check_end(server, inside)


# Address space that counts for nothing but the reserve which the kernel takes from a process, 1/32 of it: with this
# the limit binds the server long before any other process of the machine.
BALLAST = """
#include <sys/mman.h>
__attribute__((constructor)) static void ballast(void)
{
    mmap(0, 640ul << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}
"""
RESERVE_KIB = (640 << 20) // 32


def committed_kib():
    return int(re.search(r"Committed_AS: +(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])


@contextlib.contextmanager
def strict_accounting():
    """Yields a function that leaves processes with the ballast a little less each time; others have 20 GiB. It starts
    with some, and goes below none: the kernel's count may be wrong by 1/256 of the memory (vm_committed_as_batch).
    """
    reserve, size, policy = (
        VM + name for name in ("user_reserve_kbytes", "overcommit_kbytes", "overcommit_memory")
    )
    by_ratio = (
        number(size) == 0
    )  # the kernel clears the ratio where a size is written, and the other way round
    rooms = iter(range(40, -400, -4))

    def limit():
        return committed_kib() + RESERVE_KIB + next(rooms) * 1024

    with lowered(
        {reserve: 1 << 30, size: limit(), policy: 2},
        [policy, reserve, VM + "overcommit_ratio" if by_ratio else size],
    ):
        yield lambda: write(size, limit())


@pytest.fixture
def ballast(tmp_path):
    if not shutil.which("cc"):
        pytest.skip("there is no compiler")
    source, library = tmp_path / "ballast.c", tmp_path / "ballast.so"
    source.write_text(BALLAST)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    return ["env", f"LD_PRELOAD={library}"]


def test_memory_that_the_kernel_may_promise(start, inside, ballast):
    server = begin(start, inside, 20, prefix=ballast)
    with strict_accounting() as tighten:
        eventually(lambda: is_full(server, inside) or tighten(), within=20)
        used, value = check_refusal(server, inside, "vm.overcommit_memory", tighten)
    assert value * 0.95 < used <= value * 1.05  # what compilers beside it are promised counts, too
    check_end(server, inside)
