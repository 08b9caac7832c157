"""The servers that are up and not under test are seen to idle."""

from types import SimpleNamespace

import pytest
from test_soundness import observation, words
from waitbench.base import client
from waitbench.observe import idle_targets
from waitbench.judge import figures
from waitbench.plan import settings


def stats(cpu_s, pid=7, model="libuv", start_time="2026-11-22T01:00:00Z"):
    return {
        "model": model,
        "pid": pid,
        "start_time": start_time,
        "cpu_user_s": cpu_s / 2,
        "cpu_system_s": cpu_s / 2,
    }


MEASURED = stats(9.0, pid=1, model="threaded")


def busiest(first, last, seconds=2.0):
    return idle_targets.busiest(
        idle_targets.Look(10.0, first), idle_targets.Look(10.0 + seconds, last), MEASURED
    )


def test_the_busiest_is_named_with_its_cpu_a_second():
    first = {"libuv": stats(1.0), "coro": stats(5.0, pid=8)}
    last = {"libuv": stats(1.5), "coro": stats(5.1, pid=8)}
    assert busiest(first, last) == ("libuv", pytest.approx(0.25))


def test_without_another_server_none_is_busy():
    assert busiest({}, {}) is None


def test_the_same_process_under_another_name_is_not_another_server():
    assert busiest({"again": MEASURED}, {"again": MEASURED | {"cpu_user_s": 99}}) is None
    # In containers every server is process 1, and all may have started in one second.
    other = MEASURED | {"model": "coro"}
    assert busiest({"coro": other}, {"coro": other}).name == "coro"


@pytest.mark.parametrize("cpu, found", [(0.0, []), (0.0099, []), (0.0101, ["bystander"])])
def test_more_than_a_hundredth_of_a_cpu_is_unsound(cpu, found):
    seen = observation(busiest=idle_targets.Busiest("coro", cpu))
    assert words(seen) == found
    assert figures.detail(seen)["bystander_cpu"] == cpu


def test_how_much_may_be_said():
    seen = observation(busiest=idle_targets.Busiest("coro", 0.02), bystander_max=0.03)
    assert words(seen) == []
    assert settings.load([], {}).bystander_max == 0.01
    assert settings.load([], {"BYSTANDER_MAX": "0.03"}).bystander_max == 0.03


def test_one_that_does_not_answer_was_not_seen_to_idle():
    here, gone = (SimpleNamespace(name=name, url="http://127.0.0.1:1") for name in ("here", "gone"))
    assert idle_targets.look([here], here).stats == {}
    with pytest.raises(client.Unreachable):
        idle_targets.look([here, gone], here)
