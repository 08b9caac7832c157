"""What goes wrong has a name, a count and a sentence in the results of pace; and what only looks odd is no error."""

import os
import socket
import subprocess
import time

import pytest

from pacing import SERVER, Server, command, outcome, pace, right, start

BRIEF = ("--rate", 400, "--arrivals", "constant", "-c", 4, "-d", 0.3, "--warmup", 0.05, "--drain", 1)


def check_unsound(done, *names):
    """There were errors, of these kinds alone, and the result says so."""
    assert done.status == 3 and not done["sound"], done.complaint
    assert done.wrong and set(done.wrong) <= set(names), done.wrong
    assert any(reason.startswith("errors") for reason in done["unsound"])
    assert len(done["first_error"].split()) > 3
    assert done.count() == done["due"]


@pytest.mark.parametrize(
    "fault, name",
    [
        ("half", "closed"),
        ("reset", "reset"),
        ("garbage", "parse"),
        ("status", "status"),
        ("length", "length"),
        ("long", "length"),
        ("unasked", "length"),
        ("never", "timeout"),
    ],
)
def test_each_fault_is_counted_under_its_name(fault, name):
    """One response in 30 is faulty, and that many errors there are."""
    with Server(fault=fault, every=30, body=1000) as server:
        done = pace(*BRIEF, "--timeout", 0.3, server.url)
    check_unsound(done, name)
    assert done["errors"][name] == pytest.approx(server.seen["requests"] // 30, abs=1)


def test_a_wrong_status_is_a_response_all_the_same():
    with Server(fault="status") as server:
        done = pace(*BRIEF, server.url)
    check_unsound(done, "status")
    assert done["errors"]["status"] == done["total"]["requests"] == server.seen["requests"]
    assert done["due"] == 120 and done["unfinished"] == 0
    assert "503" in done["first_error"]


def test_the_status_and_length_that_are_expected():
    with Server(fault="status", body=77) as server:
        right(*BRIEF, "--expect-status", 503, "--expect-length", 77, server.url)
    with Server(body=77) as server:
        check_unsound(pace(*BRIEF, "--expect-length", 78, server.url), "length")


@pytest.mark.parametrize(
    "form, status",
    [
        ("plain", 200),
        ("chunked", 200),
        ("no-content", 204),
        ("not-modified", 304),
        ("continue", 200),
        ("headers", 200),
        ("until-close", 200),
    ],
)
def test_each_form_of_a_response_is_understood(form, status):
    with Server(form=form, body=500) as server:
        done = right(*BRIEF, "--expect-status", status, server.url)
    assert done["due"] == done.count() == 120 and done["unfinished"] == 0
    if form == "until-close":
        assert done["total"]["connections"] >= done["total"]["requests"]
    else:
        assert done["total"]["connections"] == server.seen["accepted"] == 4 + 1


def test_a_response_that_comes_byte_by_byte():
    with Server(form="dribble") as server:
        done = right("--rate", 50, "-c", 8, "-d", 0.4, "--warmup", 0.1, server.url)
    assert done.percentile(0.5) > 35  # 41 bytes, one each millisecond


def test_a_large_body():
    with Server(body=3_000_000) as server:
        done = right("--rate", 20, "-c", 4, "-d", 0.5, "--warmup", 0.1, server.url)
    assert done["total"]["bytes"] > 3_000_000 * done["total"]["requests"]


@pytest.mark.parametrize("announce", [0, 1])
def test_a_server_that_closes_after_some_requests(announce):
    """HTTP/1.1 allows it. What was not announced may meet a request that is under way, and is counted then."""
    with Server(requests=5, announce=announce) as server:
        done = pace("--rate", 200, "--arrivals", "constant", "-c", 2, "-d", 0.5, "--warmup", 0.1, server.url)
    assert set(done.wrong) <= (set() if announce else {"closed", "reset"}), done.wrong
    assert sum(done.wrong.values()) <= 2
    assert done["total"]["connections"] == pytest.approx(server.seen["requests"] / 5, abs=5)


def test_a_server_that_closes_each_second_connection_at_once():
    with Server(fault="accept", every=2) as server:
        done = pace(*BRIEF, server.url)
    if done.status != 1:
        check_unsound(done, "closed", "reset")
    assert len((done.complaint + (done.result or {}).get("first_error", "")).split()) > 5


def test_a_server_that_closes_every_connection_at_once():
    began = time.monotonic()
    with Server(fault="accept") as server:
        done = pace(*BRIEF, server.url)
    assert time.monotonic() - began < 15
    assert done.status in (1, 3)
    assert len((done.complaint + (done.result or {}).get("first_error", "")).split()) > 5


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def check_no_result(done, *words):
    assert done.status == 1 and done.result is None and done.said == ""
    assert done.complaint.startswith("pace: ") and done.complaint.count("\n") == 1, done.complaint
    for word in words:
        assert word in done.complaint


def test_nobody_listens():
    port = free_port()
    check_no_result(pace(*BRIEF, f"http://127.0.0.1:{port}/"), str(port), "refused")


def test_a_name_that_there_is_not():
    check_no_result(pace(*BRIEF, "http://no-such-host.invalid/"), "no-such-host.invalid")


def test_a_server_that_is_gone_in_the_middle():
    with Server() as server:
        running = start(*("--rate", 500, "-c", 4, "-d", 1.5, "--warmup", 0.1, "--drain", 1), server.url)
        time.sleep(0.8)
        server.process.kill()
        began = time.monotonic()
        done = outcome(running)
    check_unsound(done, "refused", "reset", "closed")
    assert done["errors"]["refused"] > 0
    assert time.monotonic() - began < 5
    assert done["cpu_share"] < 0.5  # it does not try again at once
    assert done["due"] == pytest.approx(750, abs=120)
    assert done["requests"] < 500


def test_a_server_that_never_answers():
    with Server(fault="never") as server:
        done = pace(*BRIEF[:-2], "--drain", 0.5, "--timeout", 0.3, server.url)
    if done.status != 1:
        check_unsound(done, "timeout")
        assert done["requests"] == 0


def test_what_never_ends_is_unfinished():
    with Server(fault="never", every=50) as server:
        done = pace(*BRIEF[:-2], "--drain", 0.3, server.url)
    assert 1 <= done["unfinished"] <= 4
    assert done.count() == done["due"] == 120
    assert done.percentile(1) > 300


def test_too_few_descriptors():
    with Server() as server:
        done = pace(*BRIEF, "-c", 60, server.url, prefix=["prlimit", "--nofile=40:40"])
    check_no_result(done, "Too many open files", "ulimit -n")


def test_too_few_descriptors_in_the_middle():
    """K=1 needs no more than its connections; so the limit that suffices in the beginning suffices to the end."""
    with Server() as server:
        right(
            *BRIEF,
            *("-c", 20, "--requests-per-connection", 1),
            server.url,
            prefix=["prlimit", "--nofile=40:40"],
        )


# A network of its own with the loopback interface and 100 ports, a server in it, and pace.
FEW_PORTS = """
ip link set lo up && echo 40000 40099 >/proc/sys/net/ipv4/ip_local_port_range || exit 99
ip address add 198.51.100.1/32 dev lo
"$1" host=198.51.100.1 port=8080 >/dev/null & server=$!
trap 'kill $server' EXIT
sleep 0.2
shift
"$@"
"""


@pytest.mark.parametrize(
    "words, status",
    [(("-c", 150, "-d", 0.4, "--rate", 300), 1), (("-c", 4, "-d", 1, "--requests-per-connection", 1), 3)],
)
def test_too_few_ports(words, status):
    """The address is not of 127.0.0.0/8, of which pace would take several as its own."""
    prefix = ["unshare", *([] if os.getuid() == 0 else ["--map-root-user"]), "-n"]
    run = command("--json", "-", "--warmup", 0.1, "--drain", 1, *words, "http://198.51.100.1:8080/")
    done = outcome(
        subprocess.Popen(
            [*prefix, "sh", "-c", FEW_PORTS, "sh", SERVER, *run],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    if done.status == 99 or "unshare" in done.complaint:
        pytest.skip(f"cannot make a network here, or set its ports: {done.complaint.strip()}")
    assert done.status == status, done.complaint
    if status == 1:
        check_no_result(done, "port")
    else:
        check_unsound(done, "ports")
        assert "port" in done["first_error"]
