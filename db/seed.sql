-- 100,000 rows of world: value(id) = id * 48271 mod (2^31 - 1), one step of Park and Miller's
-- generator. common/work.c and the load test compute the same.
INSERT INTO world (id, value)
SELECT id, id::bigint * 48271 % 2147483647 FROM generate_series(1, 100000) AS id;

-- Statements of their own, since VACUUM runs in no transaction. Afterwards the rows are frozen, the
-- planner knows the table, and all of it is on disk: the first run starts like any other.
VACUUM (FREEZE, ANALYZE) world;
CHECKPOINT;
