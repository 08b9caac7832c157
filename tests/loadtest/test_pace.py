"""pace measures what arithmetic says: against a server whose delays are planned."""

import math
import shutil
import signal
import time
from collections import Counter

import pytest
from waitbench.base import process
from waitbench.bench import wrk
from waitbench.judge import histogram

from pacing import FIRST, Server, exact, exact_server, log, on_a_quiet_machine, outcome, pace, right, start

STALL_MS, RATE, SECONDS = 100, 1000, 2


def stop(process, seconds):
    """Stops a process for so long. The seconds that it was."""
    began = time.monotonic()
    process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    process.send_signal(signal.SIGCONT)
    return time.monotonic() - began


@on_a_quiet_machine
def test_a_stall_each_second_as_users_see_it():
    """10% of the arrivals meet a stall of 100 ms each second, and wait from 0 to 100 ms for its end: 5% more than 50 ms,
    1% more than 90. From sending it looks harmless: 16 connections can be stuck at a time."""
    with exact_server(stall=STALL_MS) as server:
        done = exact("--rate", RATE, "--arrivals", "constant", "-d", SECONDS, "--warmup", 0.2, server.url)
    assert done["due"] == done.count() == RATE * SECONDS
    assert done.percentile(0.95) == pytest.approx(50, abs=4)
    assert done.percentile(0.99) == pytest.approx(90, abs=4)
    assert done.percentile(1) == pytest.approx(100, abs=5)
    assert done.share_above(20) == pytest.approx(0.08, abs=0.008)
    assert done.percentile(0.85) < 10
    assert done.percentile(0.95, "service") < 10
    assert done["waited"] == pytest.approx(SECONDS * (STALL_MS - 16), rel=0.15)
    assert done["queue_most"] == pytest.approx(STALL_MS - 16, rel=0.15)


@on_a_quiet_machine
def test_a_stall_with_poisson_arrivals():
    with exact_server(stall=STALL_MS) as server:
        done = exact("--rate", 3000, "-c", 64, "-d", SECONDS, "--warmup", 0.2, server.url)
    assert done.percentile(0.95) == pytest.approx(50, abs=8)
    assert done.percentile(0.99) == pytest.approx(90, abs=5)
    assert abs(done["due"] - 3000 * SECONDS) < 4 * math.sqrt(3000 * SECONDS)
    assert done.count() == done["due"]


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
@on_a_quiet_machine
def test_wrk_does_not_see_the_stall():
    """It stops asking: each stall delays one request a connection, among tens of thousands."""
    with exact_server(stall=STALL_MS) as server:
        words = wrk.command(wrk.Job(server.url, "/", 16, SECONDS), 1)
        result = wrk.run(words, SECONDS, process.ANYWHERE)
    values, counts = histogram.measured(result.histogram, result.requests, result.duration_us, 16)
    assert values[-1] > 80_000
    assert histogram.percentile(values, counts, 0.99) < 20_000  # by arithmetic 90 ms


@on_a_quiet_machine
def test_a_server_that_is_stopped_for_300_ms():
    """Of 3 s: 10% of the arrivals meet it, with delays from 0 to 300 ms."""
    with exact_server() as server:
        running = start(
            "--rate", 1000, "--arrivals", "constant", "--warmup", 0.2, "-d", 3, server.url, prefix=FIRST
        )
        time.sleep(1.5)
        stopped = stop(server.process, 0.3)
        done = outcome(running)
    assert done["due"] == done.count() == 3000 and not done.wrong
    assert done.share_above(10) == pytest.approx((stopped - 0.01) / 3, abs=0.006)
    assert done.percentile(0.95) == pytest.approx(1000 * (stopped - 0.05 * 3), abs=8)
    assert done.percentile(0.99) == pytest.approx(1000 * (stopped - 0.01 * 3), abs=8)
    worst = max(range(3), key=lambda second: done["series"][second]["max_us"])
    assert done["series"][worst]["max_us"] == pytest.approx(stopped * 1e6, rel=0.05)


@on_a_quiet_machine
def test_a_fixed_delay():
    with exact_server(delay=5000) as server:
        done = exact("--rate", 1000, "-c", 32, "-d", 1, "--warmup", 0.2, server.url)
    assert min(us for us, _ in done["latency"]) >= 5000
    assert done.percentile(0.5) == pytest.approx(5.2, abs=0.3)
    assert done.percentile(0.95) < 7


@on_a_quiet_machine
def test_a_light_load_is_sound():
    with exact_server() as server:
        done = exact("--rate", 500, "-d", 0.5, "--warmup", 0.1, server.url)
    assert done["sound"] and done.status == 0


