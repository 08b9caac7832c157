"""The servers of Docker Compose on this machine, found by their ports: for a user who has built none."""

import os
import shutil
from pathlib import Path
from typing import Mapping

from ..base import client
from ..plan import server_list, settings


def find(chosen: settings.Settings, environ: Mapping[str, str] = os.environ) -> str:
    """TARGETS for the servers that run. Empty when targets are named, when a server is built, or when none
    responds as the server that the list has at its port."""
    models = {spec.model for spec in chosen.servers}
    if chosen.targets or any(_is_there(chosen.server_list.get(model), chosen.build) for model in models):
        return ""
    found = {entry.name: _url(entry, environ) for entry in chosen.server_list if entry.name in models}
    return " ".join(f"{name}={url}" for name, url in found.items() if url)


def _is_there(entry: server_list.Entry, build: str) -> bool:
    program = entry.command(build)[0]
    return Path(program).exists() or shutil.which(program) is not None


def _url(entry: server_list.Entry, environ: Mapping[str, str]) -> str | None:
    url = f"http://127.0.0.1:{environ.get(entry.port_variable) or entry.port}"
    http = client.Client(url, timeout=2)
    try:
        return url if http.get_json("/stats").get("model") == entry.name else None
    except (client.Unreachable, AttributeError):
        return None
    finally:
        http.close()
