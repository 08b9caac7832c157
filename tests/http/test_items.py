"""CRUD on /items as common/API.md has it: what is taken comes back, and nothing is lost on the way."""

import json
import re
import threading

import pytest
from shapes import head
from wire import request

EXTREMES = [-2**63, -1, 0, 1, 2**53 + 1, 2**63 - 1]


@pytest.fixture
def item(connection):
    """A new item of this test's own, as POST answered it."""
    return connection.ask("POST", "/items", {"name": "tea", "value": 3, "payload": {"a": 1}})


def put(connection, item, body, **headers):
    return connection.ask("PUT", item["location"], body, headers)


def patch(connection, item, body, **headers):
    return connection.ask("PATCH", item["location"], body, headers)


def check_problem(reply, status, member=None):
    assert reply.status == status and reply["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["type"] == "about:blank" and problem["title"] == reply.reason and problem["status"] == status
    assert problem["detail"][0].isupper() or problem["detail"].startswith(member or "\0")
    assert problem["detail"].endswith(".") and problem.get("member") == member


# ---- Each method

def test_post(connection):
    reply = connection.ask("POST", "/items", {"name": "tea", "value": 3, "payload": [1]})
    assert reply.status == 201 and reply["content-type"] == "application/json" and reply["etag"] == '"1"'
    document = reply.json()
    assert list(document) == ["id", "name", "value", "payload", "updated_at"]
    assert reply["location"] == reply["content-location"] == f"/items/{document['id']}"
    assert (document["name"], document["value"], document["payload"]) == ("tea", 3, [1])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", document["updated_at"])
    again = connection.ask("GET", reply["location"])
    assert again.status == 200 and again.body == reply.body and again["etag"] == '"1"'


def test_post_defaults(connection):
    document = connection.ask("POST", "/items", {"name": "x"}).json()
    assert document["value"] == 0 and document["payload"] is None


def test_put_replaces_all(connection, item):
    reply = put(connection, item, {"name": "coffee"})
    assert reply.status == 200 and reply["etag"] == '"2"'
    document = reply.json()
    assert (document["name"], document["value"], document["payload"]) == ("coffee", 0, None)
    assert document["updated_at"] > item.json()["updated_at"]
    assert reply["content-location"] == item["location"] and reply["location"] is None
    got = connection.ask("GET", item["location"])
    assert got.body == reply.body and got["content-location"] is None


def test_put_takes_what_get_gave(connection, item):
    got = connection.ask("GET", item["location"])
    reply = put(connection, item, got.body, **{"If-Match": got["etag"]})
    assert reply.status == 200
    before, after = got.json(), reply.json()
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
    reply = patch(connection, item, {"value": 4})
    assert reply.status == 200 and reply["etag"] == '"2"'
    document = reply.json()
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
    ({"a": "b"}, {"a": "c"}, {"a": "c"}), ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}), ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}), ({"a": ["b"]}, {"a": "c"},
        {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}), ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}), (["a", "b"], ["c", "d"], ["c", "d"]), ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None), ({"a": "foo"}, "bar", "bar"), ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}), ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}})]


@pytest.mark.parametrize("original, change, result", MERGES)
def test_patch_merges_payloads(connection, original, change, result):
    item = connection.ask("POST", "/items", {"name": "x", "payload": original})
    reply = connection.ask("PATCH", item["location"], {"payload": change},
                           {"Content-Type": "application/merge-patch+json"})
    assert reply.status == 200 and reply.json()["payload"] == result


def test_delete(connection, item):
    reply = connection.ask("DELETE", item["location"])
    assert reply.status == 204 and reply["etag"] is None
    for method in ("GET", "HEAD", "DELETE"):
        assert connection.ask(method, item["location"]).status == 404
    assert patch(connection, item, {"value": 1}).status == 404 and put(connection, item, {"name": "x"}).status == 404


