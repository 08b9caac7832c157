"""loadtest/up: what can be in the way of docker compose is said in a sentence that names what to do. Docker is
replaced by a script, so that each of these happens on every machine."""

import http.server
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest
import test_run

UP = Path(__file__).resolve().parents[2] / "loadtest" / "up"

# Answers the questions of loadtest/up from the variables below, and keeps what it was asked to do.
DOCKER = """\
#!/bin/bash
case "$*" in
"version --format"*) [ -z "$DAEMON" ] || { echo "$DAEMON" >&2; exit 1; }; echo 28.0 ;;
"info --format"*) echo "$ROOT" ;;
"image inspect"*) [ -n "$IMAGES" ] ;;
"compose version --short") [ -n "$COMPOSE" ] && echo "$COMPOSE" ;;
"compose config --quiet") ;;
"compose config --images") echo image ;;
"compose config") cat <<YAML
services:
  db:
    image: postgres:17
  server-threaded:
    ports:
      - mode: ingress
        host_ip: 127.0.0.1
        target: $PORT
        published: "$PORT"
        protocol: tcp
YAML
;;
"compose ps --services --status running") echo "$RUNNING" ;;
"compose ps --quiet --all --status exited"*) echo "$EXITED" ;;
"compose ps --all --status exited --format"*) echo "$EXITED" ;;
"compose logs"*) echo "$LOGS" ;;
"compose up -d") [ -z "$FAILS" ] ;;
*) echo "not expected: $*" >&2; exit 9 ;;
esac
"""
TOOLS = ["bash", "dirname", "sed", "sort", "awk", "grep", "head", "id", "df", "cat", "sleep"]


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status":"ready"}')

    def log_message(self, *words):
        pass


@pytest.fixture
def up(tmp_path):
    """Runs loadtest/up with nothing in PATH but a few tools and the docker that is played."""
    for tool in TOOLS:
        (tmp_path / tool).symlink_to(shutil.which(tool))
    docker = tmp_path / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)

    def run(*arguments, without=(), **said):
        for tool in without:
            (tmp_path / tool).unlink()
        environment = {
            "PATH": str(tmp_path), "DAEMON": "", "COMPOSE": "2.26.1-4", "ROOT": "/nonexistent", "IMAGES": "yes",
            "PORT": str(test_run.free_port()), "RUNNING": "", "EXITED": "", "LOGS": "", "FAILS": "",
        } | said  # fmt: skip
        return subprocess.run(
            [shutil.which("bash"), UP, *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            env=environment,
        )

    return run


def sentence(done):
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("loadtest/up: ")
    return done.stderr


def test_no_docker(up):
    assert "apt-get install docker.io docker-compose" in sentence(up(without=["docker"]))


def test_no_daemon_and_no_right_to_it(up):
    said = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    assert "systemctl start docker" in sentence(up(DAEMON=said))
    assert "usermod -aG docker" in sentence(
        up(DAEMON="permission denied while trying to connect to the Docker daemon")
    )


@pytest.mark.parametrize("version", ["", "1.29.2", "2.9.0", "v2.23.0", "2.23.0-1"])
def test_compose_that_is_too_old_or_not_there(up, version):
    said = sentence(up(COMPOSE=version))
    assert "apt-get install docker-compose (Debian 13)" in said
    assert f"{version.lstrip('v')} is too old" in said or not version and "no Compose v2" in said


@pytest.mark.parametrize("version", ["2.23.1", "v2.23.1", "2.26.1-4", "2.100.0", "3.0.0"])
def test_compose_that_is_new_enough(up, version):
    assert "did not start it" in sentence(up(COMPOSE=version, FAILS="yes"))


def test_a_port_that_is_taken(up):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = sentence(up(PORT=str(port)))
        assert f"port {port} of 127.0.0.1 is taken" in said and f"THREADED_PORT={port + 1000}" in said


@pytest.mark.parametrize("images, needed", [("", "2000"), ("yes", "500")])
def test_too_little_space(up, tmp_path, images, needed):
    (tmp_path / "df").unlink()
    (tmp_path / "df").write_text('#!/bin/sh\necho head\necho "/dev/x 9000 8601 399 96% /"\n')
    (tmp_path / "df").chmod(0o755)
    said = sentence(up(ROOT=str(tmp_path), IMAGES=images))
    assert (
        f"{tmp_path} has 399 MiB free, and {needed} MiB are needed" in said and "docker system prune" in said
    )


@pytest.mark.parametrize(
    "logs, words",
    [
        ("FATAL: 28P01: password authentication failed for user", "made with another DB_PASSWORD"),
        (
            'FATAL:  could not write to file "pg_wal/xlogtemp.24": No space left on device',
            "docker system prune",
        ),
        (
            'cannot use the database at db:5432/waitbench: relation "world" does not exist; load db/schema.sql',
            "was interrupted",
        ),
        ("db: something else\nmore of it", "it said: more of it"),
    ],
)
def test_what_ended_is_explained(up, logs, words):
    assert words in sentence(up(FAILS="yes", EXITED="1 db", LOGS=logs))
    assert words in sentence(up(EXITED="6ae1b2", LOGS=logs))


def test_addresses(up):
    """A port that our own container has is not taken, and a second start is none."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ready) as ready:
        threading.Thread(target=ready.serve_forever, daemon=True).start()
        port = ready.server_address[1]
        done = up(PORT=str(port), RUNNING="db\nserver-threaded")
        ready.shutdown()
    assert done.returncode == 0, done.stderr
    assert f"threaded: http://127.0.0.1:{port}\n" in done.stdout and "--rm loadtest" in done.stdout


def test_usage(up):
    assert up("--help").stdout.startswith("The database and the servers in containers")
    assert up("now").returncode == 2


@pytest.mark.parametrize(
    "version, release", [("17.6 (Debian 17.6-1)", "17"), ("18beta1", "18"), ("9.6.24", "9")]
)
def test_each_release_has_a_folder_of_its_own(tmp_path, version, release):
    """db/entrypoint, which the container of the database begins with."""
    played = {
        "postgres": f"echo 'postgres (PostgreSQL) {version}'",
        "docker-entrypoint.sh": 'echo $PGDATA "$@"',
    }
    for name, text in played.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [UP.parents[1] / "db" / "entrypoint", "postgres", "-c", "x=y"],
        capture_output=True, text=True, timeout=10,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "PGDATA": "/var/lib/postgresql/data"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"/var/lib/postgresql/waitbench-{release} postgres -c x=y\n"
