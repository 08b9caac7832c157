#!/usr/bin/python3
"""A server that is no part of the project, in another language than the project's: what GET /work asks for, and
only the members of /stats that a server must have. A list of servers starts it; HOST, PORT and DATABASE_URL are in
its environment."""

import http.server
import json
import os
import signal
import sys
import threading
import urllib.parse

import psycopg2

MASK = 2**64 - 1


def row(seed, i):
    """The id that common/API.md has for query i of a request."""
    z = seed + (i + 1) * 0x9E3779B97F4A7C15 & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return 1 + (z ^ z >> 31) % 100000


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        with LOCK:
            if parts.path == "/work":
                body = work({name: int(value) for name, value in urllib.parse.parse_qsl(parts.query)})
            else:
                body = json.dumps(STATS if parts.path == "/stats" else {"status": "ready"})
            STATS["requests"] += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *words):
        pass


def work(asked):
    n, m, total = asked["n"], asked["m"], 0
    with POOL[0].cursor() as cursor:
        for i in range(n):
            cursor.execute("EXECUTE work (%s)", (row(asked.get("seed", 1), i),))
            total += cursor.fetchone()[0]
    STATS["queries"] += n
    empty = json.dumps({"n": n, "sum": total, "pad": ""}, separators=(",", ":"))
    return empty[:-2] + "x" * (m - len(empty)) + empty[-2:]


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
STATS = {"pid": os.getpid(), "requests": 0, "queries": 0}
LOCK = threading.Lock()
POOL = [psycopg2.connect(os.environ["DATABASE_URL"]) for _ in range(int(os.environ["DB_POOL"]))]
POOL[0].autocommit = True  # LOCK lets one request in at a time
with POOL[0].cursor() as prepared:
    prepared.execute("PREPARE work (int) AS SELECT value FROM world WHERE id = $1")
address = os.environ["HOST"], int(os.environ["PORT"])
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
