"""A disk of the database that is full. WAITBENCH_SLOW=1 also fills that of its write-ahead log."""

import os
import pathlib
import random
import subprocess
import tempfile
import time

import psycopg2
import pytest
from cluster import Cluster
from load import Load
from service import RECOVERY, is_a_sentence, is_back
from wire import eventually

SLOW = bool(os.environ.get("WAITBENCH_SLOW"))


@pytest.fixture
def small_disk(request):
    """A file system of so many MB (4)."""
    size = getattr(request, "param", 4)
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=777", "none", folder],
            capture_output=True,
            text=True,
        )
        if mounted.returncode != 0:
            pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip() or 'not root'}")
        yield pathlib.Path(folder)
        subprocess.run(["umount", folder], check=True)


def test_disk_full(start, cluster, small_disk):
    space = small_disk / "data"
    space.mkdir()
    owner = os.stat(cluster.data)
    os.chown(space, owner.st_uid, owner.st_gid)
    cluster.sql(f"CREATE TABLESPACE small LOCATION '{space}'", "ALTER TABLE items SET TABLESPACE small")
    try:
        server = start(DATABASE_URL=cluster.url, DB_POOL=2)
        (ballast := small_disk / "ballast").write_bytes(bytes(3 << 20))
        made = 0
        with server.connect() as connection:
            body = {"name": "full", "payload": "".join(random.choices("0123456789abcdef", k=100000))}
            while (response := connection.ask("POST", "/items", body)).status == 201:
                made += 1
                assert made < 100, "the disk does not get full"
            assert is_a_sentence(response, 503, "disk")
            assert connection.ask("GET", "/items?limit=1").status == 200
            assert connection.ask("GET", "/work?n=3&w=1").status == 200
            ballast.unlink()
            assert connection.ask("POST", "/items", body).status == 201
        assert server.stats()["db_lost"] == 0
        assert cluster.number("SELECT count(*) FROM items") == made + 1
    finally:
        cluster.sql("TRUNCATE items", "ALTER TABLE items SET TABLESPACE pg_default", "DROP TABLESPACE small")


@pytest.mark.skipif(not SLOW, reason="makes a cluster of its own; WAITBENCH_SLOW=1")
@pytest.mark.parametrize("small_disk", [150], indirect=True, ids=["150MB"])
def test_disk_of_the_log_full(start, small_disk):
    """PostgreSQL panics when it cannot write ahead, and perhaps stays down until there is space."""
    cluster = Cluster(f"full-{os.getpid()}", folder=small_disk)
    try:
        server = start(DATABASE_URL=cluster.url, DB_POOL=4)
        with Load(server, cluster) as load:
            load.goes_well()
            ballast = small_disk / "ballast"
            with pytest.raises(OSError, match="No space left"), open(ballast, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 16))
            with pytest.raises(
                psycopg2.OperationalError, match="closed the connection|recovery mode|refused"
            ):
                for _ in range(20):  # on to the next file of the log, for which there is no room
                    cluster.sql(
                        "SELECT pg_logical_emit_message(false, 'full', 'disk')", "SELECT pg_switch_wal()"
                    )
            eventually(lambda: server.get("/work").status == 503)
            time.sleep(1)
            ballast.unlink()
            up = cluster.restart()
            assert load.recovery_s(up) < RECOVERY
            is_back(server, up, 4)
        load.check()
        assert server.said("lost")
    finally:
        cluster.stop()
