"""A network between server and database that is slow, breaks, or stands still."""

import time

import pytest
from load import Load
from service import RECOVERY, connections_up, is_a_sentence, is_back, works
from wire import eventually


def start_behind(proxy, start, cluster, **settings):
    return start(
        DATABASE_URL=cluster.url_with(host="127.0.0.1", port=proxy.port), DB_POOL=2, WORKERS=1, **settings
    )


def test_slow_network(start, cluster, proxy):
    server = start_behind(proxy, start, cluster, QUERY_TIMEOUT=1)
    eventually(lambda: connections_up(server) == 2)
    proxy.delay_s = 0.1
    assert works(server)
    proxy.delay_s = 1.5  # the results come when nobody waits for them any more
    assert is_a_sentence(server.get("/work?n=1"), 504, "QUERY_TIMEOUT")
    proxy.delay_s = 0
    eventually(lambda: server.get("/work?n=1").status == 200)
    for seed in range(20):
        assert works(server, seed)


@pytest.mark.parametrize("stalls", [False, True], ids=["cut", "stalled"])
def test_result_breaks_off(start, cluster, proxy, stalls):
    """In the middle of a result: that request fails, and what was half read becomes nobody else's response."""
    server = start_behind(proxy, start, cluster, QUERY_TIMEOUT=1)
    proxy.stalls = stalls
    # A row of /work is about 60 bytes; the first of 3 rows passes, the second does not.
    for cut_at in (1, 70, 110) if not stalls else (70,):
        eventually(lambda: connections_up(server) == 2)  # what is being connected must not be what is cut
        proxy.cut_at = cut_at
        response = server.get("/work?n=3&m=64&seed=5")
        assert is_a_sentence(response, 504 if stalls else 503)
        for seed in range(10):
            assert works(server, seed)
    eventually(lambda: connections_up(server) == 2)


def test_network_stands_still(start, cluster, proxy):
    """Nothing passes, and nothing says so; then everything does."""
    server = start_behind(proxy, start, cluster, QUERY_TIMEOUT=1, POOL_TIMEOUT=1)
    with Load(server, cluster, clients=4) as load:
        load.goes_well()
        proxy.holding = True
        time.sleep(2.5)
        proxy.holding = False
        up = time.monotonic()
        assert load.recovery_s(up) < RECOVERY
        is_back(server, up, 2)
    load.check()
    assert {outcome.status for outcome in load.failures()} == {503, 504}
