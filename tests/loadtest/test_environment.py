"""The record of the machine, and the warnings about its limits."""

import html
import json
import os
import re
import resource
import subprocess

import pytest

import synthetic
from waitbench import Failure
from waitbench.plan import settings
from waitbench.bench import environment
from waitbench.judge import reference
from waitbench.show import findings, report


STATS = {
    "model": "coro",
    "version": "01c9a1d",
    "build": "gcc 14",
    "workers": 2,
    "pool_size": 8,
    "pipeline_depth": 1,
    "pid": 1,
}


@pytest.fixture
def chosen():
    return settings.load(
        ["--targets", "a=http://127.0.0.1:1", "--database-url", "postgresql://me:secret@db/x"], {}
    )


def test_everything_recorded_is_json_and_holds_no_password(chosen):
    facts = environment.describe(chosen, None, {"server": {1, 0}}, [0, 1], {"a": STATS})
    text = json.dumps(facts)
    assert "secret" not in text and "postgresql://db/x" in text
    assert facts["placement"] == {"server": [0, 1]}
    assert facts["machine"]["cpus_usable"] >= 1 and facts["machine"]["memory_kib"] > 0
    assert facts["limits"]["somaxconn"].isdigit() and facts["versions"]["wrk"].startswith("wrk ")
    assert facts["targets"] == {"a": {name: value for name, value in STATS.items() if name != "pid"}}
    assert facts["ran"]["servers"] == {"a": "container"} and facts["ran"]["database"] is None
    assert any("a has 8 database connections, and POOL is 16" in warning for warning in facts["warnings"])
    assert any("no DATABASE_URL" in warning for warning in facts["warnings"])


@pytest.mark.parametrize("load,busy", [(0.29, False), (6.39, True)])
def test_a_machine_that_was_busy_before_the_start_gives_no_reference(
    tmp_path, chosen, monkeypatch, load, busy
):
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    facts = environment.describe(chosen, None, {}, [0, 1], {"a": STATS})
    synthetic.write(tmp_path / "run", synthetic.runs([{}], {"a": 1000, "b": 900}), facts)
    words = "ot a reference: the machine was busy before the start (load average 6.39, 0.30 is the limit)"
    said = re.sub(r"\s+", " ", findings.text(tmp_path / "run"))
    for text in (
        said,
        html.unescape(report.write(tmp_path / "run", report.NONE).read_text()).partition("Ratios")[0],
    ):
        assert (words in text) == busy
    assert any("this run is no reference" in warning for warning in facts["warnings"]) == busy


def test_nothing_known_of_the_machine_speaks_not_against_a_run():
    assert reference.refused({}) is None and reference.refused({"machine": {"cpus_usable": None}}) is None


def test_the_image_of_the_load_test_knows_its_revision(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    assert environment.git() == {"revision": None, "changed": None}
    for text, expected in (("01c9a1d", ("01c9a1d", False)), ("v1-2-g01c9a1d-dirty", ("v1-2-g01c9a1d", True))):
        (tmp_path / "revision").write_text(text + "\n")
        assert tuple(environment.git().values()) == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder to another user")
def test_a_clone_of_another_user_is_of_unknown_revision(tmp_path, monkeypatch):
    """git refuses it ("dubious ownership"): whether files differ is not known, and not False."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    commit = ["commit", "-q", "--allow-empty", "-m", "x"]
    subprocess.run(["git", "-C", tmp_path, "-c", "user.name=x", "-c", "user.email=x@x", *commit], check=True)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # without anybody's safe.directory
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    assert environment.git()["changed"] is False and len(environment.git()["revision"]) == 40
    for path in (tmp_path, tmp_path / ".git"):
        os.chown(path, 65534, 65534)
    assert environment.git() == {"revision": None, "changed": None}


def test_more_connections_than_the_kernel_has_threads_for_is_warned_of():
    assert environment.limits_met(1) == []
    words = " ".join(environment.limits_met(100_000_000))
    assert "kernel/pid_max" in words and "kernel/threads-max" in words and "somaxconn" in words


def test_too_few_descriptors_is_a_sentence():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this user may open any number of files")
    with pytest.raises(Failure, match=f"more file descriptors than the {hard}"):
        environment.raise_file_limit(hard)
    environment.raise_file_limit(hard // 2)
    with pytest.raises(Failure, match=f"PROXY=nginx .* choose C of at most {(hard - 100) // 2}"):
        environment.raise_file_limit(hard // 2, with_nginx=True)
