"""Which results folders loadtest/compare compares, which with a note, and which only with --anyway."""

import copy

import comparing
import pytest
import synthetic
from comparing import SPEEDS, b, compare


@pytest.fixture
def a(tmp_path):
    return comparing.a(tmp_path)


def with_fact(path, where, name, value):
    """A folder whose environment.json says so."""
    facts = copy.deepcopy(synthetic.ENVIRONMENT)
    (facts[where] if where else facts)[name] = value
    return synthetic.write(path, synthetic.runs(comparing.POINTS, SPEEDS), facts)


@pytest.mark.parametrize(
    "where,name,value",
    [
        ("machine", "cpu_model", "Another CPU"),
        ("machine", "cpus", 64),
        ("settings", "DURATION", "10"),
        ("settings", "POOL", "64"),
        ("settings", "PIN", "none"),
        ("versions", "libpq", "17.6"),
        ("database", "server_version", "17.6"),
        ("ran", "load_test", "container"),
        ("ran", "database", "container"),
        (None, "kernel", "6.12.0"),
    ],
)
def test_what_is_not_comparable_is_refused_and_named(tmp_path, a, where, name, value):
    def change(facts):
        (facts[where] if where else facts)[name] = value

    folder = b(tmp_path, change=change)
    done = compare(a, folder)
    assert done.returncode == 2 and not done.stdout
    assert f"{where}.{name}" in done.stderr if where else name in done.stderr
    assert f"{value} in B" in done.stderr and "--anyway" in done.stderr
    assert compare("--anyway", a, folder).returncode == 0


@pytest.mark.parametrize(
    "where,name,left,right",
    [
        ("database", "server_version", "15.18 (Debian 15.18-0+deb12u1)", "15.20 (Debian 15.20-0+deb12u1)"),
        ("versions", "libpq", "15.18", "15.20"),
        ("versions", "libuv", "1.44.1", "1.44.2"),
        ("versions", "wrk", "wrk debian/4.1.0-3 [epoll]", "wrk debian/4.1.1-1 [epoll]"),
        (None, "kernel", "6.1.0-25-amd64", "6.1.0-31-amd64"),
    ],
)
def test_patch_releases_are_compared_with_a_note(tmp_path, where, name, left, right):
    done = compare(
        with_fact(tmp_path / "a", where, name, left), with_fact(tmp_path / "b", where, name, right)
    )
    assert done.returncode == 0 and "differs:" not in done.stderr
    assert f"{name} is {left} in A and {right} in B: another patch release" in done.stderr


@pytest.mark.parametrize(
    "where,name,left,right",
    [
        ("versions", "libuv", "1.44.2", "1.50.0"),
        ("versions", "libpq", None, "15.18"),
        ("versions", "nginx", "nginx", "angie"),
        (None, "kernel", "6.1.0-25-amd64", "6.1.0-25-rt-amd64"),
        (None, "system", "Debian 12.1", "Debian 12.2"),
    ],
)
def test_anything_more_than_a_patch_release_is_refused(tmp_path, where, name, left, right):
    folders = (with_fact(tmp_path / "a", where, name, left), with_fact(tmp_path / "b", where, name, right))
    assert compare(*folders).returncode == 2


def test_a_server_in_a_container_is_not_compared_with_a_native_one_unawares(tmp_path, a):
    def change(facts):
        facts["ran"]["servers"]["libuv"] = "container"

    done = compare(a, b(tmp_path, change=change))
    assert done.returncode == 2 and "where server libuv ran is native in A and container in B" in done.stderr


def test_what_is_compared_may_differ(tmp_path, a):
    def change(facts):
        facts["git"]["revision"] = "fedcba"
        facts["settings"]["SEED"] = "77"
        facts["settings"]["DURATION"] = "2.0"  # is 2
        facts["versions"]["server-libuv"] = "a newer one"

    assert compare(a, b(tmp_path, change=change)).returncode == 0


def test_a_server_that_was_asked_for_otherwise_is_another_server(tmp_path):
    folders = []
    for name, text in (("a", "threaded libuv"), ("b", "threaded libuv:libuv+n=21")):
        facts = copy.deepcopy(synthetic.ENVIRONMENT)
        facts["settings"]["SERVERS"] = text
        folders.append(synthetic.write(tmp_path / name, synthetic.runs([{}], SPEEDS), facts))
    done = compare(*folders)
    assert done.returncode == 2 and "server libuv is libuv in A and libuv:libuv+n=21 in B" in done.stderr