@pytest.mark.parametrize("id", ["0", "00", "01", "-1", "+1", "1.0", "1e3", "0x1", "%30%31", "9223372036854775808",
                                "99999999999999999999", "a", "", "1/", "1/2", "1%20", "%00"])
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


# ---- What comes back

NAMES = ["x", "ü", "e\u0301", "日本語", "\U0001f980", "\u200f\u202e", "\ufeff", "\uffff", "\t\n\r\x01\x1f\x7f", "\"\\/",
         "' OR 1=1 --",
         "%00%s$1", "</script>", " ", "x" * 200, "\U0001f980" * 200]


@pytest.mark.parametrize("escaped", [False, True])
def test_any_unicode_comes_back(connection, escaped):
    for name in NAMES:
        document = {"name": name, "payload": {name: [name]}}
        body = json.dumps(document, ensure_ascii=escaped).encode()
        item = connection.ask("POST", "/items", body)
        assert item.status == 201, (name, item.body)
        for reply in (item, connection.ask("GET", item["location"])):
            assert reply.json()["name"] == name and reply.json()["payload"] == document["payload"]


def test_lengths_count_characters(connection):
    for character in ("x", "ä", "\U0001f980", "\n"):
        assert connection.ask("POST", "/items", {"name": character * 200}).status == 201
        check_problem(connection.ask("POST", "/items", {"name": character * 201}), 422, "name")


@pytest.mark.parametrize("text", [
    b'"\\u0000"', b'{"a\\u0000b":1}', b'{"a":1,"a":2}', b'[{"b":{"a":1,"\\u0061":2}}]', b"9223372036854775808",
    b"-9223372036854775809", b"1e400", b"0.10000000000000000555", b"1.00000000000000001",
    b"123456789012345678901234567890",
    b'"\\ud800"', b'"\\udc00\\ud800"', b'{"\\udfff":1}',  # RFC 8259 8.2: JSON, but no Unicode
    b"[" * 33 + b"]" * 33, b'{"a":' * 33 + b"1" + b"}" * 33, b"1e-400"])
def test_payloads_that_cannot_be_kept_are_refused(connection, text):
    reply = connection.ask("POST", "/items", b'{"name":"x","payload":' + text + b"}")
    assert reply.status == 422 and "position" not in reply.json() and " at byte " in reply.json()["detail"]
    assert connection.lives_on()


@pytest.mark.parametrize("text", [
    "0", "-1", "9223372036854775807", "-9223372036854775808", "0.1", "1.5", "-0.25", "123456.789", "true", "false",
    "null", '""',
    "[]", "{}", "[[]]", '{"":{"":[]}}', "[1,\"1\",1.5,null,true]", '{"b":1,"a":2}', "[" * 32 + "]" * 32,
    '{"a":' * 32 + "1" + "}" * 32, '"\\u001f"', '"\\\\"'])
def test_payloads_come_back_as_they_came(connection, text):
    item = connection.ask("POST", "/items", f'{{"name":"x","payload":{text}}}'.encode())
    assert item.status == 201, item.body
    reply = connection.ask("GET", item["location"])
    assert f'"payload":{text},"updated_at"'.encode() in reply.body


@pytest.mark.parametrize("text", ["1e3", "1E+3", "1.0", "1.50", "12e-1", "5e-324", "1.7976931348623157e308", "-0.0"])
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
    reply = put(connection, item, item.body)
    assert reply.status == 200 and reply.json()["payload"] == payload


# ---- What is refused

@pytest.mark.parametrize("body, member", [
    ({}, "name"), ({"name": ""}, "name"), ({"name": None}, "name"), ({"name": 1}, "name"), ({"name": ["x"]}, "name"),
    ({"name": "x", "value": "1"}, "value"), ({"name": "x", "value": 1.5}, "value"), ({"name": "x", "value": None},
        "value"),
    ({"name": "x", "value": True}, "value"), ({"name": "x", "value": [1]}, "value"), ({"name": "x", "id": 1}, "id"),
    ({"name": "x", "updated_at": "now"}, "updated_at"), ({"name": "x", "version": 1}, "version"), ({"name": "x",
        "": 1}, ""),
    ({"Name": "x"}, "Name"), ({"name": "x", "paylöad": 1}, None)])
