"""servers.csv is the only list of servers: what reads it, and what is wrong with it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from waitbench import Failure
from waitbench.bench import servers
from waitbench.judge import summary
from waitbench.observe import packages
from waitbench.plan import server_list, settings

ROOT = Path(__file__).resolve().parents[2]
HEADER = "name,description,build,start,port,colour\n"
LONG_HEADER = HEADER.replace("\n", ",language,model,role,needs\n")
ROW = "a,words,,$BUILD/a --fast 'two words',9000,#112233\n"


def write(folder, text):
    path = folder / "list.csv"
    path.write_text(text)
    return path


def test_a_row_is_a_server(tmp_path):
    known = server_list.read(write(tmp_path, HEADER + ROW + "\nb-c,,,python3 b.py,1,#AABBCC\n"))
    assert known.names == ["a", "b-c"] and known.baseline == "a"
    first, second = known
    assert first.command("/out") == ["/out/a", "--fast", "two words"]
    assert first.command("build") == [str(ROOT / "build/a"), "--fast", "two words"]
    assert second.command("build") == ["python3", "b.py"]
    assert (first.port_variable, second.port_variable) == ("A_PORT", "B_C_PORT")
    assert (first.port, second.port, second.colour) == (9000, 1, "#aabbcc")


def test_a_list_may_say_more_of_a_server(tmp_path):
    text = (
        LONG_HEADER
        + ROW
        + "b,,,b,2,#112233,Go,stackful coroutines,peer,peer-go bench\nc,,,c,3,#112233,C,threads\n"
    )
    known = server_list.read(write(tmp_path, text))
    assert known.names == ["a", "b", "c"] and known.core == ["a", "c"]
    assert [(entry.language, entry.model, entry.role, entry.needs) for entry in known] == [
        ("", "", "core", ()),
        ("Go", "stackful coroutines", "peer", ("peer-go", "bench")),
        ("C", "threads", "core", ()),
    ]


def test_a_program_of_the_build_folder_needs_no_row(tmp_path):
    known = server_list.read(write(tmp_path, HEADER + ROW))
    assert known.get("other").command("/out") == ["/out/server-other"]


@pytest.mark.parametrize(
    "text, line, words",
    [
        ("", 1, "the columns are to be name,"),
        (HEADER, 1, "no server"),
        (HEADER.replace("\n", ",speed\n") + ROW, 1, "'speed' is no column"),
        (HEADER.replace("\n", ",model\n") + ROW, 1, "the columns are to be name,"),
        (
            LONG_HEADER + ROW.replace("\n", ",Go,threads,boss,\n"),
            2,
            "role of a is 'boss', which is not core or peer",
        ),
        (LONG_HEADER + ROW.replace("\n", ",Go,threads,peer,\n"), 1, "the list has no core server"),
        (LONG_HEADER + ROW.replace("\n", ",Go,threads,core,a;b\n"), 2, "needs of a is 'a;b'"),
        (LONG_HEADER + "b,c\n", 2, "a row has 6 to 10 fields, and this one has 2"),
        (HEADER.replace("port,", "") + ROW, 1, "the columns are to be name,"),
        (HEADER.replace("port", "name"), 1, "'name' is no column"),
        (HEADER + ROW + "b,c\n", 3, "a row has 6 fields, and this one has 2"),
        (HEADER + ROW.replace("9000", "9000,1"), 2, "a row has 6 fields, and this one has 7"),
        (HEADER + ROW + ROW, 3, "'a' is no name for a server, or is there twice"),
        (HEADER + ROW.replace("a,", "a b,", 1), 2, "'a b' is no name"),
        (HEADER + ROW.replace("9000", "http"), 2, "port of a is 'http'"),
        (HEADER + ROW.replace("9000", "65536"), 2, "port of a is '65536'"),
        (HEADER + ROW.replace("#112233", "red"), 2, "colour of a is 'red'"),
        (HEADER + "a,,,,1,#112233\n", 2, "start of a is empty"),
        (HEADER + "a,,,x 'y,1,#112233\n", 2, "start of a: No closing quotation"),
        (HEADER + 'a,"b\n', 2, "unexpected end of data"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_file_and_line(tmp_path, text, line, words):
    path = write(tmp_path, text)
    with pytest.raises(Failure) as failure:
        server_list.read(path)
    said = str(failure.value)
    assert said.startswith(f"{path}, line {line}: ") and words in said and "\n" not in said
    with pytest.raises(settings.Usage):
        settings.load([], {"SERVER_LIST": str(path)})


def test_a_missing_list_is_a_sentence(tmp_path):
    with pytest.raises(Failure, match=f"{tmp_path}/none.csv: No such file or directory"):
        server_list.read(tmp_path / "none.csv")


def test_the_command_line_says_it_in_one_line(tmp_path):
    path = write(tmp_path, HEADER + "a\n")
    done = subprocess.run(
        [ROOT / "loadtest/run", "--server-list", path], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert done.stderr == f"loadtest/run: {path}, line 2: a row has 6 fields, and this one has 1\n"


def test_servers_are_by_default_those_of_the_list(tmp_path):
    path = write(tmp_path, HEADER + ROW + ROW.replace("a,", "b,", 1))
    chosen = settings.load([], {"SERVER_LIST": str(path)})
    assert [spec.name for spec in chosen.servers] == ["a", "b"]
    assert chosen.texts["SERVERS"] == "a b" and chosen.texts["SERVER_LIST"] == str(path)
    assert settings.load([], {}).texts["SERVERS"] == " ".join(server_list.read().core)
    row = ROW.replace("a,", "b,", 1).replace("\n", ",,,peer\n")
    path = write(tmp_path, LONG_HEADER + row + ROW)
    assert settings.load([], {"SERVER_LIST": str(path)}).texts["SERVERS"] == "a"
    named = settings.load([], {"SERVER_LIST": str(path), "SERVERS": "a b"}).servers
    assert [spec.name for spec in named] == ["a", "b"]


def test_a_server_whose_packages_are_missing_is_a_sentence(tmp_path, monkeypatch):
    path = write(tmp_path, LONG_HEADER + ROW + "b,,,b,2,#112233,,,peer,bench guard\n")
    chosen = settings.load([], {"SERVER_LIST": str(path), "SERVERS": "b"})
    monkeypatch.setattr(servers.packages, "missing", lambda sets: [f"of-{name}" for name in sets])
    with pytest.raises(
        Failure, match="^b needs .* not installed: of-bench, of-guard; make peers PEERS=b installs"
    ):
        servers.command(chosen.servers[0], chosen)


def test_missing_packages_are_those_that_the_machine_does_not_have(tmp_path, monkeypatch):
    (tmp_path / ".ci").mkdir()
    program = tmp_path / ".ci/deps"
    program.write_text((ROOT / ".ci/deps").read_text().replace("\nbuild gcc ", "\nbuild no-such-compiler "))
    program.chmod(0o755)
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    assert packages.missing(["build"]) == ["no-such-compiler"]
    assert packages.missing(["bench"]) == packages.missing([]) == []
    assert packages.missing(["no-such-set"]) == ["no-such-set"]


def test_a_result_has_the_baseline_and_the_colours_of_its_own_list():
    runs = [
        {name: 1 for name in ("block", "order", "n", "m", "w", "d", "c")}
        | {name: 1.0 for name in [*summary.MEASURED, summary.CPU]}
        | {"server": server, "proxy": "none", "flags": ""}
        for server in ("threaded", "mine")
    ]
    listed = [{"name": "mine", "colour": "#123456"}, {"name": "threaded", "colour": "#654321"}]
    found = summary.summarise(runs, {"servers": ["threaded", "mine"], "server_list": listed})
    assert found.baseline == "mine" and found.colours["mine"] == "#123456"
    assert summary.summarise(runs, {"servers": ["mine", "threaded"]}).baseline == "threaded"


def ask(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "waitbench.plan.server_list", *words],
        cwd=ROOT / "loadtest",
        env=os.environ | {"BUILD": "", "PYTHONDONTWRITEBYTECODE": "1"} | environment,
        capture_output=True,
        text=True,
    )


def test_shell_scripts_ask_for_it(tmp_path):
    path = str(write(tmp_path, HEADER + ROW))
    assert ask("names").stdout.split() == server_list.read().core
    assert set(ask("names").stdout.split() + ask("peers").stdout.split()) == set(server_list.read().names)
    assert ask("names", SERVER_LIST=path).stdout == "a\n"
    assert ask("start", "a", SERVER_LIST=path, BUILD="/out").stdout == "/out/a --fast 'two words'\n"
    for words in (("start", "b"), (), ("start",)):
        done = ask(*words, SERVER_LIST=path)
        assert done.returncode == 1 and done.stderr.count("\n") == 1


def test_no_code_of_the_load_test_names_a_server():
    # As ordinary words, "to go on" and "a node", two of them count only between quotes.
    names = "|".join(
        rf"(?<=[\"']){name}(?=[\"'])" if name in ("go", "node") else re.escape(name)
        for name in server_list.read().names
    )
    ports = "|".join(str(entry.port) for entry in server_list.read())
    colours = "|".join(entry.colour for entry in server_list.read())
    # A default that docker-network explains, the version of the library libuv, and colours of other things.
    allowed = {
        "docker-network": names,
        "environment.py": "libuv",
        "comparison.py": "libuv",
        "parts.py": "libuv",
        "groups.py": "libuv",
    }
    allowed |= {"colours.py": colours, "report.css": colours}
    found = []
    for path in sorted((ROOT / "loadtest").rglob("*")):
        if path.suffix not in ("", ".py", ".css") or not path.is_file():
            continue
        for word in re.findall(
            rf"(?<![\w/-])(?:{names})(?![\w/])|\b(?:{ports})\b|{colours}", path.read_text()
        ):
            if not re.fullmatch(allowed.get(path.name, "-"), word):
                found.append((path.name, word))
    assert found == []
