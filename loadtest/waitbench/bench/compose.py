"""The servers of docker compose on this machine, found by their ports: for who has built none."""

import os

from .. import ROOT
from ..base import client

# As in docker-compose.yml.
PORTS = {"threaded": ("THREADED_PORT", 8081), "libuv": ("LIBUV_PORT", 8082), "coro": ("CORO_PORT", 8083)}


def find(chosen, environ=os.environ):
    """TARGETS for those that run; empty when servers are named, one is built, or none answers as what it should be."""
    models = {spec.model for spec in chosen.servers}
    if chosen.targets or any((ROOT / chosen.build / f"server-{model}").exists() for model in models):
        return ""
    return " ".join(f"{model}={url}" for model in PORTS if model in models and (url := _url(model, environ)))


def _url(model, environ):
    variable, port = PORTS[model]
    url = f"http://127.0.0.1:{environ.get(variable) or port}"
    asker = client.Client(url, timeout=2)
    try:
        return url if asker.get_json("/stats").get("model") == model else None
    except (client.Unreachable, ValueError):
        return None
    finally:
        asker.close()
