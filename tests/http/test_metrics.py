"""GET /metrics: Prometheus' text format 0.0.4, by its own linter and by ours, and the same figures as /stats."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from wire import eventually

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABELS = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')

# How /stats calls what /metrics shows, and what it is multiplied by.
STATS = {
    'waitbench_cpu_seconds_total{mode="user"}': ("cpu_user_s", 1),
    'waitbench_cpu_seconds_total{mode="system"}': ("cpu_system_s", 1),
    'waitbench_context_switches_total{kind="voluntary"}': ("ctx_voluntary", 1),
    'waitbench_context_switches_total{kind="involuntary"}': ("ctx_involuntary", 1),
    "waitbench_resident_memory_bytes": ("rss_kib", 1024),
    "waitbench_resident_memory_peak_bytes": ("rss_peak_kib", 1024),
    "waitbench_uptime_seconds": ("uptime_s", 1),
    "waitbench_cpu_throttled_seconds_total": ("cpu_throttled_s", 1),
    "waitbench_threads": ("threads", 1),
    "waitbench_workers": ("workers", 1),
    "waitbench_connections_open": ("connections_open", 1),
    "waitbench_connections_max": ("connections_max", 1),
    "waitbench_connections_accepted_total": ("connections_accepted", 1),
    "waitbench_connections_refused_total": ("connections_refused", 1),
    "waitbench_requests_total": ("requests", 1),
    'waitbench_replies_total{class="2xx"}': ("replies_2xx", 1),
    'waitbench_replies_total{class="3xx"}': ("replies_3xx", 1),
    'waitbench_replies_total{class="4xx"}': ("replies_4xx", 1),
    'waitbench_replies_total{class="5xx"}': ("replies_5xx", 1),
    "waitbench_queries_total": ("queries", 1),
    "waitbench_query_seconds_total": ("query_s", 1),
    "waitbench_pool_size": ("pool_size", 1),
    "waitbench_pipeline_depth": ("pipeline_depth", 1),
    "waitbench_pool_waits_total": ("pool_waits", 1),
    "waitbench_pool_wait_seconds_total": ("pool_wait_s", 1),
    "waitbench_pool_timeouts_total": ("pool_timeouts", 1),
    "waitbench_database_connects_total": ("db_connects", 1),
    "waitbench_database_losses_total": ("db_lost", 1),
}

# These change by themselves between two requests; all others stand still when nothing else is asked.
RISING = re.compile("uptime|cpu|context_switches|requests_total|2xx")
MOVING = re.compile("resident_memory")


def samples(text):
    """{name with labels: value}, the format checked line by line: families in one piece, HELP and TYPE first."""
    assert text.endswith("\n") and "\r" not in text and "\n\n" not in text
    types, found, family = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split(" ")[2]
            assert family not in types and len(line.split(" ", 3)[3]) > 5, line
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family and kind in ("gauge", "counter")
            types[name] = kind
        else:
            name, labels, value = SAMPLE.fullmatch(line).groups()
            assert name == family and name.startswith("waitbench_"), line
            assert (types[name] == "counter") == name.endswith("_total"), line
            assert labels is None or "".join(match[0] for match in LABELS.finditer(labels)) == labels, line
            key = line.rsplit(" ", 1)[0]
            assert key not in found and float(value) >= 0, line
            found[key] = float(value)
    return found


def is_quiet(stats):
    """The figures, once all connections to the database are made and no other client is connected."""
    return stats if (stats["db_connects"], stats["connections_open"]) == (stats["pool_size"], 1) else None


def test_format_and_agreement_with_stats(server):
    for target in ("/work?n=3", "/work?n=x", "/nothing"):
        server.get(target)
    with server.connect() as connection:
        before = eventually(lambda: is_quiet(connection.ask("GET", "/stats").json()))
        response = connection.ask("GET", "/metrics")
        after = connection.ask("GET", "/stats").json()
    assert response.status == 200 and response["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(response.body.decode())
    info = next(key for key in found if key.startswith("waitbench_info"))
    assert (
        info == f'waitbench_info{{model="{server.model}",version="{before["version"]}"}}'
        and found.pop(info) == 1
    )
    assert set(found) == set(STATS)
    for name, (key, scale) in STATS.items():
        if RISING.search(name):
            assert before[key] - 1e-6 <= found[name] <= after[key] + 1e-6, name
        elif not MOVING.search(name):
            assert before[key] * scale == after[key] * scale == pytest.approx(found[name], abs=1e-6), name
    assert found["waitbench_requests_total"] == after["requests"] - 1 == before["requests"] + 1
    classes = sum(value for name, value in found.items() if name.startswith("waitbench_replies_total"))
    assert classes == found["waitbench_requests_total"]


def test_stats_have_what_is_documented(server):
    stats = server.stats()
    text = {"model", "version", "build", "boot_id", "start_time"}
    assert set(stats) == {key for key, _ in STATS.values()} | text | {"pid", "cpus"}
    assert all(isinstance(stats[key], str) for key in text)
    assert stats["model"] == server.model and stats["pid"] == server.process.pid
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stats["start_time"])
    assert stats["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert stats["cpus"] == os.cpu_count()
    assert (stats["workers"] == 0) == (server.model == "threaded")


def test_promtool_finds_nothing(server):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=server.get("/metrics").body, capture_output=True
    )
    assert done.returncode == 0 and done.stdout + done.stderr == b""
