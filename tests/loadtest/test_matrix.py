"""The plan of an experiment: which servers are compared at which points, and in which order."""

import collections
import dataclasses

import pytest

from waitbench.plan import matrix, settings

SERVERS = [matrix.parse_server(name) for name in ("threaded", "libuv", "coro")]
POINTS = matrix.product(["none"], [0, 1, 20], [1024], [0], [0], [0], [16, 256])


def test_every_block_has_every_server_once_and_every_point_every_repeat():
    plan = matrix.plan(POINTS, SERVERS, 12, seed=1)
    assert [block.number for block in plan] == list(range(1, 6 * 12 + 1))
    assert all(sorted(s.name for s in block.servers) == ["coro", "libuv", "threaded"] for block in plan)
    for repeat in range(12):
        assert sorted(block.point for block in plan[repeat * 6 : repeat * 6 + 6]) == sorted(POINTS)


def test_the_seed_decides_and_nothing_else():
    assert matrix.plan(POINTS, SERVERS, 5, 7) == matrix.plan(POINTS, SERVERS, 5, 7)
    assert matrix.plan(POINTS, SERVERS, 5, 7) != matrix.plan(POINTS, SERVERS, 5, 8)


def test_every_server_is_first_about_as_often():
    plan = matrix.plan(POINTS, SERVERS, 200, seed=3)
    first = collections.Counter(block.servers[0].name for block in plan)
    # 1,200 blocks: 400 each, standard deviation 16
    assert all(320 < count < 480 for count in first.values())


def test_server_with_another_name_and_an_injected_fault():
    for option in ("plant", "inject"):
        server = matrix.parse_server(f"threaded:slow+n=21+{option}=error")
        assert (server.model, server.name, server.fault) == ("threaded", "slow", "error")
    assert server.parameters(POINTS[-1]) == {"n": 21, "m": 1024, "w": 0, "d": 0}


def test_t_is_asked_for_only_where_it_is_not_0():
    """A server need not know it."""
    (point,) = matrix.product(["none"], [0], [64], [0], [0], [500], [16])
    assert point.t == 500 and "t=500" in str(point)
    server = matrix.parse_server("libuv")
    assert server.parameters(point)["t"] == 500
    assert "t" not in server.parameters(point._replace(t=0))
    assert matrix.parse_server("libuv+t=7").parameters(point._replace(t=0))["t"] == 7


def test_a_variant_is_a_server_of_its_own():
    server = matrix.parse_server("libuv+pipeline")
    assert (server.model, server.name) == ("libuv", "libuv+pipeline")
    assert dict(server.variables) == {"DB_PIPELINE": "1", "DB_POOL": "0"}
    assert matrix.parse_server("libuv:p+pipeline+n=21") == dataclasses.replace(
        server, name="p", work=(("n", 21),)
    )
    assert not matrix.parse_server("libuv").variables
    assert dict(matrix.parse_server("libuv:four+pool=4+pipeline").variables)["DB_POOL"] == "4"
    assert matrix.parse_server("libuv:four+pool=4").variables == (("DB_POOL", "4"),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":b",
        "a b",
        "a+pipelines",
        "a+pipeline=1",
        "a+x=1",
        "a+n=",
        "a+n=-1",
        "a+plant=fire",
        "a+inject=fire",
        "a/../b",
        "a:b:c",
    ],
)
def test_bad_server(text):
    with pytest.raises(ValueError):
        matrix.parse_server(text)


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a=",
        "a=https://h",
        "a=http://h:1/path",
        "=http://h:1",
        "a=http://h:x",
        "a@x=http://h:1",
        "@nginx=http://h",
        "a=http://::1:80",
        "a=http://[::1",
        "a=http://[::g]:1",
        "a=http://[1:2]:1",
        "a=http://[localhost]:1",
        "a=http://h:0",
        "a=http://h:65536",
    ],
)
def test_bad_target(text):
    with pytest.raises(ValueError):
        matrix.parse_target(text)


@pytest.mark.parametrize(
    "text, url",
    [
        ("a=http://h:1/", "http://h:1"),
        ("a=http://[::1]:8081", "http://[::1]:8081"),
        ("a=http://[2001:db8::7]", "http://[2001:db8::7]"),
        ("a=[::1]:8081", "http://[::1]:8081"),
    ],
)
def test_addresses_of_targets(text, url):
    assert matrix.parse_target(text).url == url
    chosen = settings.load(["--targets", text, "--generators", text[2:]], {})
    assert chosen.generators == [url]


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"n": 1, "w": 2}, "w=2 updates do not fit into n=1"),
        ({"m": 63}, "at least 64"),
        ({"n": 20, "d": 100, "c": 1}, "DURATION=4"),
        ({"n": 20, "d": 1, "c": 1600}, "DURATION=4"),
        ({"n": 0, "t": 2000, "c": 1600}, "DURATION=4"),
    ],
)
def test_impossible_points_say_why(changes, words):
    point = matrix.Point("none", 1, 1024, 0, 0, 16)._replace(**changes)
    assert words in matrix.impossible(point, pool=16, duration=2)


@pytest.mark.parametrize("changes", [{}, {"m": 0}, {"m": 64}, {"n": 20, "w": 20}, {"n": 20, "d": 1, "c": 16}])
def test_possible_points(changes):
    point = matrix.Point("none", 1, 1024, 0, 0, 16)._replace(**changes)
    assert matrix.impossible(point, pool=16, duration=2) is None
