"""Bodies of items: what is taken comes back as it was, and the rest is refused."""

import json

import pytest
from items import check_problem, patch, put

EXTREMES = [-(2**63), -1, 0, 1, 2**53 + 1, 2**63 - 1]


# ---- What comes back

NAMES = [
    "x",
    "ü",
    "e\u0301",
    "日本語",
    "\U0001f980",
    "\u200f\u202e",
    "\ufeff",
    "\uffff",
    "\t\n\r\x01\x1f\x7f",
    '"\\/',
    "' OR 1=1 --",
    "%00%s$1",
    "</script>",
    " ",
    "x" * 200,
    "\U0001f980" * 200,
]


@pytest.mark.parametrize("escaped", [False, True])
def test_any_unicode_comes_back(connection, escaped):
    for name in NAMES:
        document = {"name": name, "payload": {name: [name]}}
        body = json.dumps(document, ensure_ascii=escaped).encode()
        item = connection.ask("POST", "/items", body)
        assert item.status == 201, (name, item.body)
        for response in (item, connection.ask("GET", item["location"])):
            assert response.json()["name"] == name and response.json()["payload"] == document["payload"]


def test_lengths_count_characters(connection):
    for character in ("x", "ä", "\U0001f980", "\n"):
        assert connection.ask("POST", "/items", {"name": character * 200}).status == 201
        check_problem(connection.ask("POST", "/items", {"name": character * 201}), 422, "name")


@pytest.mark.parametrize(
    "text",
    [
        b'"\\u0000"',
        b'{"a\\u0000b":1}',
        b'{"a":1,"a":2}',
        b'[{"b":{"a":1,"\\u0061":2}}]',
        b"9223372036854775808",
        b"-9223372036854775809",
        b"1e400",
        b"0.10000000000000000555",
        b"1.00000000000000001",
        b"123456789012345678901234567890",
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"\\udfff":1}',  # RFC 8259 8.2: JSON, but no Unicode
        b"[" * 33 + b"]" * 33,
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b"1e-400",
    ],
)
def test_payloads_that_cannot_be_kept_are_refused(connection, text):
    response = connection.ask("POST", "/items", b'{"name":"x","payload":' + text + b"}")
    assert (
        response.status == 422
        and "position" not in response.json()
        and " at byte " in response.json()["detail"]
    )
    assert connection.lives_on()


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "0.1",
        "1.5",
        "-0.25",
        "123456.789",
        "true",
        "false",
        "null",
        '""',
        "[]",
        "{}",
        "[[]]",
        '{"":{"":[]}}',
        '[1,"1",1.5,null,true]',
        '{"b":1,"a":2}',
        "[" * 32 + "]" * 32,
        '{"a":' * 32 + "1" + "}" * 32,
        '"\\u001f"',
        '"\\\\"',
    ],
)
def test_payloads_come_back_as_they_came(connection, text):
    item = connection.ask("POST", "/items", f'{{"name":"x","payload":{text}}}'.encode())
    assert item.status == 201, item.body
    response = connection.ask("GET", item["location"])
    assert f'"payload":{text},"updated_at"'.encode() in response.body


@pytest.mark.parametrize(
    "text", ["1e3", "1E+3", "1.0", "1.50", "12e-1", "5e-324", "1.7976931348623157e308", "-0.0"]
)
def test_numbers_keep_their_value(connection, text):
    item = connection.ask("POST", "/items", f'{{"name":"x","payload":{text}}}'.encode())
    if item.status == 422:  # refused rather than changed
        return
    kept = connection.ask("GET", item["location"]).json()["payload"]
    assert float(kept) == float(text) and str(float(kept)) == str(float(text))


def test_values_of_64_bits(connection):
    for value in EXTREMES:
        item = connection.ask("POST", "/items", {"name": "x", "value": value})
        assert connection.ask("GET", item["location"]).json()["value"] == value
        assert patch(connection, item, {"payload": value}).json()["payload"] == value


def test_large_payload(connection):
    payload = ["x" * 1000] * 1000
    item = connection.ask("POST", "/items", {"name": "x", "payload": payload})
    assert item.status == 201 and connection.ask("GET", item["location"]).json()["payload"] == payload
    response = put(connection, item, item.body)
    assert response.status == 200 and response.json()["payload"] == payload


# ---- What is refused


