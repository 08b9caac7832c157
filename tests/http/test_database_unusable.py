"""A database that cannot be used: a server that starts ends with one line, which says what is wrong and what helps."""

import os
import shutil
import subprocess

import pytest
from fakes import RefusingDatabase, WebServer
from wire import eventually

START_S = 10


def refusal(server):
    assert server.wait(START_S) == 1, server.log
    assert len(server.lines) == 1, server.log
    return server.lines[0]


def with_parameters(cluster, **parameters):
    return f"{cluster.url}?" + "&".join(f"{name}={value}" for name, value in parameters.items())


# -- what it is ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["9.6.24", "13.22 (Debian 13.22-1.pgdg120+1)"])
def test_an_old_postgresql(launch, cluster, release):
    with RefusingDatabase(server_version=release, server_encoding="UTF8") as database:
        line = refusal(launch(DATABASE_URL=cluster.url_with(host="127.0.0.1", port=database.port)))
    major = release.split(".")[0]
    assert f"PostgreSQL {major} is too old: waitbench needs 14 or later; name a newer one" in line


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP"])
def test_a_database_that_is_not_in_utf8(launch, cluster, encoding):
    """It has no room for most texts, or does not know what its bytes mean; it may have the tables all the same."""
    cluster.sql("DROP DATABASE IF EXISTS narrow")
    cluster.sql(f"CREATE DATABASE narrow TEMPLATE template0 ENCODING {encoding} LOCALE 'C'")
    line = refusal(launch(DATABASE_URL=cluster.url_with().rpartition("/")[0] + "/narrow"))
    assert f"the encoding of the database is {encoding}" in line and "createdb -E UTF8 -T template0" in line


def test_a_database_that_becomes_usable_no_more_says_why(start, cluster):
    """While a server runs, its log has the advice as well."""
    server = start(DATABASE_URL=cluster.url, DB_POOL=2)
    cluster.sql("ALTER TABLE world RENAME TO elsewhere")
    try:
        cluster.terminate()
        eventually(lambda: server.get("/work").status == 503 and server.said("load db/schema.sql"))
    finally:
        cluster.sql("ALTER TABLE elsewhere RENAME TO world")


# -- what is between -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sqlstate", ["42P05", "26000"])
def test_a_pooler_that_mixes_sessions_up(launch, cluster, sqlstate):
    """What PgBouncer with pool_mode=transaction answers to PREPARE, and to the use of what was prepared."""
    with RefusingDatabase(sqlstate, server_version="15.1", server_encoding="UTF8") as database:
        line = refusal(launch(DATABASE_URL=cluster.url_with(host="127.0.0.1", port=database.port)))
    assert "pooler" in line and "pool_mode=session" in line and "schema.sql" not in line


# -- how it is reached ---------------------------------------------------------------------------------


def make_certificate(folder, name):
    """Files NAME.key and NAME.crt, signed by itself for the host NAME."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    command += f" -subj /CN={name} -keyout {name}.key -out {name}.crt"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder / f"{name}.crt"


@pytest.fixture
def certificate(cluster, tmp_path):
    """Makes that PostgreSQL speak TLS, as the host "another". Its certificate."""
    certificate = make_certificate(tmp_path, "another")
    owner = os.stat(cluster.data)
    for suffix in ".key", ".crt":
        copy = shutil.copy(certificate.with_suffix(suffix), f"{cluster.data}/server{suffix}")
        os.chmod(copy, 0o600)
        os.chown(copy, owner.st_uid, owner.st_gid)
    cluster.sql("ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
    eventually(lambda: cluster.sql("SHOW ssl") == [("on",)])
    yield certificate
    cluster.sql("ALTER SYSTEM RESET ssl", "SELECT pg_reload_conf()")
    eventually(lambda: cluster.sql("SHOW ssl") == [("off",)])


def test_certificates_that_do_not_fit(launch, cluster, certificate, tmp_path):
    def line_with(**parameters):
        return refusal(launch(DATABASE_URL=with_parameters(cluster, **parameters)))

    line = line_with(sslmode="verify-full", sslrootcert="/nonexistent")
    assert '"/nonexistent" does not exist; let sslrootcert in DATABASE_URL name' in line
    line = line_with(sslmode="verify-full", sslrootcert=certificate)
    assert "does not match host name" in line and "as its certificate does, or set sslmode=verify-ca" in line
    line = line_with(sslmode="verify-ca", sslrootcert=make_certificate(tmp_path, "third"))
    assert "verify failed; has the server's certificate expired" in line


def test_a_certificate_that_fits(start, cluster, certificate):
    server = start(DATABASE_URL=with_parameters(cluster, sslmode="verify-ca", sslrootcert=certificate))
    assert server.get("/work?n=2").status == 200


def test_a_database_without_tls(launch, cluster):
    line = refusal(launch(DATABASE_URL=with_parameters(cluster, sslmode="require")))
    assert (
        "server does not support SSL" in line and "turn ssl on in the database, or set sslmode=prefer" in line
    )


def test_a_session_of_another_kind(launch, cluster):
    cluster.sql("ALTER ROLE app SET default_transaction_read_only = on")
    url = cluster.url_with("app")
    line = refusal(launch(DATABASE_URL=f"{url}?target_session_attrs=read-write"))
    assert "session is read-only; check target_session_attrs in DATABASE_URL" in line
    line = refusal(launch(DATABASE_URL=f"{cluster.url}?target_session_attrs=standby"))
    assert "not in hot standby mode; check target_session_attrs in DATABASE_URL" in line


@pytest.mark.parametrize("options", ["-c nonsense=1", "-c work_mem=abc", "-c shared_buffers=1", "garbage"])
def test_options_that_postgresql_refuses(launch, cluster, options):
    line = refusal(launch(DATABASE_URL=cluster.url, PGOPTIONS=options))
    assert "check `options` in DATABASE_URL, and PGOPTIONS" in line and "schema.sql" not in line


def test_another_service(launch):
    """What listens there is a web server."""
    with WebServer() as other:
        line = refusal(launch(DATABASE_URL=f"postgresql://user@127.0.0.1:{other.port}/db"))
    assert "what listens there is not PostgreSQL" in line


# -- text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [{"PGCLIENTENCODING": "LATIN1"}, {"PGOPTIONS": "-c client_encoding=LATIN1"}, {}],
    ids=["PGCLIENTENCODING", "PGOPTIONS", "its role's"],
)
def test_text_is_utf8_whatever_the_environment_says(start, cluster, settings):
    cluster.sql("ALTER ROLE app SET client_encoding = 'LATIN1'")
    server = start(DATABASE_URL=f"{cluster.url_with('app')}?client_encoding=LATIN1", **settings)
    item = server.ask("POST", "/items", {"name": "\u00e9 \u65e5\u672c"})
    assert item.status == 201 and item.json()["name"] == "\u00e9 \u65e5\u672c"
    assert cluster.sql("SELECT name, char_length(name) FROM items") == [("\u00e9 \u65e5\u672c", 4)]
