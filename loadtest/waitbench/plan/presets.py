"""Defaults of the load test's settings, by PRESET."""

PRESETS = {
    "quick": {
        "N": "0 1 20", "M": "1024", "W": "0", "D": "0", "T": "0", "C": "16 256",
        "DURATION": "2", "WARMUP": "0.5", "REPEATS": "4",
    },
    "full": {
        "N": "0 1 5 20", "M": "1024 65536", "W": "0", "D": "0", "T": "0", "C": "16 256",
        "DURATION": "3", "WARMUP": "1", "REPEATS": "12",
    },
}  # fmt: skip
# Points beside the product. `quick` goes along M from one of its points, at which wrk is not the bottleneck;
# two more points would take it to five minutes. `full` has every point of `quick`, so that the two can be compared.
# It goes along C to 2048, but with 20 queries to 1024: there a connection has no more than four requests in a run. It
# goes along D and W from two of its points: one with few queries and more connections than the pool has, one with
# many queries and no more connections than that. Its runs are short and its blocks many: blocks differ by 5 to 14
# percent (results/cpu-groups), so that one block more tells more than a longer run.
EXTRA_POINTS = {
    "quick": [(1, 65536, 0, 0, 16)],
    "full": [(0, 1024, 0, 0, 2048), (1, 1024, 0, 0, 2048), (20, 1024, 0, 0, 1024)]
    + [
        (n, 1024, w, d, c)
        for n, c in ((5, 256), (20, 16))
        for w, d in ((0, 1), (0, 10), (n // 2, 0))
    ],
}  # fmt: skip
