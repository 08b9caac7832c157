"""Made-up runs whose costs are known, and what loadtest/estimate says of them."""

import itertools

import numpy
import synthetic
from waitbench.base import results
from waitbench.judge import cost_queue
from waitbench.judge.cost_terms import Configuration

CPUS = 2
POOL = 16
# us that a unit costs: a request, 64 KiB of its response, a query, one while requests wait for a connection
COSTS = {
    "threaded": {"request": 40, "bytes": 8, "read": 26, "read_waiting": 44},
    "libuv": {"request": 20, "bytes": 4, "read": 32, "read_waiting": 31},
}
KIB = {"threaded": (12000, 50), "libuv": (11000, 10)}  # the process, and each connection
POINTS = [
    {"n": n, "m": m, "c": c} for n, m, c in itertools.product((0, 1, 5, 20), (1024, 65536), (16, 256, 1024))
]
NEW = [{"n": n, "m": m, "c": c} for n, m, c in itertools.product((2, 10), (4096, 20000), (64, 512))]


def cpu(server, point):
    """us of the server's CPU that a request costs."""
    costs, n = COSTS[server], point["n"]
    waiting = max(0, 1 - POOL / point["c"])
    query = costs["read"] * (1 - waiting) + costs["read_waiting"] * waiting
    return costs["request"] + costs["bytes"] * point["m"] / 65536 + n * query


def asked(point):
    point = synthetic.POINT | point
    return Configuration(*(point[axis] for axis in "nmwdtc"), pool=POOL)


def rate(server, point):
    busy = cpu(server, point) + 30 + 60 * point["n"]
    return cost_queue.throughput(asked(point), busy, cost_queue.Waits(), CPUS)


def rows(points=POINTS, servers=COSTS, blocks=6, noise=0.05, seed=1, slower=1.0):
    """(rows of runs.csv, of detail.csv). slower: all CPU times grow so much."""
    random = numpy.random.default_rng(seed)
    runs, details = [], []
    for block, (_, change) in enumerate(itertools.product(range(blocks), points), 1):
        point = synthetic.POINT | change
        for order, server in enumerate(servers, 1):
            speed = slower * numpy.exp(random.normal(0, noise))
            row = synthetic.row(
                point, block, order, server, rate(server, point) / speed, cpu(server, point) * speed
            )
            process, connection = KIB[server]
            row |= {
                "idle_share": 0.0,
                "rss_kib": float(process + connection * point["c"]),
                "kernel_kib": 100.0,
            }
            runs.append(row)
            details.append(
                {"block": block, "order": order, "server": server}
                | {"db_cpu_us_per_req": 60.0 * point["n"] * speed, "wrk_cpu_us_per_req": 30.0 * speed}
            )
    return runs, details


def folder(path, detail=True, environment=synthetic.ENVIRONMENT, **given):
    runs, details = rows(**given)
    synthetic.write(path, runs, environment)
    if detail:
        with (path / "detail.csv").open("wb") as stream:
            for row in [dict(zip(results.DETAIL, results.DETAIL)), *details]:
                stream.write(results.line(results.DETAIL, row))
    return path