@on_a_quiet_machine
def test_a_bimodal_delay():
    with exact_server(delay=1000, other=20000, share=20) as server:
        done = exact("--rate", 500, "--arrivals", "constant", "-c", 32, "-d", 1, "--warmup", 0.2, server.url)
    assert abs(done.share_above(19.9) * 500 - 100) <= 2
    assert done.percentile(0.5) == pytest.approx(1.2, abs=0.5)
    assert done.percentile(0.79) < 5
    assert done.percentile(0.82) == pytest.approx(20.2, abs=0.7)
    assert done.percentile(0.98) == pytest.approx(20.4, abs=1.5)


@on_a_quiet_machine
def test_arrivals_that_find_every_connection_busy_wait_and_are_counted():
    """150 a second on a connection that serves 100: arrival i is due after i / 150 s and has its response after
    (i + 1) / 100 s (a queue D/D/1), or a little later, since the server takes more than 10 ms."""
    with exact_server(delay=10_000) as server:
        done = exact(
            *("--rate", 150, "--arrivals", "constant", "-c", 1, "-d", 1, "--warmup", 0),
            "--drain",
            3,
            server.url,
        )
    assert (done["due"], done.count(), done["unfinished"], done["late"]) == (150, 150, 0, 0)
    service = sum(us * count for us, count in done["service"]) / 150 / 1e6
    assert 0.01 < service < 0.011
    for share in (0.25, 0.5, 0.75, 1):
        i = share * 150 - 1
        expected = (i + 1) * service - i / 150
        assert done.percentile(share) == pytest.approx(1000 * expected, rel=0.05, abs=4)
    assert 140 <= done["waited"] <= 149
    assert done["queue_most"] == pytest.approx(150 - 1 / service, abs=3)
    assert done["requests"] == pytest.approx(1 / service, abs=2)


def test_what_is_unfinished_has_the_age_that_it_had():
    with Server(delay=10_000) as server:
        done = pace(
            *("--rate", 150, "--arrivals", "constant", "-c", 1, "-d", 1, "--warmup", 0),
            "--drain",
            0,
            server.url,
        )
    assert done["due"] == done.count() == 150
    assert 45 <= done["unfinished"] <= 70
    assert 0.3 < done.percentile(1) / 1000 < 0.6


@on_a_quiet_machine
def test_constant_arrivals_reach_the_server_at_equal_distances(tmp_path):
    with exact_server(log=tmp_path / "log") as server:
        exact("--rate", 500, "--arrivals", "constant", "-t", 2, "-c", 8, "-d", 1, "--warmup", 0, server.url)
    moments = [seconds for seconds, _, _ in log(tmp_path / "log")][-500:]
    late = sorted(moment - moments[0] - i / 500 for i, moment in enumerate(moments))
    middle = late[250]
    assert sum(abs(each - middle) < 0.0007 for each in late) > 450


@on_a_quiet_machine
def test_poisson_arrivals_have_the_right_number_and_gaps(tmp_path):
    with exact_server(log=tmp_path / "log") as server:
        done = exact("--rate", 1000, "-t", 2, "-c", 64, "-d", 2, "--warmup", 0, "--seed", 5, server.url)
    moments = sorted(seconds for seconds, _, _ in log(tmp_path / "log"))[-done["due"] :]
    assert abs(done["due"] - 2000) < 4 * math.sqrt(2000)
    gaps = [after - before for before, after in zip(moments, moments[1:])]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(1 / 1000, rel=0.1)
    for factor in (1, 2, 3):
        share = sum(gap > factor * mean for gap in gaps) / len(gaps)
        assert share == pytest.approx(math.exp(-factor), abs=0.05)
    counts = Counter(int((moment - moments[0]) * 100) for moment in moments)
    per_window = [counts[i] for i in range(199)]
    average = sum(per_window) / len(per_window)
    variance = sum((count - average) ** 2 for count in per_window) / len(per_window)
    assert variance / average == pytest.approx(1, abs=0.4)  # four standard errors


def test_a_seed_gives_the_same_arrivals():
    with Server() as server:
        words = ("--rate", 1000, "-d", 0.2, "--warmup", 0, server.url)
        dues = [right(*words, "--seed", seed)["due"] for seed in (1, 1, 2)]
    assert dues[0] == dues[1]


@pytest.mark.parametrize("threads, connections", [(1, 7), (2, 7), (3, 16)])
def test_connections_and_rate_are_divided_among_threads(threads, connections):
    with Server(delay=2000) as server:
        done = right(
            *("--rate", 300, "--arrivals", "constant", "-t", threads, "-c", connections),
            *("-d", 0.5, "--warmup", 0, server.url),
        )
    assert done["due"] == 150
    # One more finds the address of the server, which may not have seen yet that it is closed.
    assert server.seen["accepted"] == connections + 1
    assert connections <= server.seen["open_most"] <= connections + 1
    assert (done["threads"], done["connections"]) == (threads, connections)


