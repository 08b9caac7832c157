"""A short run of each server under Valgrind: no invalid access, no use of what was never set, no leak."""

import shutil

import pytest
from conftest import sanitizer
from wire import request

VALGRIND = [
    "valgrind",
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite",
    "--max-stackframe=8000000",
    "--num-callers=30",
]


def test_clean_under_valgrind(start, model):
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed")
    if sanitizer(model):
        pytest.skip("a sanitizer is in the way")
    server = start(prefix=VALGRIND, DB_POOL=4, WORKERS=2, HEADER_TIMEOUT=60, QUERY_TIMEOUT=60)
    with server.connect(timeout=60) as client:
        for target in (
            "/work?n=5&w=2&seed=1",
            "/work?n=0&m=200000",
            "/work?n=-1",
            "/nothing",
            "/stats",
            "/metrics",
            "/readyz",
        ):
            assert client.ask("GET", target).status in (200, 400, 404)
        made = client.ask("POST", "/items", {"name": "valgrind", "payload": {"a": [1, 2.5, "ü"]}})
        assert made.status == 201
        assert client.ask("PATCH", made["location"], {"payload": {"a": None}}).status == 200
        assert client.ask("GET", "/items?limit=3").status == 200
        assert client.ask("DELETE", made["location"]).status == 204
        client.send(request("GET", "/work?n=1") * 20)
        assert all(client.read().status == 200 for _ in range(20))
    with server.connect(timeout=60) as gone:
        gone.send(request("GET", "/work?n=20"))
    with server.connect(timeout=60) as wrong:
        wrong.send("GET / HTTP/1.1\r\n bad\r\n\r\n")
        assert wrong.read().status == 400
    assert server.stop(timeout=60) == 0, server.log
    assert "==" not in server.log, server.log
