"""gunicorn's configuration, for both servers: gunicorn makes the worker processes, watches them and ends them."""

import ctypes
import gc
import importlib
import os
import resource
import signal
import socket
import sys

from settings import fail
from shared import settings, stats
from stats import PID

DEBIAN = {
    "python-wsgi": "python3-bottle python3-psycopg python3-psycopg-c python3-psycopg-pool",
    "python-asgi": "python3-uvicorn python3-starlette python3-asyncpg python3-uvloop python3-httptools",
}
PR_SET_PDEATHSIG = 1  # prctl(2)


def _listener() -> socket.socket:
    """Bound, and not listening yet: gunicorn listens when the database has been reached."""
    bound = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((settings.host, settings.port))
    except OSError as error:
        fail(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}", 1)
    return bound


def _module():
    try:
        return importlib.import_module(settings.model.removeprefix("python-"))
    except ImportError as error:
        sentence = " ".join(str(error).split())
        fail(f"{sentence}: on Debian 13 apt-get install {DEBIAN[settings.model]}", 1)


module = _module()
_, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # a connection takes one

# ---- What gunicorn reads

bind = f"fd://{_listener().detach()}"  # gunicorn closes it when it drains
wsgi_app = f"{module.__name__}:app"
worker_class = f"{module.__name__}.Worker"
workers = settings.workers
threads = settings.threads
worker_connections = 100_000  # the open files are the limit
backlog = 4096
keepalive = 75
preload_app = True
worker_tmp_dir = "/dev/shm"  # the file that shows that a worker lives: the root filesystem may be read-only
loglevel = settings.log_level
proc_name = f"waitbench {settings.model}"


def on_starting(server):
    try:
        module.check_database()
    except module.DATABASE_ERRORS as error:
        fail(f"cannot use the database: {' '.join(str(error).split()) or type(error).__name__}", 1)


def when_ready(server):
    gc.collect()
    gc.freeze()  # the garbage collector need not look through modules, and workers share their pages


def pre_fork(server, worker):
    stats.assign(worker.age)


def post_fork(server, worker):
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != stats.master:  # it died before that call
        os._exit(1)
    worker.index = stats.index_of(worker.age)
    stats.rows[worker.index][PID] = worker.pid


def worker_exit(server, worker):
    module.close()


def child_exit(server, worker):
    stats.release(worker.age)


def on_exit(server):
    if stats.has_failed():
        sys.stderr.flush()
        os._exit(1)
