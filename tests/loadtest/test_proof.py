"""The proof before the timing, against servers that do something else."""

import json
import time

import pytest

from waitbench.judge import proof
from waitbench.bench import database


def test_ids_are_splitmix64():
    # The first outputs for seed 1234567 as every implementation of SplitMix64 has them.
    gamma = 0x9E3779B97F4A7C15
    outputs = [proof.mix((1234567 + (i + 1) * gamma) & (2**64 - 1)) for i in range(3)]
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert proof.ids(1234567, 3) == [1 + output % 100000 for output in outputs]


def test_values_are_one_step_of_park_and_miller():
    assert proof.value(1) == 48271
    assert proof.value(100000) == 100000 * 48271 % (2**31 - 1)


class Honest:
    """A client of a server that does what it should; the tests override what is wrong."""

    def __init__(self, queries_each=None, hits_each=None, **lies):
        self.lies, self.queries_each, self.hits_each = lies, queries_each, hits_each
        self.made = database.Counts(1000, 50)

    def get(self, path):
        asked = {
            name: int(number) for name, number in (pair.split("=") for pair in path.split("?")[1].split("&"))
        }
        n, w = asked["n"], asked["w"]
        time.sleep(self.lies.get("waits_ms", asked.get("t", 0)) / 1000)
        self.made = database.Counts(
            self.made.queries + (n if self.queries_each is None else self.queries_each),
            self.made.hits + (w if self.hits_each is None else self.hits_each),
        )
        document = {"n": n, "sum": proof.expected_sum(asked["seed"], n), "pad": ""} | self.lies.get(
            "document", {}
        )
        body = json.dumps(document, separators=(",", ":"))
        if asked["m"] and "document" not in self.lies:
            document["pad"] = self.lies.get("pad", "x") * (asked["m"] - len(body) - self.lies.get("short", 0))
            body = json.dumps(document, separators=(",", ":"))
        body = self.lies.get("body", body)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
        return self.lies.get("status", 200), head.encode(), body.encode()

    def counts(self):
        return self.made


POINT = {"n": 20, "m": 1024, "w": 3, "d": 0}


def test_an_honest_server_is_proved_and_its_response_measured():
    server = Honest()
    head = len("HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n")
    assert proof.prove(server, POINT, server) == (head + 1024, head + 1024)
    assert proof.prove(server, POINT, None) == (head + 1024, head + 1024)
    assert proof.prove(server, POINT | {"t": 20}, server) == (head + 1024, head + 1024)


def test_without_padding_the_size_may_vary_by_the_digits_of_the_sum():
    least, most = proof.body_sizes(20, 0)
    assert least == len('{"n":20,"sum":0,"pad":""}') and most == least + len(str(20 * (2**31 - 2))) - 1
    server = Honest()
    low, high = proof.prove(server, POINT | {"m": 0}, server)
    assert low < high


@pytest.mark.parametrize(
    "lie, words",
    [
        ({"status": 503}, "responds with 503"),
        ({"short": 1}, "body of 1023 bytes"),
        ({"pad": "y"}, "is right"),
        ({"body": "x" * 1024}, "not the JSON"),
        ({"body": "[" + "1," * 511 + "]"}, "not the JSON"),
        ({"queries_each": 19}, "38 queries in 2 requests of 20"),
        ({"queries_each": 40}, "80 queries"),
        ({"hits_each": 0}, "0 updates in 2 requests of 3"),
        ({"waits_ms": 10}, "where t=20 asks it to wait"),
    ],
)
def test_a_lie_is_found_out(lie, words):
    server = Honest(**lie)
    with pytest.raises(proof.Wrong, match=words.replace("[", r"\[")):
        proof.prove(server, POINT | {"t": 20}, server)


@pytest.mark.parametrize("wrong", [{"sum": 1}, {"n": 19}])
def test_a_wrong_member_is_found_out(wrong):
    with pytest.raises(proof.Wrong, match="is right"):
        proof.prove(Honest(document=wrong), {"n": 20, "m": 0, "w": 0, "d": 0}, None)
