"""Nothing of the warm-up may count as the load's: when a run continues after it."""

import pytest
from waitbench.plan import matrix
from waitbench.bench import quiet, servers

POINT = matrix.Point("nginx", 5, 1024, 0, 0, 16)


class Measured:
    """Returns recorded counters of a server; each GET /stats is a request, too."""

    def __init__(self, looks):
        self.looks = iter(looks)
        self.asked = 0
        self.spec = matrix.parse_server("threaded")

    def stats(self):
        connections, requests, queries = next(self.looks)
        requests += self.asked
        self.asked += 1
        return {"connections_open": connections, "requests": requests, "queries": queries}


@pytest.fixture
def pauses(monkeypatch):
    """The seconds of each sleep between two looks, without sleeping."""
    found, now = [], [0.0]

    def sleep(seconds):
        found.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(quiet.time, "sleep", sleep)
    monkeypatch.setattr(quiet.time, "monotonic", lambda: now[0])
    return found


def test_without_a_proxy_it_waits_for_the_connections_to_close(pauses):
    looks = [(17, 100, 500), (2, 110, 550), (2, 110, 550), (1, 110, 550)]
    quiet.await_quiet(Measured(looks), POINT._replace(proxy="none"), connections=1)
    assert len(pauses) == 3


def test_without_a_proxy_it_waits_for_the_requests_of_connections_that_have_closed(pauses):
    looks = [(17, 100, 500), (1, 110, 550), (1, 116, 580), (1, 116, 580)]
    quiet.await_quiet(Measured(looks), POINT._replace(proxy="none"), connections=1)
    assert len(pauses) == 3 and min(pauses) >= 0.05


def test_behind_a_proxy_it_waits_until_no_request_completes(pauses):
    looks = [(17, 100, 500), (17, 110, 550), (17, 110, 553), (17, 110, 553)]
    quiet.await_quiet(Measured(looks), POINT, connections=1)
    assert len(pauses) == 3 and min(pauses) >= 0.05


def test_behind_a_proxy_a_slow_query_has_its_time(pauses):
    quiet.await_quiet(Measured([(17, 100, 500)] * 2), POINT._replace(d=100), connections=1)
    assert min(pauses) > 0.2


def test_of_a_server_that_does_not_count_connections_the_requests_tell(pauses):
    looks = [(17, 100, 500), (17, 110, 550), (17, 110, 550)]
    quiet.await_quiet(Measured(looks), POINT._replace(proxy="none"), connections=None)
    assert len(pauses) == 2 and min(pauses) >= 0.05


@pytest.mark.parametrize("proxy", ["none", "nginx"])
def test_one_that_never_ends_is_given_up(pauses, proxy):
    looks = ((17, 100 + i, 500) for i in range(10**6))
    with pytest.raises(servers.Died, match="threaded was still busy"):
        quiet.await_quiet(Measured(looks), POINT._replace(proxy=proxy), connections=1)
