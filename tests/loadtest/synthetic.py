"""Made-up results folders whose truth is known."""

import csv
import json

import numpy
from waitbench.base import results

ENVIRONMENT = {
    "machine": {
        "cpu_model": "Made-up CPU",
        "architecture": "x86_64",
        "cpus": 2,
        "cpus_usable": 2,
        "memory_kib": 8388608,
    },
    "kernel": "6.1.0",
    "system": "Debian GNU/Linux 12 (bookworm)",
    "versions": {"wrk": "wrk 4.1.0", "libpq": "15.14"},
    "database": {"version": "15.14"},
    "git": {"revision": "0123456789abcdef", "changed": False},
    "settings": {"DURATION": "2", "WARMUP": "0.5", "POOL": "16", "PIN": "auto", "SEED": "1"},
    "servers": ["threaded", "libuv"],
    "ran": {
        "load_test": "native",
        "database": "native",
        "servers": dict.fromkeys(["threaded", "libuv", "coro"], "native"),
    },
    "warnings": [],
}
POINT = {
    "proxy": "none",
    "n": 1,
    "m": 1024,
    "w": 0,
    "d": 0,
    "c": 16,
    "workload": "work",
    "t": 0,
    "k": 0,
    "i": 0,
    "load": None,
}


def runs(points, speeds, blocks=12, noise=0.01, seed=1, flags=lambda server, point: ""):
    """Rows as runs.csv has them. points: dicts of what differs from POINT; speeds: server -> requests per second,
    or a function of the point. CPU per request and latencies follow from them."""
    random = numpy.random.default_rng(seed)
    rows, block = [], 0
    for _ in range(blocks):
        for change in points:
            block += 1
            point = POINT | change
            for order, (server, speed) in enumerate(speeds.items(), 1):
                true = speed(point) if callable(speed) else speed
                rps = true * numpy.exp(random.normal(0, noise))
                cpu = 0.9e6 / true * numpy.exp(random.normal(0, noise))
                rows.append(row(point, block, order, server, rps, cpu) | {"flags": flags(server, point)})
    return rows


def row(point, block, order, server, rps, cpu):
    mean = 0.98 * point["c"] * 1e6 / rps
    return point | {
        "block": block, "order": order, "server": server,
        "duration_s": 2.0, "requests": int(rps * 2), "rps": rps,
        "mean_us": mean, "p50_us": 0.9 * mean, "p90_us": 1.5 * mean, "p99_us": 2.2 * mean,
        "p999_us": 4 * mean, "max_us": 9 * mean, "bytes": int(rps * 2) * 1200, "errors": 0,
        "cpu_user_us_per_req": 0.4 * cpu, "cpu_sys_us_per_req": 0.6 * cpu,
        "ctx_voluntary_per_req": 1.0, "ctx_involuntary_per_req": 0.1,
        "rss_kib": 8192.0, "rss_peak_kib": 9000.0, "kernel_kib": 16.0 * point["c"], "threads": 17,
        "db_cpu_share": 0.5, "server_cpu_share": 0.2, "wrk_cpu_share": 0.1, "idle_share": 0.05,
        "steal_share": 0.0, "flags": "", "cpu_groups": "service",
        "generator": "pace" if point["load"] or point["k"] or point["i"] else "wrk",
        "mode": "open" if point["load"] else "closed",
        "offered_rps": rps if point["load"] else None, "achieved_rps": rps if point["load"] else None,
    }  # fmt: skip


def seconds(rows, length=10, noise=0.02, p99=False, changed=lambda row, rates: None, seed=2):
    """Rows as series.csv has them, of the rows of runs.csv. `changed` may change the requests per second of a run."""
    random = numpy.random.default_rng(seed)
    made = []
    for row in rows:
        rates = row["rps"] * numpy.exp(random.normal(0, noise, length))
        rates[0] *= 0.9  # the connecting phase
        changed(row, rates)
        for second, rate in enumerate(rates):
            tail = row["p99_us"] * row["rps"] / max(rate, 1) if p99 else None
            made.append(
                {name: row[name] for name in results.KEY}
                | {"second": second, "requests": int(rate), "p99_us": tail, "checkpoints": 0}
            )
    return made


def write_seconds(folder, rows):
    with (folder / "series.csv").open("wb") as stream:
        stream.write(results.line(results.SERIES, dict(zip(results.SERIES, results.SERIES))))
        stream.writelines(results.line(results.SERIES, row) for row in rows)
    return folder


def write(folder, rows, environment=ENVIRONMENT):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "runs.csv").open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(results.COLUMNS)
        writer.writerows([results.text(row[name]) for name in results.COLUMNS] for row in rows)
    if environment is not None:
        (folder / "environment.json").write_text(json.dumps(environment))
    return folder