def test_what_is_no_item(connection, body, member):
    reply = connection.ask("POST", "/items", body)
    if member is None:
        assert reply.status == 422 and reply.json()["member"]
    else:
        check_problem(reply, 422, member)
    assert connection.lives_on()


@pytest.mark.parametrize("text", [b"[]", b"null", b'"x"', b"1", b"true", b'{"name":"x","name":"y"}',
                                  b'{"name":"\\u0000"}',
                                  b'{"name":"x","value":9223372036854775808}'])
def test_json_that_is_no_item(connection, item, text):
    assert connection.ask("POST", "/items", text).status == 422
    assert put(connection, item, text).status == 422
    assert patch(connection, item, text).status == 422
    assert connection.ask("GET", item["location"]).body == item.body


@pytest.mark.parametrize("text", [
    b"", b" ", b"{", b"}", b'{"name":"x"', b'{"name":"x"}}', b'{"name":"x"} x', b'{"name":"x",}', b'{name:"x"}',
    b"{'name':'x'}",
    b'{"name":"x"//\n}', b'{"name":"\xff"}', b'{"name":"\xed\xa0\x80"}', b'{"name":"\xc0\x80"}',
    b'{"name":"x\n"}', b'{"name":"\0"}', b'{"name":"x"}\0', b"\xef\xbb\xbf{}", b'{"name":"x","value":01}',
    b'{"name":"x","value":+1}',
    b'{"name":"x","payload":NaN}', b'{"name":"x","payload":Infinity}', b'{"name":"x","payload":.5}',
    b'{"name":"x","payload":1.}',
    b"[" * 5000, b'{"name":"\\x"}', b'{"name":"\\u12"}', '{"name":"x"}'.encode("utf-16")])
def test_what_is_no_json(connection, item, text):
    for reply in (connection.ask("POST", "/items", text), put(connection, item, text), patch(connection, item, text)):
        assert reply.status == 422 if text == b"[" * 5000 else reply.status == 400, reply.body
        assert reply["content-type"] == "application/problem+json" and not reply.closes
    assert connection.ask("GET", item["location"]).body == item.body


def test_deep_but_flat_enough_for_the_stack(connection):
    for text in (b"[" * 500000, b"[" * 500000 + b"]" * 500000, b'{"a":' * 100000,
                 b'{"name":"x","payload":' + b"[" * 100000):
        assert connection.ask("POST", "/items", text).status == 422
    assert connection.lives_on()


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json",
                                        "", "text/json",
                                        "application/json; charset=latin-1", "application/json, text/plain",
                                        'application/json; x="a;b\\"c"; charset=latin-1'])
def test_media_types_that_are_refused(connection, item, media_type):
    headers = {"Content-Type": media_type}
    for method, target in (("POST", "/items"), ("PUT", item["location"]), ("PATCH", item["location"])):
        reply = connection.ask(method, target, {"name": "y"}, headers)
        check_problem(reply, 415)
        assert reply["accept-patch" if method == "PATCH" else "accept"]
    assert connection.ask("GET", item["location"]).body == item.body


def test_no_media_type(connection):
    connection.send(b"POST /items HTTP/1.1\r\nHost: test\r\nContent-Length: 12\r\n\r\n" + b'{"name":"x"}')
    check_problem(connection.read(), 415)
    assert connection.lives_on()


def test_content_codings(connection, item):
    for coding, status in (("gzip", 415), ("identity, br", 415), ("x", 415), ("identity", 201), ("Identity,", 201)):
        reply = connection.ask("POST", "/items", {"name": "x"}, {"Content-Encoding": coding})
        assert reply.status == status and reply["accept-encoding"] == ("identity" if status == 415 else None)
    for method in ("PUT", "PATCH"):
        check_problem(connection.ask(method, item["location"], {"name": "y"}, {"Content-Encoding": "gzip"}), 415)
    assert connection.ask("GET", item["location"]).body == item.body


