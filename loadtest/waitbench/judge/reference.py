"""Whether a run may be called a reference: one that others compare theirs with."""

from typing import Any

BUSY = 0.15  # load average per CPU, before the start


def busy(machine: dict[str, Any]) -> str | None:
    """From `machine` of environment.json: that the machine was busy before the run began; None when it was not, or
    nothing is known."""
    load, cpus = (machine.get("load_average") or [0])[0], machine.get("cpus_usable") or 1
    if load / cpus <= BUSY:
        return None
    return f"the machine was busy before the start (load average {load:.2f}, {BUSY * cpus:.2f} is the limit)"


def refused(environment: dict[str, Any]) -> str | None:
    """Why the run of that environment.json is no reference, as a sentence; None when nothing speaks against it."""
    if reason := busy(environment.get("machine") or {}):
        return f"not a reference: {reason}; let it become idle and run again"
    if environment.get("cpu_groups", "service") != "service":
        return f"not a reference: CPU time was divided by {environment['cpu_groups']}; CPU_GROUPS=service is how people deploy"
    return None
