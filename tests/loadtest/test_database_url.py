"""No form of DATABASE_URL that libpq takes, or cannot read, brings its password into anything that is written."""

import json
import subprocess

import pytest
import test_run

from waitbench import Failure
from waitbench.bench import database, database_url, environment
from waitbench.plan import settings

FORMS = {
    "postgresql://me:s3cret@db/x": "postgresql://db/x",
    "postgres://me:s3cr%65t@db:5433/x": "postgresql://db:5433/x",
    "postgresql://me:a%40s3cret@db/x": "postgresql://db/x",
    "postgresql://me@db/x?password=s3cret": "postgresql://db/x",
    "postgresql://me@db/x?sslmode=require&sslpassword=s3cret": "postgresql://db/x",
    "postgresql://me:s3cret@one:1,two:2/x": "postgresql://one:1,two:2/x",
    "postgresql://me:s3cret@[::1]:5433/x": "postgresql://[::1]:5433/x",
    "postgresql://me:s3cret@/x?host=/run/pg": "postgresql://%2Frun%2Fpg/x",
    "host=db password=s3cret dbname=x": "postgresql://db/x",
    "host = db password = s3cret dbname = x": "postgresql://db/x",
    r"host=db dbname=x password='a \'s3cret \\ '": "postgresql://db/x",
    r"host=db dbname=x password=a\ s3cret": "postgresql://db/x",
    "hostaddr=10.0.0.1 port=5 password=s3cret dbname=x": "postgresql://10.0.0.1:5/x",
    "": "",
}
NOT_READABLE = [
    "host=db pasword=s3cret",
    "host=db password='s3cret",
    "host=db s3cret",
    "postgresql://me:s3cret%zz@db/x",
    "postgresql://me:x@s3cret@db/x",
    "postgresql://me:x/s3cret@db/x",
    "postgresql://me:x?y/s3cret@db/x",
    "postgresql://db/x?pasword=s3cret",
    "mysql://me:s3cret@db/x",
    "dbname='host=db password=s3cret'",
    "dbname=postgresql://me:s3cret@db/x",
]


@pytest.mark.parametrize("url", [*FORMS, *NOT_READABLE])
def test_the_address_is_recorded_and_no_secret(url):
    chosen = settings.load(["--targets", "a=http://127.0.0.1:1", "--database-url", url], {})
    recorded = environment.recorded(chosen)
    assert recorded["DATABASE_URL"] == FORMS.get(url, "(not readable)")
    assert "s3cr" not in json.dumps(recorded)


@pytest.mark.parametrize("url", NOT_READABLE)
def test_an_address_that_cannot_be_read_is_not_shown(url):
    with pytest.raises(Failure, match="^DATABASE_URL is not readable") as raised:
        database.Database(url)
    assert "s3cr" not in str(raised.value)


def test_an_address_where_nobody_listens_is_a_sentence_without_the_password():
    with pytest.raises(Failure, match="^the database postgresql://127.0.0.1:1/ cannot be used: ") as raised:
        database.Database("host=127.0.0.1 port=1 user=me password=s3cret")
    assert "s3cr" not in str(raised.value)


@pytest.mark.parametrize("program", ["run", "yardstick", "selftest"])
def test_no_program_prints_it(program, tmp_path):
    words = [test_run.PYTHON, str(test_run.RUN.with_name(program))]
    variables = {"DATABASE_URL": "host=db s3cret", "OUT": str(tmp_path / "r"), "TMPDIR": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=test_run.clean() | variables)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and f"loadtest/{program}: DATABASE_URL is not readable" in said
    assert "Traceback" not in said and "s3cr" not in said
    assert not any("s3cr" in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("word", ["--databaseurl=postgresql://me:s3cret@db/x", "postgresql://me:s3cret@db/x"])
def test_a_misspelt_flag_does_not_print_it(word):
    with pytest.raises(settings.Usage, match="no such flag") as raised:
        settings.load([word], {})
    assert "s3cr" not in str(raised.value)


@pytest.mark.parametrize("program", ["yardstick", "selftest", "generator"])
def test_an_address_where_none_belongs_is_not_printed(program):
    words = [test_run.PYTHON, str(test_run.RUN.with_name(program)), "postgresql://me:s3cret@db/x"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=test_run.clean())
    assert done.returncode == 2 and "does not know" in done.stderr
    assert "s3cr" not in done.stdout + done.stderr


def test_a_program_is_given_it_where_others_cannot_see_it():
    address, secret = database_url.for_program("postgresql://me:s3cret@db:5/x?sslmode=require")
    assert address == "user=me dbname=x host=db port=5 sslmode=require" and secret == {"PGPASSWORD": "s3cret"}
    assert database_url.for_program("postgresql://me@db/x")[1] == {}


def test_what_a_server_writes_is_logged_without_it():
    url = "postgresql://me:s3cr%40et@db/x"
    said = f"cannot connect to {url} with s3cr@et or s3cr%40et"
    assert database_url.hide(said, url) == "cannot connect to postgresql://db/x with *** or ***"
    same = "postgresql://waitbench:waitbench@db/waitbench"  # it would hide half of each line
    assert database_url.hide("waitbench is up", same) == "waitbench is up"