def test_media_types_that_are_taken(connection, item):
    for media_type in ("application/json", "Application/JSON", "application/json;charset=utf-8",
                       "application/json ; charset=\"UTF-8\"", "application/json; x=y", "application/json;",
                       'application/json; x="a;charset=b\\";charset=c"; CHARSET=utf-8'):
        assert connection.ask("POST", "/items", {"name": "x"}, {"Content-Type": media_type}).status == 201, media_type
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


# ---- Conditions

def test_if_match(connection, item):
    for tag in ('"2"', 'W/"1"', '"01"', '"x", "2"', '""'):
        check_problem(put(connection, item, {"name": "y"}, **{"If-Match": tag}), 412)
        check_problem(patch(connection, item, {"name": "y"}, **{"If-Match": tag}), 412)
        check_problem(connection.ask("DELETE", item["location"], headers={"If-Match": tag}), 412)
    assert connection.ask("GET", item["location"]).body == item.body
    version = 1
    for method in (put, patch):
        for list in ('"{}"', '"x", "{}"', '"{}","x"', 'W/"{}", "{}"', "*", '\t"{}"\t'):
            reply = method(connection, item, {"name": "y"}, **{"If-Match": list.format(version, version)})
            version += 1
            assert reply.status == 200 and reply["etag"] == f'"{version}"', list
    assert connection.ask("DELETE", item["location"], headers={"If-Match": f'"{version}"'}).status == 204


def test_conditions_where_nothing_is(connection, item):
    """What fails without conditions is answered as if there were none (RFC 9110 13.2.1)."""
    connection.ask("DELETE", item["location"])
    for method, body in (("GET", None), ("PUT", {"name": "x"}), ("PATCH", {}), ("DELETE", None)):
        for name in ("If-Match", "If-None-Match"):
            for list in ("*", '"1"'):
                check_problem(connection.ask(method, item["location"], body, {name: list}), 404)


def test_conditions_in_several_lines_are_one_list(connection, item):
    def ask(method, *lines):
        connection.send(head(f"{method} {item['location']} HTTP/1.1", *lines))
        return connection.read(method)
    assert ask("GET", 'If-None-Match: "x"', "Accept: */*", 'if-none-match: "1"').status == 304
    assert ask("GET", 'If-None-Match: "x"', 'If-None-Match: "y"').status == 200
    check_problem(ask("GET", "If-None-Match: *", 'If-None-Match: "1"'), 400)
    check_problem(ask("DELETE", 'If-Match: "2"', 'If-Match: "3"'), 412)
    assert ask("DELETE", 'If-Match: "2"', 'If-Match: "1"').status == 204


def test_if_none_match(connection, item):
    for list in ('"1"', 'W/"1"', '"x", "1"', "*", '"x",\t"1" ,'):
        for method in ("GET", "HEAD"):
            reply = connection.ask(method, item["location"], headers={"If-None-Match": list})
            assert reply.status == 304 and reply["etag"] == '"1"', list
        check_problem(put(connection, item, {"name": "y"}, **{"If-None-Match": list}), 412)
    for list in ('"2"', '"10"', '""', 'W/"2", "3"'):
        reply = connection.ask("GET", item["location"], headers={"If-None-Match": list})
        assert reply.status == 200 and reply.body == item.body


def test_if_match_goes_before_if_none_match(connection, item):
    headers = {"If-Match": '"2"', "If-None-Match": '"1"'}
    check_problem(connection.ask("GET", item["location"], headers=headers), 412)
    assert connection.ask("GET", item["location"], headers=headers | {"If-Match": '"1"'}).status == 304


