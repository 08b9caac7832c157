"""Where things stand, and the list of servers (servers.csv; docs/adding-a-server.md says what its columns mean)."""

import csv
import os
import pathlib
import shlex
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))


def read_servers(path):
    """The name of each server, in the order of the list, and its row."""
    with open(path, newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


SERVERS = read_servers(os.environ.get("SERVER_LIST", ROOT / "servers.csv"))
CORE = [name for name, row in SERVERS.items() if (row.get("role") or "core") == "core"]
MODELS = os.environ.get("MODELS", " ".join(CORE)).split()
VARIANTS = {"pipeline": ["--db-pipeline=1"]}  # "NAME+pipeline" is the server with these flags


def start_command(model):
    """The words of the column `start`, split as a shell splits them, and the flags of a variant; run them in ROOT."""
    name, *variants = model.split("+")
    words = [word.replace("$BUILD", str(BUILD)) for word in shlex.split(SERVERS[name]["start"])]
    return sum((VARIANTS[variant] for variant in variants), words)


def has_pipeline(model):
    """Whether the server itself says that it has DB_PIPELINE."""
    try:
        done = subprocess.run(
            [*start_command(model), "--help"], cwd=ROOT, capture_output=True, text=True, timeout=20
        )
    except OSError:
        return False
    return "DB_PIPELINE" in done.stdout


def is_pipelined(model):
    return "+pipeline" in model


PIPELINES = [f"{model}+pipeline" for model in MODELS if "+" not in model and has_pipeline(model)]
