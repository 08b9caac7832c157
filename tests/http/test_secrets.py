"""DATABASE_URL as people mistype it: the server says what is wrong with it, and no part of a password."""

import pytest

# Each holds "hunter2", whole or as the piece of a password behind a character that should have been percent-encoded.
SPELLINGS = {
    "bracket not closed": "postgresql://user:hunter2@[::1/db",
    "port no number": "postgresql://user:hunter2@127.0.0.1:port/db",
    "port out of range": "postgresql://user:hunter2@127.0.0.1:99999/db",
    "bad percent-encoding": "postgresql://user:hunter2%zz@127.0.0.1/db",
    "NUL in percent-encoding": "postgresql://user:hunter2%00@127.0.0.1/db",
    "unknown parameter": "postgresql://user:hunter2@127.0.0.1/db?nonsense=1",
    "misspelt password": "postgresql://user@127.0.0.1/db?pasword=hunter2",
    "parameter without a value": "postgresql://user:hunter2@127.0.0.1/db?sslmode",
    "password as a parameter's name": "postgresql://user@127.0.0.1/db?hunter2",
    "password with an at sign": "postgresql://user:pa@hunter2@127.0.0.1:1/db",
    "password with a slash": "postgresql://user:hunter2/word@127.0.0.1/db",
    "password with a slash before": "postgresql://user:1/hunter2@127.0.0.1/db",
    "password with a question mark": "postgresql://user:pa?hunter2@127.0.0.1/db",
    "password with a question mark and a value": "postgresql://user:pa?sslmode=hunter2@127.0.0.1/db",
    "password with a hash": "postgresql://user:pa#hunter2@127.0.0.1:1/db",
    "password with a colon": "postgresql://user:pa:hunter2@127.0.0.1:1/db",
    "password with a bracket": "postgresql://user:[hunter2@127.0.0.1:1/db",
    "password with a space": "postgresql://user:pa hunter2@127.0.0.1:1/db",
    "password with a comma": "postgresql://user:pa,hunter2@127.0.0.1:1/db",
    "password for the user": "postgresql://hunter2:@127.0.0.1:1/db",
    "no slashes": "postgresql:user:hunter2@127.0.0.1/db",
    "another scheme": "mysql://user:hunter2@127.0.0.1/db",
    "scheme misspelt": "postgres//user:hunter2@127.0.0.1/db",
    "no scheme": "user:hunter2@127.0.0.1/db",
    "the password alone": "hunter2",
    "keywords: quote not closed": "host=127.0.0.1 user=user password='hunter2",
    "keywords: no equals sign": "host=127.0.0.1 user=user password hunter2",
    "keywords: space in the password": "host=127.0.0.1 password=pa hunter2",
    "keywords: equals sign in what follows": "host=127.0.0.1 password=pa hunter2=x",
    "keywords: misspelt": "host=127.0.0.1 pasword=hunter2",
    "keywords: password for the port": "host=127.0.0.1 port=hunter2",
    "quotes around all of it": "'postgresql://user:hunter2@127.0.0.1/db'",
    "password with a line feed": "postgresql://user:pa\nhunter2@127.0.0.1:1/db",
    "several hosts": "postgresql://user:hunter2@127.0.0.1,127.0.0.2:1/db",
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_no_password_is_logged(launch, name):
    server = launch(DATABASE_URL=SPELLINGS[name], LOG_LEVEL="debug")
    assert server.wait(timeout=10) in (1, 2), server.log
    assert server.log != "" and "hunter2" not in server.log


@pytest.mark.parametrize("name", ["password with an at sign", "no scheme", "keywords: misspelt"])
def test_no_password_is_logged_when_a_flag_says_it(launch, name):
    server = launch(args=["--database-url", SPELLINGS[name]], LOG_LEVEL="debug")
    assert server.wait(timeout=10) in (1, 2), server.log
    assert server.log != "" and "hunter2" not in server.log
