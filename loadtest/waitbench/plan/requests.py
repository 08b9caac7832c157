"""The requests that a server receives at a point, and the faults that the self-test injects into them."""

from .matrix import Point, Server

BURN_US = 2000  # CPU time that the injected slow generator burns before each request
INJECTED_EVERY = 100  # one request in so many is a faulty one


def work_path(parameters: dict) -> str:
    """The path and query of GET /work."""
    return "/work?" + "&".join(f"{name}={value}" for name, value in parameters.items())


def injected(server: Server, point: Point) -> tuple:
    """Further words for wrk.lua: the faulty path and how often to ask for it, or how long to burn CPU."""
    if server.fault == "error":
        return work_path(server.parameters(point) | {"n": "none"}), INJECTED_EVERY
    if server.fault == "short":
        half = max(64, point.m // 2)
        return work_path(server.parameters(point) | {"m": half}), INJECTED_EVERY
    if server.fault == "slow-generator":
        return (f"burn={BURN_US}",)
    return ()
