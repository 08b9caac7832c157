"""Many clients, and what must be left of them when they are gone."""

from contextlib import ExitStack, contextmanager

from service import connections_up
from wire import eventually

LARGE = 16777216
SPARE = "/dev/null"


@contextmanager
def nothing_left(server):
    """After the block the server works, and has as many clients and descriptors as before, but for SPARE."""
    eventually(lambda: connections_up(server) == server.stats()["pool_size"], within=20)
    eventually(lambda: server.stats()["connections_open"] == 1)
    before = server.open_files()
    yield
    eventually(lambda: server.stats()["connections_open"] == 1, within=20)
    assert server.get("/healthz").status == 200
    assert server.get("/work?n=2").status == 200  # with DB_POOL=1: the connection has come back
    try:
        eventually(lambda: held(server.open_files()) <= held(before), within=20)
    except AssertionError:
        raise AssertionError(
            f"descriptors that are left: {new_files(server, before)}; {server.stats()}"
        ) from None
    # Standard input; one of each acceptor, given up when there is no other descriptor; one of each loop of libuv.
    assert list(server.open_files().values()).count(SPARE) <= 1 + 2 * max(1, server.stats()["workers"])


def held(files):
    """How many, but for SPARE: a loop of libuv opens one with its first client and keeps it (uv__stream_init)."""
    return sum(target != SPARE for target in files.values())


def new_files(server, before):
    """What the server has open that it had not before; of TCP connections addresses, ports and state (proc(5))."""
    with open(f"/proc/{server.process.pid}/net/tcp") as file:
        connections = {f"socket:[{line.split()[9]}]": line.split()[1:4] for line in file}
    return {
        number: connections.get(target, target)
        for number, target in server.open_files().items()
        if before.get(number) != target
    }


@contextmanager
def many(server, count, **options):
    with ExitStack() as stack:
        yield [stack.enter_context(server.connect(**options)) for _ in range(count)]


def check_served(server):
    assert server.get("/work?n=5&seed=1").status == 200
    assert server.ask("POST", "/items", {"name": "x"}).status == 201
