"""The requests that a server gets at a point, and the faults that a test injects into them."""

BURN_US = 2000  # of a planted slow generator, before each request
PLANTED_EVERY = 100  # requests, one of them planted


def work_path(parameters):
    return "/work?" + "&".join(f"{name}={value}" for name, value in parameters.items())


def injected(server, point):
    if server.plant == "error":
        return work_path(server.parameters(point) | {"n": "none"}), PLANTED_EVERY
    if server.plant == "short":
        half = max(64, point.m // 2)
        return work_path(server.parameters(point) | {"m": half}), PLANTED_EVERY
    if server.plant == "slow-generator":
        return (f"burn={BURN_US}",)
    return ()
