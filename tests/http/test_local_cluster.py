"""db/local in environments that people have."""

import contextlib
import os
import signal
import socket
import tempfile
import threading

import psycopg2
from cluster import Cluster
from wire import eventually

ODD = "a b'c\"d$HOME`id`\\e;f&g%20+#?=\u00e9"


@contextlib.contextmanager
def cluster_in(folder=None, **environment):
    cluster = Cluster(f"local-{os.getpid()}", folder, **environment)
    try:
        yield cluster
    finally:
        cluster.stop()


def test_a_temporary_folder_with_any_name():
    """The shell that pg_ctl starts makes nothing of it, and neither does libpq of the socket's folder in a URL."""
    with tempfile.TemporaryDirectory(prefix=ODD) as folder:
        os.chmod(folder, 0o755)  # PostgreSQL of a root is another user
        with cluster_in(folder, SOCKET="unix") as cluster:
            assert cluster.data.startswith(folder)
            cluster.restart()
            with contextlib.closing(psycopg2.connect(cluster.url)) as link:
                assert link.info.host.startswith(folder)
        assert os.listdir(folder) == []


def test_a_taken_port_in_german():
    """What PostgreSQL says about a taken port is understood, whatever language its messages would be in, and it is
    started when the port is free. (Without the translations it is in English anyway.)"""
    with cluster_in(LANG="C.UTF-8", LC_ALL="C.UTF-8", LANGUAGE="de") as cluster:
        # PostgreSQL reads the file: root in a container may not read what belongs to another user.
        ((environment,),) = cluster.sql(
            f"SELECT pg_read_binary_file('/proc/{cluster.pid}/environ', 0, 65536, false)"
        )
        assert b"LC_ALL=C" in bytes(environment).split(b"\0")
        os.kill(cluster.pid, signal.SIGINT)
        eventually(lambda: not os.path.exists(f"{cluster.data}/postmaster.pid"))
        taken = socket.create_server(("127.0.0.1", cluster.port))
        threading.Timer(2, taken.close).start()
        cluster.restart()
        assert cluster.sql("SELECT count(*) FROM world") == [(100000,)]