@pytest.mark.parametrize("list", ["1", '"1', "x", '"1" "2"', "*, *", '* , "1"', 'w/"1"', "", '"1 "'])
def test_conditions_that_are_none(connection, item, list):
    for name in ("If-Match", "If-None-Match"):
        check_problem(connection.ask("GET", item["location"], headers={name: list}), 400)
        check_problem(connection.ask("DELETE", item["location"], headers={name: list}), 400)
    assert connection.ask("GET", item["location"]).status == 200


# ---- Several writers

def together(server, count, work):
    """Runs work(connection, number) on so many connections at once; the results in order."""
    results = [None] * count
    ready = threading.Barrier(count)

    def run(number):
        with server.connect() as connection:
            assert connection.lives_on()
            ready.wait()
            results[number] = work(connection, number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_two_writers_with_if_match_one_wins(server, connection, item):
    for version in range(1, 21):
        def write(mine, number):
            return (put if number else patch)(mine, item, {"name": f"writer {number}"}, **{"If-Match": f'"{version}"'})
        replies = together(server, 2, write)
        assert sorted(reply.status for reply in replies) == [200, 412]
        winner = next(reply for reply in replies if reply.status == 200)
        assert winner["etag"] == f'"{version + 1}"' and connection.ask("GET", item["location"]).body == winner.body


def test_patches_without_if_match_lose_nothing(server, connection, item):
    def write(mine, number):
        return [patch(mine, item, {"payload": {f"{number}.{i}": i}}).status for i in range(5)]
    statuses = sum(together(server, 8, write), [])
    taken = statuses.count(200)
    assert set(statuses) <= {200, 503} and taken >= 30  # 503: overtaken ten times, and says so
    final = connection.ask("GET", item["location"])
    assert final["etag"] == f'"{taken + 1}"' and len(final.json()["payload"]) == taken + 1


def test_one_delete_wins(server, item):
    replies = together(server, 8, lambda mine, _: mine.ask("DELETE", item["location"]).status)
    assert sorted(replies) == [204] + [404] * 7


def test_every_post_is_its_own_item(server, database):
    locations = together(server, 8, lambda mine, number: [mine.ask("POST", "/items", {"name": f"p{number}"})["location"]
                                                          for _ in range(10)])
    assert len(set(sum(locations, []))) == 80


# ---- Pages

@pytest.fixture
def empty(database):
    database.execute("DELETE FROM items")


def pages(connection, limit, between=lambda: None):
    after, ids = 0, []
    while after is not None:
        reply = connection.ask("GET", f"/items?limit={limit}&after={after}")
        assert reply.status == 200
        document = reply.json()
        assert list(document) == ["items", "next"] and len(document["items"]) <= limit
        ids += [item["id"] for item in document["items"]]
        after = document["next"]
        assert after is None or after == ids[-1]
        between()
    return ids


def test_pages(connection, empty):
    assert connection.ask("GET", "/items").body == b'{"items":[],"next":null}'
    ids = [connection.ask("POST", "/items", {"name": f"i{i}"}).json()["id"] for i in range(45)]
    for limit in (1, 7, 15, 44, 45, 46, 100):
        assert pages(connection, limit) == ids
    default = connection.ask("GET", "/items").json()
    assert [item["id"] for item in default["items"]] == ids[:20] and default["next"] == ids[19]
    first = connection.ask("GET", f"/items/{ids[0]}").json()
    assert default["items"][0] == first
    assert connection.ask("GET", f"/items?after={ids[-1]}").json() == {"items": [], "next": None}


def test_pages_while_items_come_and_go(connection, empty):
    """What is there from the first page to the last is listed once, whatever happens around it."""
    ids = [connection.ask("POST", "/items", {"name": f"i{i}"}).json()["id"] for i in range(60)]
    fickle = iter(ids[5:55:5])
    staying = [id for i, id in enumerate(ids) if i < 5 or i >= 55 or i % 5]

    def meddle():
        connection.ask("POST", "/items", {"name": "late"})
        if (id := next(fickle, None)) is not None:
            assert connection.ask("DELETE", f"/items/{id}").status == 204

    late = iter(range(20))
    listed = pages(connection, 7, lambda: meddle() if next(late, None) is not None else None)
    assert listed == sorted(set(listed)) and set(staying) <= set(listed)


def test_a_page_of_large_items_ends_early(connection, empty):
    ids = [connection.ask("POST", "/items", {"name": "x", "payload": "x" * 400000}).json()["id"] for i in range(7)]
    document = connection.ask("GET", "/items?limit=100").json()
    assert [item["id"] for item in document["items"]] == ids[:3] and document["next"] == ids[2]
    assert pages(connection, 100) == ids


@pytest.mark.parametrize("query, member", [("limit=0", "limit"), ("limit=101", "limit"), ("limit=-1", "limit"),
                                           ("limit=x", "limit"),
                                           ("limit=", "limit"), ("after=-1", "after"), ("after=9223372036854775808",
                                               "after"),
                                           ("offset=1", "offset"), ("limit=1&limit=1", "limit"), ("limit=1%30%30%30",
                                               "limit"),
                                           ("after", None), ("limit=%", None)])
def test_bad_pages(connection, query, member):
    check_problem(connection.ask("GET", f"/items?{query}"), 400, member)
    assert connection.lives_on()


# ---- The same from all servers

def test_all_three_answer_the_same_bytes(servers, database):
    """An item made by one, read and changed through each: what is determined is the same to the byte."""
    payload = {"ü": [1.5, -2**63, None, {"\U0001f980": "\u001f\u007f"}], "b": "\"\\/"}
    item = servers[0].ask("POST", "/items", {"name": "\tü\U0001f980", "value": -5, "payload": payload})
    asked = [("GET", item["location"], None, {}), ("HEAD", item["location"], None, {}),
             ("GET", item["location"], None, {"If-None-Match": "*"}), ("GET", item["location"], None,
                 {"If-Match": '"9"'}),
             ("GET", f"/items?limit=1&after={item.json()['id'] - 1}", None, {}), ("OPTIONS", item["location"], None,
                 {}),
             ("POST", "/items", {}, {}), ("POST", "/items", {"name": 5, "x": "ü"}, {}), ("POST", "/items",
                 {"ü\n\"": 1}, {}),
             ("POST", "/items", b"{", {}), ("POST", "/items", b'{"name":1e999}', {}), ("POST", "/items", b"[[", {}),
             ("POST", "/items", {"name": "x"}, {"Content-Type": "text/plain"}), ("PATCH", item["location"], b"x", {}),
             ("PATCH", item["location"], {}, {"Content-Type": "x"}), ("POST", item["location"], {}, {}),
             ("PUT", item["location"], {"name": "y"}, {"If-Match": '"7"'}), ("PUT", "/items/999999999", {"name": "y"},
                 {}),
             ("GET", "/items?limit=x", None, {}), ("GET", "/items/0", None, {})]
    for method, target, body, headers in asked:
        answers = {server.ask(method, target, body, headers).without_date() for server in servers}
        assert len(answers) == 1, (method, target, answers)
    for number, server in enumerate(servers):
        reply = server.ask("PATCH", item["location"], {"payload": {server.model: number}})
        assert reply["etag"] == f'"{number + 2}"'
    assert len({server.get(item["location"]).without_date() for server in servers}) == 1


def test_pipelined_changes_are_made_in_order(connection, item):
    target = item["location"]
    connection.send(b"".join(request("PATCH", target, {"value": i}) for i in range(30)) + request("GET", target) +
                    request("DELETE", target) + request("GET", target))
    for i in range(30):
        reply = connection.read()
        assert reply.json()["value"] == i and reply["etag"] == f'"{i + 2}"'
    assert connection.read().json()["value"] == 29
    assert connection.read().status == 204 and connection.read().status == 404
