"""The work of the database in a run, by its own counters: arithmetic only. COLUMNS.md has the units."""


def database_view(first: dict, last: dict, queries: int | None) -> dict:
    """The columns of detail.csv from pg_stat_database, over the whole life of the server."""
    if not queries:
        return {}
    grown = {name: last[name] - first[name] for name in last}
    return {
        "db_commits_per_query": grown["xact_commit"] / queries,
        "db_blocks_hit_per_query": grown["blks_hit"] / queries,
        "db_blocks_read_per_query": grown["blks_read"] / queries,
        "db_deadlocks": grown["deadlocks"],
    }
