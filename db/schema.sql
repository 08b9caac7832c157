-- The two tables of waitbench. db/local and docker compose both load this file, then seed.sql.

-- One row a query of GET /work. `value` is a function of `id` that never changes (seed.sql), so a
-- client can compute the sum it must get; `hits` counts updates, so acknowledged writes can be
-- counted back. With a fifth of each page free and no index on hits, an update stays in its page
-- (HOT) and touches no index: a write costs the same in the last run as in the first.
-- The load test vacuums between runs; autovacuum in the middle of one would disturb it.
CREATE TABLE world (
    id    int4 PRIMARY KEY,
    value int4 NOT NULL,
    hits  int8 NOT NULL DEFAULT 0
) WITH (fillfactor = 80, autovacuum_enabled = false);

-- Ordinary CRUD. The servers check all of this first and answer with a sentence; the constraints
-- hold for other programs that write. `payload` is json and not jsonb: it is given back as it came.
CREATE TABLE items (
    id         int8        GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    value      int8        NOT NULL DEFAULT 0,
    payload    json        NOT NULL DEFAULT 'null',
    version    int8        NOT NULL DEFAULT 1 CHECK (version >= 1),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Counts the statements that ran, for the tests and the load test. It comes with Debian's server
-- package and the official image; a database elsewhere may lack it, and the servers do not need it.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
EXCEPTION
    WHEN undefined_file OR feature_not_supported OR insufficient_privilege THEN
        RAISE NOTICE 'pg_stat_statements is not available: %', SQLERRM;
END
$$;
