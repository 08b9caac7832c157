"""CRUD on /items as common/API.md has it, method by method."""

import re

import pytest
from items import check_problem, patch, put
from wire import request


def test_post(connection):
    response = connection.ask("POST", "/items", {"name": "tea", "value": 3, "payload": [1]})
    assert (
        response.status == 201
        and response["content-type"] == "application/json"
        and response["etag"] == '"1"'
    )
    document = response.json()
    assert list(document) == ["id", "name", "value", "payload", "updated_at"]
    assert response["location"] == response["content-location"] == f"/items/{document['id']}"
    assert (document["name"], document["value"], document["payload"]) == ("tea", 3, [1])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", document["updated_at"])
    again = connection.ask("GET", response["location"])
    assert again.status == 200 and again.body == response.body and again["etag"] == '"1"'


def test_post_defaults(connection):
    document = connection.ask("POST", "/items", {"name": "x"}).json()
    assert document["value"] == 0 and document["payload"] is None


def test_put_replaces_all(connection, item):
    response = put(connection, item, {"name": "coffee"})
    assert response.status == 200 and response["etag"] == '"2"'
    document = response.json()
    assert (document["name"], document["value"], document["payload"]) == ("coffee", 0, None)
    assert document["updated_at"] > item.json()["updated_at"]
    assert response["content-location"] == item["location"] and response["location"] is None
    got = connection.ask("GET", item["location"])
    assert got.body == response.body and got["content-location"] is None


def test_put_takes_what_get_gave(connection, item):
    got = connection.ask("GET", item["location"])
    response = put(connection, item, got.body, **{"If-Match": got["etag"]})
    assert response.status == 200
    before, after = got.json(), response.json()
    assert before.pop("updated_at") <= after.pop("updated_at") and before == after
    check_problem(put(connection, item, {"name": "x", "id": item.json()["id"] + 1}), 422, "id")
    check_problem(put(connection, item, {"name": "x", "id": str(item.json()["id"])}), 422, "id")


def test_put_takes_no_parts(connection, item):
    check_problem(put(connection, item, {"name": "x"}, **{"Content-Range": "bytes 0-11/12"}), 400)
    assert connection.ask("GET", item["location"]).body == item.body


def test_put_gives_no_ids(connection, database):
    database.execute("SELECT coalesce(max(id), 0) FROM items")
    free = database.fetchone()[0] + 1000
    check_problem(connection.ask("PUT", f"/items/{free}", {"name": "x"}), 404)
    check_problem(connection.ask("PATCH", f"/items/{free}", {"name": "x"}), 404)
    check_problem(connection.ask("DELETE", f"/items/{free}"), 404)
    check_problem(connection.ask("GET", f"/items/{free}"), 404)


def test_patch_changes_what_is_named(connection, item):
    response = patch(connection, item, {"value": 4})
    assert response.status == 200 and response["etag"] == '"2"'
    document = response.json()
    assert (document["name"], document["value"], document["payload"]) == ("tea", 4, {"a": 1})
    assert patch(connection, item, {"name": "chai"}).json()["value"] == 4
    assert patch(connection, item, {}).json()["name"] == "chai"


def test_patch_null_removes(connection, item):
    document = patch(connection, item, {"value": None, "payload": None}).json()
    assert document["value"] == 0 and document["payload"] is None
    check_problem(patch(connection, item, {"name": None}), 422, "name")


# RFC 7396, appendix A: original, patch, result. They are payloads here; a patch of null as a whole
# removes the payload, which then is null.
MERGES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize("original, change, result", MERGES)
def test_patch_merges_payloads(connection, original, change, result):
    item = connection.ask("POST", "/items", {"name": "x", "payload": original})
    response = connection.ask(
        "PATCH", item["location"], {"payload": change}, {"Content-Type": "application/merge-patch+json"}
    )
    assert response.status == 200 and response.json()["payload"] == result