@pytest.mark.parametrize(
    "body, member",
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": 1}, "name"),
        ({"name": ["x"]}, "name"),
        ({"name": "x", "value": "1"}, "value"),
        ({"name": "x", "value": 1.5}, "value"),
        ({"name": "x", "value": None}, "value"),
        ({"name": "x", "value": True}, "value"),
        ({"name": "x", "value": [1]}, "value"),
        ({"name": "x", "id": 1}, "id"),
        ({"name": "x", "updated_at": "now"}, "updated_at"),
        ({"name": "x", "version": 1}, "version"),
        ({"name": "x", "": 1}, ""),
        ({"Name": "x"}, "Name"),
        ({"name": "x", "paylöad": 1}, None),
    ],
)
def test_what_is_no_item(connection, body, member):
    response = connection.ask("POST", "/items", body)
    if member is None:
        assert response.status == 422 and response.json()["member"]
    else:
        check_problem(response, 422, member)
    assert connection.lives_on()


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"null",
        b'"x"',
        b"1",
        b"true",
        b'{"name":"x","name":"y"}',
        b'{"name":"\\u0000"}',
        b'{"name":"x","value":9223372036854775808}',
    ],
)
def test_json_that_is_no_item(connection, item, text):
    assert connection.ask("POST", "/items", text).status == 422
    assert put(connection, item, text).status == 422
    assert patch(connection, item, text).status == 422
    assert connection.ask("GET", item["location"]).body == item.body


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b'{"name":"x"',
        b'{"name":"x"}}',
        b'{"name":"x"} x',
        b'{"name":"x",}',
        b'{name:"x"}',
        b"{'name':'x'}",
        b'{"name":"x"//\n}',
        b'{"name":"\xff"}',
        b'{"name":"\xed\xa0\x80"}',
        b'{"name":"\xc0\x80"}',
        b'{"name":"x\n"}',
        b'{"name":"\0"}',
        b'{"name":"x"}\0',
        b"\xef\xbb\xbf{}",
        b'{"name":"x","value":01}',
        b'{"name":"x","value":+1}',
        b'{"name":"x","payload":NaN}',
        b'{"name":"x","payload":Infinity}',
        b'{"name":"x","payload":.5}',
        b'{"name":"x","payload":1.}',
        b"[" * 5000,
        b'{"name":"\\x"}',
        b'{"name":"\\u12"}',
        '{"name":"x"}'.encode("utf-16"),
    ],
)
def test_what_is_no_json(connection, item, text):
    for response in (
        connection.ask("POST", "/items", text),
        put(connection, item, text),
        patch(connection, item, text),
    ):
        assert response.status == 422 if text == b"[" * 5000 else response.status == 400, response.body
        assert response["content-type"] == "application/problem+json" and not response.closes
    assert connection.ask("GET", item["location"]).body == item.body


def test_deep_but_flat_enough_for_the_stack(connection):
    for text in (
        b"[" * 500000,
        b"[" * 500000 + b"]" * 500000,
        b'{"a":' * 100000,
        b'{"name":"x","payload":' + b"[" * 100000,
    ):
        assert connection.ask("POST", "/items", text).status == 422
    assert connection.lives_on()


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "json",
        "",
        "text/json",
        "application/json; charset=latin-1",
        "application/json, text/plain",
        'application/json; x="a;b\\"c"; charset=latin-1',
    ],
)
def test_media_types_that_are_refused(connection, item, media_type):
    headers = {"Content-Type": media_type}
    for method, target in (("POST", "/items"), ("PUT", item["location"]), ("PATCH", item["location"])):
        response = connection.ask(method, target, {"name": "y"}, headers)
        check_problem(response, 415)
        assert response["accept-patch" if method == "PATCH" else "accept"]
    assert connection.ask("GET", item["location"]).body == item.body


def test_no_media_type(connection):
    connection.send(b"POST /items HTTP/1.1\r\nHost: test\r\nContent-Length: 12\r\n\r\n" + b'{"name":"x"}')
    check_problem(connection.read(), 415)
    assert connection.lives_on()


def test_content_codings(connection, item):
    for coding, status in (
        ("gzip", 415),
        ("identity, br", 415),
        ("x", 415),
        ("identity", 201),
        ("Identity,", 201),
    ):
        response = connection.ask("POST", "/items", {"name": "x"}, {"Content-Encoding": coding})
        assert response.status == status and response["accept-encoding"] == (
            "identity" if status == 415 else None
        )
    for method in ("PUT", "PATCH"):
        check_problem(
            connection.ask(method, item["location"], {"name": "y"}, {"Content-Encoding": "gzip"}), 415
        )
    assert connection.ask("GET", item["location"]).body == item.body


def test_media_types_that_are_taken(connection, item):
    for media_type in (
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        'application/json ; charset="UTF-8"',
        "application/json; x=y",
        "application/json;",
        'application/json; x="a;charset=b\\";charset=c"; CHARSET=utf-8',
    ):
        assert (
            connection.ask("POST", "/items", {"name": "x"}, {"Content-Type": media_type}).status == 201
        ), media_type
    merge = {"Content-Type": "application/merge-patch+json"}
    assert connection.ask("PATCH", item["location"], {"value": 1}, merge).status == 200
    check_problem(connection.ask("PUT", item["location"], {"name": "x"}, merge), 415)
    check_problem(connection.ask("POST", "/items", {"name": "x"}, merge), 415)
    assert connection.ask("OPTIONS", item["location"])["accept-patch"] is not None


def test_a_patch_that_would_outgrow_the_limit(connection):
    """What is stored must be small enough to be put back."""
    item = connection.ask("POST", "/items", {"name": "x", "payload": {"a": "x" * 700000}})
    check_problem(patch(connection, item, {"payload": {"b": "x" * 700000}}), 422, "payload")
    assert connection.ask("GET", item["location"]).body == item.body
