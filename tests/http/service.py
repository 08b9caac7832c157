"""Whether a server serves: what the tests with a database that misbehaves ask again and again."""

import os
import time

from wire import eventually
from work import work_sum

# Seconds; stretched on a machine with more than four processes for each CPU, whose times say little.
RECOVERY = 2 * max(1, os.getloadavg()[0] / os.cpu_count() / 4)
POOL_IS_BACK = 5 * RECOVERY  # until the last of the connections is made; service does not wait for that


def connections_up(server):
    stats = server.stats()
    return stats["db_connects"] - stats["db_lost"]


def is_a_sentence(response, status, *words):
    """A problem document that says what to do; with 503, when."""
    assert response.status == status, f"{response.status}: {response.body}"
    detail = response.json()["detail"]
    assert (response["retry-after"] is not None) == (status == 503)
    assert detail.endswith(".") and all(word in detail for word in words), detail
    assert not response.closes
    return True


def works(server, seed=7):
    response = server.get(f"/work?n=3&m=64&seed={seed}")
    return response.status == 200 and response.json()["sum"] == work_sum(seed, 3)


def is_back(server, up, size):
    """Service in time, and then all of the pool. (A thread finds out that a connection is dead when it uses it:
    so use them.)"""
    eventually(lambda: works(server), within=max(up + RECOVERY - time.monotonic(), 0.1))
    eventually(lambda: works(server) and connections_up(server) == size, within=POOL_IS_BACK)
