"""python-asgi: a task per request. uvicorn with uvloop and httptools, Starlette, and asyncpg with its pool."""

import asyncio
import contextlib
import json
import signal
import sys
from typing import Callable

import asyncpg
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.workers import UvicornWorker

import work
from shared import settings, stats
from stats import CONNECTIONS_ACCEPTED, CONNECTIONS_OPEN, DB_CONNECTS, DB_LOST

READ = "SELECT value FROM world WHERE id = $1"
UPDATE = "UPDATE world SET hits = hits + 1 WHERE id = $1 RETURNING value"
SLOW_READ = "SELECT value FROM world, pg_sleep($2) WHERE id = $1"
SLOW_UPDATE = "UPDATE world SET hits = hits + 1 FROM pg_sleep($2) WHERE id = $1 RETURNING value"
DATABASE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncio.TimeoutError, ValueError)
CONNECT = {
    "dsn": settings.database_url,
    "server_settings": {"application_name": f"waitbench-{settings.model}"},
    "timeout": 10,  # s, to connect
}


def check_database() -> None:
    """Raises one of DATABASE_ERRORS."""

    async def check():
        await (await asyncpg.connect(**CONNECT)).close()

    asyncio.run(check())


def close() -> None:
    """Nothing: `lifespan` has closed the pool when the worker ends."""


class Connection(asyncpg.Connection):
    def get_reset_query(self) -> str:
        """Nothing: asyncpg would run four statements each time a connection goes back to the pool, and no request
        here leaves anything in the session."""
        return ""


async def open_pool(size: int, row: memoryview) -> asyncpg.Pool:
    def on_lost(connection):
        if not pool.is_closing():
            row[DB_LOST] += 1

    async def on_connected(connection):
        row[DB_CONNECTS] += 1
        connection.add_termination_listener(on_lost)

    pool = asyncpg.create_pool(
        **CONNECT,
        connection_class=Connection,
        init=on_connected,
        min_size=size,
        max_size=size,
        max_queries=2**62,  # connections are kept
        max_inactive_connection_lifetime=0,
    )
    return await pool


async def run(asked: work.Work) -> int:
    """The sum of what the queries return. Raises one of DATABASE_ERRORS."""
    total = 0
    async with pool.acquire(timeout=settings.pool_timeout) as connection:
        if asked.d:
            seconds = asked.d / 1000
            for id, updates in asked.rows():
                total += await connection.fetchval(SLOW_UPDATE if updates else SLOW_READ, id, seconds)
        else:
            for id, updates in asked.rows():
                total += await connection.fetchval(UPDATE if updates else READ, id)
    return total


# Of this worker.
pool: asyncpg.Pool | None = None
count: Callable[[int, int], None] = lambda status, queries: None
index = 0
row = memoryview(b"")


class Protocol(HttpToolsProtocol):
    """uvicorn's own, and its connections are counted."""

    def connection_made(self, transport):
        super().connection_made(transport)
        row[CONNECTIONS_ACCEPTED] += 1
        row[CONNECTIONS_OPEN] += 1

    def connection_lost(self, exc):
        super().connection_lost(exc)
        row[CONNECTIONS_OPEN] -= 1


class Worker(UvicornWorker):
    CONFIG_KWARGS = {
        "loop": "uvloop",
        "http": Protocol,
        "ws": "none",
        "lifespan": "on",
        "interface": "asgi3",
        "access_log": False,
        "proxy_headers": False,
    }

    def init_process(self):
        global index, row, count
        index = self.index
        row = stats.rows[index]
        count = stats.counter(row)
        super().init_process()

    def init_signals(self):
        super().init_signals()
        # uvicorn drains at SIGTERM, and then sends itself the same signal: an end with status 0.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


@contextlib.asynccontextmanager
async def lifespan(app: Starlette):
    global pool
    try:
        pool = await open_pool(settings.share_of_pool(index), row)
    except DATABASE_ERRORS as error:
        stats.cannot_serve(error)
    stats.set_ready(index)
    yield
    await pool.close()


def respond(status: int, body: bytes, queries: int = 0) -> Response:
    count(status, queries)
    return Response(body, status, media_type="application/json")


async def get_work(request: Request) -> Response:
    try:
        asked = work.parse(request.scope["query_string"].decode("latin-1"), settings.defaults)
    except work.BadParameter as error:
        return respond(400, work.problem(400, str(error)))
    if asked.t:
        await asyncio.sleep(asked.t / 1000)
    try:
        total = await run(asked) if asked.n else 0
    except DATABASE_ERRORS as error:
        return respond(503, work.problem(503, f"the database: {error}"))
    return respond(200, asked.body(total), asked.n)


async def healthz(request: Request) -> Response:
    return respond(200, b'{"status":"ok"}')


async def readyz(request: Request) -> Response:
    try:
        await run(work.ONE_QUERY)
    except DATABASE_ERRORS as error:
        return respond(503, work.problem(503, f"the database: {error}"))
    return respond(200, b'{"status":"ready"}')


async def get_stats(request: Request) -> Response:
    return respond(200, json.dumps(stats.document()).encode())


async def on_http_error(request: Request, error: HTTPException) -> Response:
    return respond(error.status_code, work.problem(error.status_code, error.detail))


async def on_error(request: Request, error: Exception) -> Response:
    return respond(500, work.problem(500, type(error).__name__))


app = Starlette(
    routes=[
        Route("/work", get_work),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/stats", get_stats),
    ],
    exception_handlers={HTTPException: on_http_error, Exception: on_error},
    lifespan=lifespan,
)
