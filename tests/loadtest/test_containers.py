"""The files of Docker cannot read servers.csv: they are held against it."""

import re
from pathlib import Path

import pytest
from waitbench.plan import server_list

ROOT = Path(__file__).resolve().parents[2]


def services_of(text):
    """{service: its lines} of the file of Compose."""
    return dict(re.findall(r"^  ([\w-]+):(?: &\w+)?\n((?:    .*\n|\n)+)", text, re.M))


def of_compose(text):
    """{server: (where its settings come from, its image, its program, its ports by variable)}."""
    found = {}
    for service, lines in services_of(text).items():
        if service.startswith("server-"):
            image = re.search(r"    build: (\S+)\n    image: \$\{COMPOSE_PROJECT_NAME\}-(\S+)\n", lines)
            command = re.search(r"command: \[(.+)\]", lines)
            found[service.removeprefix("server-")] = (
                re.search(r"<<: \*(\S+)", lines)[1],
                image and image.groups(),
                command and command[1],
                re.findall(r"\$\{(\w+_PORT):-(\d+)\}", lines),
            )
    return found


def expected_of_compose(known):
    """A server in C is in the image of all of them. The image of another language has a command for each of its
    servers, which only that language knows."""
    named = of_compose((ROOT / "docker-compose.yml").read_text())
    expected = {}
    for entry in known:
        ports = [(entry.port_variable, str(entry.port))] * 3  # PORT, and twice in ports
        role = "server" if entry.role == "core" else "peer"
        if folder := folder_of(entry):
            expected[entry.name] = role, (f"peers/{folder}", f"peer-{folder}"), named[entry.name][2], ports
        else:
            expected[entry.name] = role, None, f"server-{entry.name}", ports
    return expected


def folder_of(entry):
    """The folder of peers/ that a peer in another language than C has: that of its set of packages."""
    return next((word.removeprefix("peer-") for word in entry.needs if word.startswith("peer-")), "")


def listed_in(text, service, variable):
    """The words of a folded list, TARGETS say, of a service; sorted."""
    return sorted(re.search(rf" {variable}: >-\n((?:        .*\n)+)", services_of(text)[service])[1].split())


def targets(entries, proxy=None):
    found = [f"{each.name}=http://server-{each.name}:{port_of(each)}" for each in entries]
    return sorted(found + [f"{each.name}@nginx=http://{proxy}:{each.port}" for each in entries if proxy])


def sites(entries):
    return sorted(f"{each.port}=server-{each.name}:{port_of(each)}" for each in entries)


def port_of(entry):
    return f"${{{entry.port_variable}:-{entry.port}}}"


def of_stack(text):
    return re.findall(r"^  ([\w-]+):\n    <<: \*server\n    command: \[server-\1\]", text, re.M)


def of_image(text):
    sources = re.findall(r"^COPY server-([\w-]+) server-\1$", text, re.M)
    programs = re.findall(r"build/server-([\w-]+) ", text)
    return sources, programs


def test_compose_has_the_servers_of_the_list_at_their_ports():
    text = (ROOT / "docker-compose.yml").read_text()
    expected = expected_of_compose(server_list.read())
    assert of_compose(text) == expected
    for was, injected in (
        ("LIBUV_PORT:-8082}:$", "LIBUV_PORT:-8085}:$"),
        ("command: [server-coro]", "command: [server-libuv]"),
        ("  server-coro:\n", "  other:\n"),
        ("build: peers/go\n", "build: peers/node\n"),
        ("  server-node:\n    <<: *peer\n", "  server-node:\n    <<: *server\n"),
    ):
        assert was in text and of_compose(text.replace(was, injected)) != expected


def test_the_servers_of_one_image_have_commands_of_their_own():
    found = [
        (image, command)
        for _, image, command, _ in of_compose((ROOT / "docker-compose.yml").read_text()).values()
    ]
    assert len(set(found)) == len(found)


def test_compose_measures_the_servers_of_the_list_with_nginx_and_without():
    text = (ROOT / "docker-compose.yml").read_text()
    known = server_list.read()
    core = [known.get(name) for name in known.core]
    assert listed_in(text, "loadtest", "TARGETS") == targets(core)
    for service, proxy, entries in (
        ("loadtest-proxy", "proxy", core),
        ("loadtest-peers", "proxy-peers", list(known)),
    ):
        assert listed_in(text, service, "TARGETS") == targets(entries, proxy)
        assert listed_in(text, proxy, "SITES") == sites(entries)
        for entry in entries:
            waited_for = (
                services_of(text)["proxy"] + services_of(text)[proxy]
            )  # its core servers are those of proxy
            assert f"      server-{entry.name}: " in waited_for


def test_stack_has_the_servers_of_the_list():
    text = (ROOT / "docker-stack.yml").read_text()
    names = server_list.read().core
    assert of_stack(text) == names
    assert of_stack(text.replace("command: [server-coro]", "command: [server-libuv]")) != names


def test_image_has_the_servers_in_c_of_the_list():
    text = (ROOT / "Dockerfile").read_text()
    names = [entry.name for entry in server_list.read() if not folder_of(entry)]
    assert of_image(text) == (names, names)
    assert of_image(text.replace("COPY server-coro server-coro\n", "")) != (names, names)
    assert of_image(text.replace(" /waitbench/build/server-coro", "")) != (names, names)


@pytest.mark.parametrize("folder", sorted({folder_of(entry) for entry in server_list.read()} - {""}))
def test_a_peer_in_another_language_has_an_image(folder):
    """Its last stage is what runs: as nobody, from the same release of Debian as the servers in C."""
    text = (ROOT / "peers" / folder / "Dockerfile").read_text()
    assert re.findall(r"^FROM (\S+)", text, re.M)[-1] == "docker.io/library/debian:trixie-slim"
    assert re.search(r"^USER nobody\nENV HOST=0.0.0.0 PORT=8080\n", text.rpartition("\nFROM ")[2], re.M)
    assert (ROOT / "peers" / folder / "README.md").exists()


@pytest.mark.parametrize("folder", sorted({folder_of(entry) for entry in server_list.read()} - {""}))
def test_an_image_is_made_of_the_packages_that_make_peers_installs(folder):
    """The first stage, that is: the last one may have fewer."""
    text = (ROOT / "peers" / folder / "Dockerfile").read_text()
    stage = re.search(r"apt-get install -y --no-install-recommends((?:[\s\\]+[\w.+-]+)+)", text)[1]
    known = re.findall(rf"^peer-{folder} +(\S+)", (ROOT / ".ci/deps").read_text(), re.M)
    assert sorted(stage.replace("\\", " ").split()) == sorted(known)


def test_the_example_of_env_has_their_ports():
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if "_PORT=" in line] == [
        f"#{entry.port_variable}={entry.port}"
        for entry in sorted(server_list.read(), key=lambda entry: entry.port)
    ]