def test_delete(connection, item):
    response = connection.ask("DELETE", item["location"])
    assert response.status == 204 and response["etag"] is None
    for method in ("GET", "HEAD", "DELETE"):
        assert connection.ask(method, item["location"]).status == 404
    assert (
        patch(connection, item, {"value": 1}).status == 404
        and put(connection, item, {"name": "x"}).status == 404
    )


@pytest.mark.parametrize(
    "id",
    [
        "0",
        "00",
        "01",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "0x1",
        "%30%31",
        "9223372036854775808",
        "99999999999999999999",
        "a",
        "",
        "1/",
        "1/2",
        "1%20",
        "%00",
    ],
)
def test_what_is_no_id(connection, id):
    for method in ("GET", "DELETE"):
        check_problem(connection.ask(method, f"/items/{id}"), 404)
    assert connection.lives_on()


def test_encoded_digits_are_the_digits(connection, item):
    number = item.json()["id"]
    encoded = "".join(f"%{ord(digit):02x}" for digit in str(number))
    assert connection.ask("GET", f"/items/{encoded}").json()["id"] == number


def test_highest_id(connection):
    check_problem(connection.ask("GET", "/items/9223372036854775807"), 404)


def test_parameters_that_mean_nothing_are_refused(connection, item):
    check_problem(connection.ask("GET", item["location"] + "?x=1"), 400, "x")
    check_problem(connection.ask("POST", "/items?x=1", {"name": "x"}), 400, "x")
    check_problem(connection.ask("DELETE", item["location"] + "?x=1"), 400, "x")
    assert connection.ask("GET", item["location"]).status == 200


# ---- The same from all servers


def test_all_servers_send_the_same_bytes(servers, database):
    """An item made by one, read and changed through each: what is determined is the same to the byte."""
    payload = {"ü": [1.5, -(2**63), None, {"\U0001f980": "\u001f\u007f"}], "b": '"\\/'}
    item = servers[0].ask("POST", "/items", {"name": "\tü\U0001f980", "value": -5, "payload": payload})
    asked = [
        ("GET", item["location"], None, {}),
        ("HEAD", item["location"], None, {}),
        ("GET", item["location"], None, {"If-None-Match": "*"}),
        ("GET", item["location"], None, {"If-Match": '"9"'}),
        ("GET", f"/items?limit=1&after={item.json()['id'] - 1}", None, {}),
        ("OPTIONS", item["location"], None, {}),
        ("POST", "/items", {}, {}),
        ("POST", "/items", {"name": 5, "x": "ü"}, {}),
        ("POST", "/items", {'ü\n"': 1}, {}),
        ("POST", "/items", b"{", {}),
        ("POST", "/items", b'{"name":1e999}', {}),
        ("POST", "/items", b"[[", {}),
        ("POST", "/items", {"name": "x"}, {"Content-Type": "text/plain"}),
        ("PATCH", item["location"], b"x", {}),
        ("PATCH", item["location"], {}, {"Content-Type": "x"}),
        ("POST", item["location"], {}, {}),
        ("PUT", item["location"], {"name": "y"}, {"If-Match": '"7"'}),
        ("PUT", "/items/999999999", {"name": "y"}, {}),
        ("GET", "/items?limit=x", None, {}),
        ("GET", "/items/0", None, {}),
    ]
    for method, target, body, headers in asked:
        responses = {server.ask(method, target, body, headers).without_date() for server in servers}
        assert len(responses) == 1, (method, target, responses)
    for number, server in enumerate(servers):
        response = server.ask("PATCH", item["location"], {"payload": {server.model: number}})
        assert response["etag"] == f'"{number + 2}"'
    assert len({server.get(item["location"]).without_date() for server in servers}) == 1


def test_pipelined_changes_are_made_in_order(connection, item):
    target = item["location"]
    connection.send(
        b"".join(request("PATCH", target, {"value": i}) for i in range(30))
        + request("GET", target)
        + request("DELETE", target)
        + request("GET", target)
    )
    for i in range(30):
        response = connection.read()
        assert response.json()["value"] == i and response["etag"] == f'"{i + 2}"'
    assert connection.read().json()["value"] == 29
    assert connection.read().status == 204 and connection.read().status == 404
