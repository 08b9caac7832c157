"""GET /stats of a server: which members it must have, and which leave columns empty when they are missing."""

# Without these a run cannot be judged: is it the same process as before, and did as many requests and queries run
# as were asked for?
REQUIRED = ("pid", "requests", "queries")
NUMBERS = (
    "pid requests connections_open connections_accepted connections_refused replies_4xx replies_5xx queries query_s"
    " cpu_user_s cpu_system_s cpu_throttled_s ctx_voluntary ctx_involuntary rss_kib rss_peak_kib threads pool_size pool_waits"
    " pool_wait_s db_connects db_lost"
).split()


def check(stats: object) -> dict:
    """The same, when it is what a server may say. Raises ValueError with a sentence."""
    if not isinstance(stats, dict):
        raise ValueError("GET /stats is to be a JSON object")
    for name in REQUIRED:
        if name not in stats:
            raise ValueError(f"GET /stats has no '{name}', which a server must have (COLUMNS.md)")
    for name in NUMBERS:
        value = stats.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"GET /stats has {name}={value!r}, which is no number")
    return stats


def cpu_s(stats: dict) -> float | None:
    """Seconds of CPU so far, user and system together; None where the server does not say."""
    user, system = stats.get("cpu_user_s"), stats.get("cpu_system_s")
    return None if user is None or system is None else user + system


def database_connections(stats: dict) -> int | None:
    """That the server has now; None where it does not say."""
    made, lost = stats.get("db_connects"), stats.get("db_lost")
    return None if made is None or lost is None else made - lost


def is_same_process(first: dict, last: dict) -> bool:
    """Whether one process said both, as far as it says so."""
    return all(first.get(name) == last.get(name) for name in ("pid", "start_time"))
