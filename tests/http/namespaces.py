"""Names and networks of a server's own, in Linux namespaces: as root, or as a user who may make namespaces."""

import contextlib
import os
import socket
import subprocess
import sys

import pytest

UNSHARE = ["unshare"] if os.getuid() == 0 else ["unshare", "--map-root-user"]

# Runs in the network of its own. Listens there, and gives the socket to the test, in whose hands it stays there.
LISTEN = """
import socket, sys
with socket.socket(fileno=int(sys.argv[1])) as test, socket.create_server((sys.argv[2], 0),
        family=socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET) as listener:
    socket.send_fds(test, [b"."], [listener.fileno()])
    test.recv(1)
"""


def with_names(folder, lines):
    """A prefix for a command, so that it sees /etc/hosts with these lines ("127.0.0.1 some-name")."""
    file = folder / "hosts"
    file.write_text("\n".join(lines) + "\n")
    prefix = [*UNSHARE, "-m", "sh", "-c", f'mount --bind {file} /etc/hosts && exec "$@"', "sh"]
    skip_unless_works(prefix)
    return prefix


def skip_unless_works(prefix):
    done = subprocess.run([*prefix, "true"], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot make a namespace here: {done.stderr.strip()}")


def addresses_of(name, prefix=()):
    """What the resolver says, in its order, to a command with this prefix."""
    done = subprocess.run([*prefix, "getent", "ahosts", name], capture_output=True, text=True)
    return [line.split()[0] for line in done.stdout.splitlines() if " STREAM" in line]


@contextlib.contextmanager
def own_network(addresses, listen_on):
    """A network that has the loopback interface alone, with more addresses on it. Yields a prefix that runs a command
    there, and a socket that listens there."""
    commands = ["ip link set lo up", *(f"ip address add {each} dev lo nodad" for each in addresses)]
    setup = [*UNSHARE, "-n", "sh", "-c", " && ".join(commands) + ' && exec "$@"', "sh"]
    skip_unless_works(setup)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        holder = subprocess.Popen(
            [*setup, sys.executable, "-c", LISTEN, str(theirs.fileno()), listen_on],
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        try:
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
            enter = ["nsenter", "-t", str(holder.pid), "-n"]
            if os.getuid() != 0:
                enter += ["-U", "--preserve-credentials"]
            with socket.socket(fileno=descriptors[0]) as listener:
                yield enter, listener
        finally:
            ours.close()  # ends it
            holder.wait(10)
