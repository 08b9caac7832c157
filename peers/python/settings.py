"""The server's settings: environment variables, read once in the master before it forks."""

import os
import sys
from typing import NamedTuple, NoReturn

MODELS = ("python-wsgi", "python-asgi")
LOG_LEVELS = {"debug": "debug", "info": "info", "warn": "warning", "error": "error"}


class Settings(NamedTuple):
    model: str
    host: str
    port: int
    database_url: str
    pool: int  # database connections of all workers together
    pool_timeout: float  # seconds
    workers: int  # processes
    threads: int  # of each worker of python-wsgi
    log_level: str  # as gunicorn calls it
    defaults: dict[str, int]  # of /work's parameters

    def share_of_pool(self, index: int) -> int:
        """The database connections of worker `index`, as even as they can be shared out."""
        return self.pool // self.workers + (index < self.pool % self.workers)


def fail(sentence: str, status: int) -> NoReturn:
    print(f"waitbench: {sentence}", file=sys.stderr, flush=True)
    os._exit(status)  # gunicorn makes of sys.exit() in a configuration file an error of its own


def _number(name: str, default: int | None, least: int, most: int) -> int:
    text = os.environ.get(name, "")
    if not text and default is not None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        fail(f"{name}={text}: give a whole number from {least} to {most}", 2)
    return int(text)


def load() -> Settings:
    """Ends the process with status 2 when a variable makes no sense."""
    environ = os.environ
    model = environ.get("MODEL", "")
    if model not in MODELS:
        fail(f"MODEL={model}: start it with peers/python/start {'|'.join(MODELS)}", 2)
    if not environ.get("DATABASE_URL", "").startswith(("postgresql://", "postgres://")):
        fail("DATABASE_URL: give postgresql://user:password@host:port/database", 2)
    if _number("DB_PIPELINE", 0, 0, 1):
        fail(f"DB_PIPELINE=1: {model} sends each query alone; leave it out", 2)
    if (level := environ.get("LOG_LEVEL") or "warn") not in LOG_LEVELS:
        fail(f"LOG_LEVEL={level}: give one of {', '.join(LOG_LEVELS)}", 2)
    pool = _number("DB_POOL", 16, 1, 10_000)
    workers = min(pool, _number("WORKERS", len(os.sched_getaffinity(0)), 1, 1024))
    return Settings(
        model=model,
        host=environ.get("HOST") or "127.0.0.1",
        port=_number("PORT", None, 1, 65535),
        database_url=environ["DATABASE_URL"],
        pool=pool,
        pool_timeout=_number("POOL_TIMEOUT", 10, 1, 86400),
        workers=workers,
        # While as many requests wait for the pool as use it, and all came to one worker, others are served.
        threads=_number("THREADS", 2 * pool + 8, 1, 100_000),
        log_level=LOG_LEVELS[level],
        defaults={
            "n": _number("N", 1, 0, 1000),
            "m": _number("M", 1024, 0, 16_777_216),
            "w": _number("W", 0, 0, 1000),
            "d": _number("D", 0, 0, 10_000),
            "t": _number("T", 0, 0, 60_000),
        },
    )
