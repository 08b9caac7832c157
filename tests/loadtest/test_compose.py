"""loadtest/run finds the servers of docker compose by their ports, and no others."""

import http.server
import json
import threading

import pytest
from waitbench import ROOT
from waitbench.plan import generating, setting_list, settings
from waitbench.bench import compose


@pytest.fixture
def serve():
    """Starts a server whose GET /stats has the given model; returns its port."""
    running = []

    def start(model):
        body = json.dumps({"model": model}).encode()

        class Stats(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        running.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stats))
        threading.Thread(target=running[-1].serve_forever, daemon=True).start()
        return str(running[-1].server_address[1])

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def nothing_built(tmp_path):
    return {"BUILD": str(tmp_path)}


def test_servers_that_respond_are_the_targets(serve, nothing_built):
    ports = {"THREADED_PORT": serve("threaded"), "CORO_PORT": serve("coro"), "LIBUV_PORT": "1"}
    found = compose.find(settings.load([], nothing_built), ports)
    assert (
        found
        == f"threaded=http://127.0.0.1:{ports['THREADED_PORT']} coro=http://127.0.0.1:{ports['CORO_PORT']}"
    )
    assert [spec.name for spec in settings.load(["--targets", found], nothing_built).servers] == [
        "threaded",
        "coro",
    ]
    only = compose.find(settings.load(["--servers", "coro"], nothing_built), ports)
    assert only == f"coro=http://127.0.0.1:{ports['CORO_PORT']}"


def test_another_server_at_the_port_is_no_target(serve, nothing_built):
    ports = {"THREADED_PORT": serve("something"), "CORO_PORT": "1", "LIBUV_PORT": "1"}
    assert compose.find(settings.load([], nothing_built), ports) == ""


def test_what_is_built_or_named_goes_first(serve, nothing_built, tmp_path):
    ports = {"THREADED_PORT": serve("threaded"), "CORO_PORT": "1", "LIBUV_PORT": "1"}
    assert compose.find(settings.load(["--targets", "a=http://h:1"], nothing_built), ports) == ""
    (tmp_path / "server-libuv").touch()
    assert compose.find(settings.load([], nothing_built), ports) == ""


@pytest.mark.parametrize(
    "name",
    ["WORKLOAD", "MIX", "MODE", "GENERATOR", *setting_list.AXES, *generating.OF_OPEN, "DURATION", "WARMUP"],
)
def test_settings_of_the_load_reach_the_container(name):
    compose_file, example = ((ROOT / file).read_text() for file in ("docker-compose.yml", ".env.example"))
    passed_on = compose_file.partition("  loadtest: &loadtest\n")[2].partition("  loadtest-proxy:\n")[0]
    assert f"\n      {name}:\n" in passed_on
    listed = example.partition("# The load test takes ")[2].partition(",\n")[0]
    assert name in listed.split()


def test_the_image_of_the_load_test_has_pace():
    stages = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    build, image = (
        next(stage for stage in stages if f" AS {name}\n" in stage) for name in ("build", "loadtest")
    )
    assert "COPY loadtest/pace loadtest/pace\n" in build and " build/pace\n" in build
    assert "COPY --from=build /waitbench/build/pace /usr/local/bin/\n" in image and " libjansson4 " in image
