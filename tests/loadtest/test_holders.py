"""The connections that loadtest/limits holds: how many, how many were refused and why, and requests that wait."""

import asyncio
import threading
from collections import Counter

import crowd_server
import pytest
import test_run
from waitbench.bench import holders


@pytest.fixture
def crowd():
    """Starts a server that takes so many connections; (the server, its port)."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def start(most):
        one, port = crowd_server.Crowd(most), test_run.free_port()
        asyncio.run_coroutine_threadsafe(one.start(port), loop).result(10)
        return one, port

    yield start

    async def end():
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    asyncio.run_coroutine_threadsafe(end(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


@pytest.fixture
def holding():
    made = []

    def make(*words, **more):
        made.append(holders.Holders(*words, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_connections_that_are_refused_are_counted_by_reason(crowd, holding):
    _, port = crowd(40)
    one = holding(port, 0)
    assert one.hold(30).held == 30
    report = one.hold(200)
    # It gives up after some, and does not ask 160 times.
    assert report.held == 40 and set(report.refused) == {"503"} and 16 <= report.refused["503"] <= 16 + 64
    one.release(5)
    assert one.report().held == 35 and not one.report().lost


def test_several_processes_hold_what_one_may_not(crowd, holding):
    server, port = crowd(1000)
    one = holding(port, 0)
    one.each = 25
    assert one.hold(60).held == 60 and len(one.processes) == 3
    sources = {writer.get_extra_info("peername")[0] for writer in server.writers}
    assert sources == {"127.0.1.1", "127.0.1.2", "127.0.1.3"}


def test_requests_wait_at_once_and_are_sent_again(crowd, holding):
    server, port = crowd(1000)
    one = holding(port, 100)
    assert one.hold(50).held == 50
    while one.report().answered < 100:
        pass
    assert server.waited_most == 50 and not one.report().lost


def test_connections_that_the_server_ends_are_lost(crowd, holding):
    server, port = crowd(1000)
    one = holding(port, 0)
    one.hold(10)
    for writer in list(server.writers)[:4]:
        writer.get_extra_info("socket").shutdown(2)
    while (report := one.report()).held > 6:
        pass
    assert report.lost == Counter({"closed": 4})