KEYS = set(
    "pace mode rate arrivals seed threads connections requests_per_connection idle slow connect_s warmup_s duration_us due"
    " offered_rps requests achieved_rps bytes waited queue_most unfinished late late_share cpu_s cpu_share errors first_error"
    " total slow_connections idle_connections crud sound unsound latency service series".split()
)
ERRORS = set("connect refused reset closed timeout status length parse descriptors ports write".split())


def check_whole(done, seconds):
    assert KEYS <= set(done.result), KEYS - set(done.result)
    assert set(done["errors"]) == ERRORS
    assert done["pace"] == 1
    assert len(done["series"]) == math.ceil(seconds)
    assert sum(second["due"] for second in done["series"]) == done["due"] == done.count()
    assert sum(second["requests"] for second in done["series"]) == done["requests"]
    assert done.count("service") == done["due"]
    window = done["duration_us"] / 1e6
    assert window == pytest.approx(seconds, abs=0.05)
    assert done["offered_rps"] == pytest.approx(done["due"] / window, rel=1e-3)
    assert done["achieved_rps"] == pytest.approx(done["requests"] / window, rel=1e-3)
    for pairs in (done["latency"], done["service"]):
        assert all(a[0] < b[0] for a, b in zip(pairs, pairs[1:])) and all(count > 0 for _, count in pairs)
    worst = max(second["max_us"] for second in done["series"] if second["max_us"] is not None)
    assert worst == pytest.approx(done.percentile(1) * 1000, rel=0.01)
    for second in done["series"]:
        if second["due"]:
            assert second["p50_us"] <= second["p99_us"] <= second["max_us"] * 1.01
    assert 0 <= done["cpu_share"] <= 1.1


def test_the_result_of_an_open_loop_is_whole():
    with Server(body=100) as server:
        done = right("--rate", 400, "-c", 4, "-d", 1.5, "--warmup", 0.3, "--seed", 9, server.url)
    check_whole(done, 1.5)
    assert (done["mode"], done["rate"], done["arrivals"], done["seed"]) == ("open", 400, "poisson", 9)
    assert done["total"]["requests"] == done["total"]["sent"] == server.seen["requests"]
    assert done["total"]["connections"] == server.seen["accepted"]
    assert done["bytes"] > done["requests"] * 100


@on_a_quiet_machine
def test_a_closed_loop():
    """Four connections that wait for 5 ms each: 800 responses a second at most (Little's law)."""
    with exact_server(delay=5000) as server:
        done = exact("-c", 4, "-d", 1, "--warmup", 0.3, server.url)
    check_whole(done, 1)
    assert (done["mode"], done["rate"], done["arrivals"]) == ("closed", None, None)
    assert done["latency"] == done["service"]
    assert 700 < done["achieved_rps"] < 801
    assert done["waited"] == done["unfinished"] == 0
    assert server.seen["early"] == 0  # one request at a time on each


def test_the_server_of_a_closed_loop_is_busy():
    with Server() as server:
        done = right("--rate", "max", "-c", 8, "-d", 0.5, "--warmup", 0.1, server.url)
    assert done["requests"] > 1000 and done["total"]["requests"] == server.seen["requests"]


@on_a_quiet_machine
def test_a_pace_that_is_stopped_says_that_it_was_late():
    """100 ms without CPU: 10% of the arrivals of a second are sent late, which a result must not hide."""
    with Server() as server:
        words = ("--rate", 1000, "--arrivals", "constant", "-d", 1, "--warmup", 0.2)
        running = start(*words, server.url, prefix=FIRST)
        time.sleep(0.7)
        stopped = stop(running, 0.1)
        done = outcome(running)
    assert done.status == 3 and not done["sound"]
    assert done["late_share"] == pytest.approx(stopped, abs=0.03)
    assert any(reason.startswith("late") for reason in done["unsound"])
    assert done.percentile(1) > 80


def test_a_rate_that_pace_cannot_make():
    """It burns a millisecond for each request, and so can make 1,000 a second."""
    with Server() as server:
        words = ("--rate", 5000, "-c", 64, "--burn", 1000, "-d", 0.5, "--warmup", 0.1, "--drain", 0.2)
        done = pace(*words, server.url, prefix=FIRST)
    assert done.status == 3 and not done["sound"]
    assert any(reason.startswith(("late: ", "cpu: ")) for reason in done["unsound"])
    assert done.count() == done["due"] > 2000


def test_a_rate_that_the_server_cannot_serve():
    """The connections are busy, so pace is not late; but all arrivals are there."""
    with Server(delay=1000) as server:
        done = right("--rate", 1_000_000, "-c", 4, "-d", 0.5, "--warmup", 0, "--drain", 0.2, server.url)
    assert done.count() == done["due"] == pytest.approx(500_000, rel=0.01)
    assert done["unfinished"] > 490_000 and done["achieved_rps"] < 4001
    assert done["queue_most"] == pytest.approx(500_000, rel=0.02)
    assert 0.4 < done.percentile(0.5) / 1000 < 0.6
