"""HTTP/1.1 to the letter (RFC 9110, RFC 9112), over the wire, and the same bytes from all servers."""

import re
import threading
import time
from email.utils import parsedate_to_datetime

import pytest
from wire import eventually, request

HOST = "Host: test\r\n"


def head(first="GET /healthz HTTP/1.1", *lines, host=True):
    return "\r\n".join([first, *(["Host: test"] if host else []), *lines]) + "\r\n\r\n"


def chunked(body, *lines, first="POST /items HTTP/1.1"):
    return head(first, "Content-Type: application/json", "Transfer-Encoding: chunked", *lines) + body


def length(value, body="{}"):
    return head("POST /items HTTP/1.1", "Content-Type: application/json", f"Content-Length:{value}") + body


# Refused, and the connection is closed: after any of these nobody knows where the next request begins.
REFUSED = {
    # RFC 9112 3: method SP request-target SP HTTP-version, and nothing else
    "two spaces": (400, head("GET  /healthz HTTP/1.1")),
    "two spaces before the version": (400, head("GET /healthz  HTTP/1.1")),
    "tab between": (400, head("GET\t/healthz HTTP/1.1")),
    "leading space": (400, head(" GET /healthz HTTP/1.1")),
    "trailing space": (400, head("GET /healthz HTTP/1.1 ")),
    "trailing tab": (400, head("GET /healthz HTTP/1.1\t")),
    "space in the target": (400, head("GET /health z HTTP/1.1")),
    "no method": (400, head("/healthz HTTP/1.1")),
    "empty method": (400, head(" /healthz HTTP/1.1")),
    "no target": (400, head("GET HTTP/1.1")),
    "empty target": (400, head("GET  HTTP/1.1")),
    "HTTP/0.9 without a version": (400, "GET /healthz\r\n\r\n"),
    "no slash": (400, head("GET healthz HTTP/1.1")),
    "asterisk with GET": (400, head("GET * HTTP/1.1")),
    "asterisk with more": (400, head("OPTIONS *x HTTP/1.1")),
    "method not a token": (400, head("G\"T / HTTP/1.1")),
    "method with a colon": (400, head("GET: / HTTP/1.1")),
    "method with a high byte": (400, head("G\xcaT / HTTP/1.1")),
    "version in small letters": (400, head("GET /healthz http/1.1")),
    "version HTTPS": (400, head("GET /healthz HTTPS/1.1")),
    "version without minor": (400, head("GET /healthz HTTP/1")),
    "version with a comma": (400, head("GET /healthz HTTP/1,1")),
    "version of three": (400, head("GET /healthz HTTP/1.1.1")),
    "version of two digits": (400, head("GET /healthz HTTP/1.10")),
    "version with a zero before": (400, head("GET /healthz HTTP/01.1")),
    "version with letters": (400, head("GET /healthz HTTP/a.b")),
    "version 0.9": (505, head("GET /healthz HTTP/0.9")),
    "version 2.0": (505, head("GET /healthz HTTP/2.0")),
    "preface of HTTP/2": (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "unknown method": (501, head("BREW /healthz HTTP/1.1")),
    "method in small letters": (501, head("get /healthz HTTP/1.1")),
    "CONNECT": (501, head("CONNECT test:80 HTTP/1.1")),
    "TRACE": (501, head("TRACE /healthz HTTP/1.1")),
    "unknown method with a body": (501, head("BREW / HTTP/1.1", "Content-Length: 2") + "{}"),
    "very long method": (501, head("X" * 1000 + " / HTTP/1.1")),
    # RFC 3986: what a target may hold
    "fragment": (400, head("GET /healthz#top HTTP/1.1")),
    "NUL in the target": (400, head("GET /heal\0thz HTTP/1.1")),
    "DEL in the target": (400, head("GET /\x7f HTTP/1.1")),
    "high byte in the target": (400, head("GET /\xe4 HTTP/1.1")),
    "bare CR in the target": (400, head("GET /heal\rthz HTTP/1.1")),
    "tab in the target": (400, head("GET /heal\tthz HTTP/1.1")),
    "quote in the target": (400, head("GET /\" HTTP/1.1")),
    "brace in the target": (400, head("GET /{id} HTTP/1.1")),
    "backslash in the target": (400, head("GET /\\ HTTP/1.1")),
    "angle bracket in the query": (400, head("GET /work?n=<1> HTTP/1.1")),
    # RFC 9112 2.2: lines and what is before them
    "LF alone after the request line": (400, "GET /healthz HTTP/1.1\nHost: test\r\n\r\n"),
    "LF alone after a field": (400, "GET /healthz HTTP/1.1\r\nHost: test\n\r\n"),
    "LF alone as the empty line": (400, "GET /healthz HTTP/1.1\r\nHost: test\r\n\n"),
    "LF alone everywhere": (400, "GET /healthz HTTP/1.1\nHost: test\n\n"),
    "CR CR LF": (400, "GET /healthz HTTP/1.1\r\r\nHost: test\r\n\r\n"),
    "CR in place of CR LF": (400, "GET /healthz HTTP/1.1\rHost: test\r\n\r\n"),
    "many empty lines before": (400, "\r\n" * 40 + head()),
    "LF before": (400, "\n" + head()),
    "white space line before the fields": (400, "GET /healthz HTTP/1.1\r\n \r\nHost: test\r\n\r\n"),
    # RFC 9112 5: field lines
    "space before the colon": (400, head("GET /healthz HTTP/1.1", "X-A : 1")),
    "tab before the colon": (400, head("GET /healthz HTTP/1.1", "X-A\t: 1")),
    "no colon": (400, head("GET /healthz HTTP/1.1", "X-A")),
    "empty field name": (400, head("GET /healthz HTTP/1.1", ": 1")),
    "space in a field name": (400, head("GET /healthz HTTP/1.1", "X A: 1")),
    "NUL in a field name": (400, head("GET /healthz HTTP/1.1", "X\0A: 1")),
    "high byte in a field name": (400, head("GET /healthz HTTP/1.1", "X\xe4: 1")),
    "parenthesis in a field name": (400, head("GET /healthz HTTP/1.1", "X(A): 1")),
    "obs-fold": (400, head("GET /healthz HTTP/1.1", "X-A: 1", " 2")),
    "obs-fold with a tab": (400, head("GET /healthz HTTP/1.1", "X-A: 1", "\t2")),
    "obs-fold after an empty value": (400, head("GET /healthz HTTP/1.1", "X-A:", " Content-Length: 5")),
    "first field line folded": (400, head("GET /healthz HTTP/1.1", " X-A: 1", host=False)),
    "NUL in a value": (400, head("GET /healthz HTTP/1.1", "X-A: 1\0002")),
    "bare CR in a value": (400, head("GET /healthz HTTP/1.1", "X-A: 1\r2")),
    "bare CR before a field": (400, head("GET /healthz HTTP/1.1", "X-A: 1\rContent-Length: 5")),
    "control byte in a value": (400, head("GET /healthz HTTP/1.1", "X-A: \x01")),
    "DEL in a value": (400, head("GET /healthz HTTP/1.1", "X-A: \x7f")),
    "VT before a value": (400, head("GET /healthz HTTP/1.1", "X-A:\x0b1")),
    # RFC 9112 3.2: exactly one Host, and a valid one
    "no Host": (400, head(host=False)),
    "two Hosts": (400, head("GET /healthz HTTP/1.1", "Host: test")),
    "two different Hosts": (400, head("GET /healthz HTTP/1.1", "Host: other")),
    "Host with a path": (400, head("GET /healthz HTTP/1.1", "Host: test/x", host=False)),
    "Host with a user": (400, head("GET /healthz HTTP/1.1", "Host: me@test", host=False)),
    "Host with a list": (400, head("GET /healthz HTTP/1.1", "Host: a, b", host=False)),
    "Host with a space": (400, head("GET /healthz HTTP/1.1", "Host: a b", host=False)),
    "Host with a word for a port": (400, head("GET /healthz HTTP/1.1", "Host: test:http", host=False)),
    "Host with two ports": (400, head("GET /healthz HTTP/1.1", "Host: test:1:2", host=False)),
    "Host with an unfinished address": (400, head("GET /healthz HTTP/1.1", "Host: [::1", host=False)),
    "Host with no address in brackets": (400, head("GET /healthz HTTP/1.1", "Host: [x]", host=False)),
    "Host with bad percent-encoding": (400, head("GET /healthz HTTP/1.1", "Host: a%zz", host=False)),
    "two Hosts in HTTP/1.0": (400, head("GET /healthz HTTP/1.0", "Host: test")),
    "absolute-form without Host": (400, head("GET http://test/healthz HTTP/1.1", host=False)),
    "absolute-form without a host": (400, head("GET http:///healthz HTTP/1.1")),
    "absolute-form with a user": (400, head("GET http://me@test/healthz HTTP/1.1")),
    "absolute-form of another scheme": (400, head("GET ftp://test/healthz HTTP/1.1")),
    "absolute-form with a fragment": (400, head("GET http://test/healthz#x HTTP/1.1")),
    "authority-form with GET": (400, head("GET test:80 HTTP/1.1")),
    # RFC 9112 6: how long a body is, and every shape in which two parsers have disagreed
    "length and chunked": (400, chunked("0\r\n\r\n", "Content-Length: 5")),
    "chunked and length": (400, head("POST /items HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked")
                           + "0\r\n\r\n"),
    "length 0 and chunked": (400, chunked("0\r\n\r\n", "Content-Length: 0")),
    "two lengths": (400, length(" 2\r\nContent-Length: 3")),
    "two equal lengths": (400, length(" 2\r\nContent-Length: 2")),
    "length as a list": (400, length(" 2, 2")),
    "length with plus": (400, length(" +2")),
    "length with minus": (400, length(" -2")),
    "length in hexadecimal": (400, length(" 0x2")),
    "length with a fraction": (400, length(" 2.0")),
    "length with a letter behind": (400, length(" 2x")),
    "length with a space inside": (400, length(" 1 2")),
    "length empty": (400, length("")),
    "length blank": (400, length("  ")),
    "length quoted": (400, length(" \"2\"")),
    "length beyond 64 bits": (400, length(" 18446744073709551618")),
    "length beyond 128 bits": (400, length(" " + "9" * 40)),
    "length with VT": (400, length(" \x0b2")),
    "length with a high byte": (400, length(" \xb2")),
    "length with a space before the colon": (400, head("POST /items HTTP/1.1", "Content-Length : 2") + "{}"),
    "bad length with GET": (400, head("GET /healthz HTTP/1.1", "Content-Length: x")),
    "encoding with a space before the colon": (400, head("POST /items HTTP/1.1", "Transfer-Encoding : chunked")
                                               + "0\r\n\r\n"),
    "encoding empty": (400, head("POST /items HTTP/1.1", "Transfer-Encoding:") + "0\r\n\r\n"),
    "encoding identity": (400, head("POST /items HTTP/1.1", "Transfer-Encoding: identity") + "0\r\n\r\n"),
    "encoding chunked twice": (400, head("POST /items HTTP/1.1", "Transfer-Encoding: chunked, chunked") + "0\r\n\r\n"),
    "encoding in two fields": (400, chunked("0\r\n\r\n", "Transfer-Encoding: chunked")),
    "encoding chunked, then identity": (400, chunked("0\r\n\r\n", "Transfer-Encoding: identity")),
    "encoding chunked not last": (400, head("POST /items HTTP/1.1", "Transfer-Encoding: chunked, gzip") + "0\r\n\r\n"),
    "encoding xchunked": (400, head("POST /items HTTP/1.1", "Transfer-Encoding: xchunked") + "0\r\n\r\n"),
    "encoding chunkedx": (400, head("POST /items HTTP/1.1", "Transfer-Encoding: chunkedx") + "0\r\n\r\n"),
    "encoding with VT": (400, head("POST /items HTTP/1.1", "Transfer-Encoding: \x0bchunked") + "0\r\n\r\n"),
    "encoding quoted": (400, head("POST /items HTTP/1.1", "Transfer-Encoding: \"chunked\"") + "0\r\n\r\n"),
    "encoding with a parameter": (400, head("POST /items HTTP/1.1", "Transfer-Encoding: chunked;q=1") + "0\r\n\r\n"),
    "encoding in HTTP/1.0": (400, head("POST /items HTTP/1.0", "Transfer-Encoding: chunked") + "0\r\n\r\n"),
    "encoding hidden in a fold": (400, head("POST /items HTTP/1.1", "X: 1", " Transfer-Encoding: chunked")),
    "encoding that is not known": (501, head("POST /items HTTP/1.1", "Transfer-Encoding: gzip, chunked") + "0\r\n\r\n"),
    # RFC 9112 7.1: chunks
    "chunk size with 0x": (400, chunked("0x2\r\n{}\r\n0\r\n\r\n")),
    "chunk size with plus": (400, chunked("+2\r\n{}\r\n0\r\n\r\n")),
    "chunk size with minus": (400, chunked("-2\r\n{}\r\n0\r\n\r\n")),
    "chunk size with a space before": (400, chunked(" 2\r\n{}\r\n0\r\n\r\n")),
    "chunk size with a space behind": (400, chunked("2 \r\n{}\r\n0\r\n\r\n")),
    "chunk size with a tab behind": (400, chunked("2\t\r\n{}\r\n0\r\n\r\n")),
    "chunk size empty": (400, chunked("\r\n{}\r\n0\r\n\r\n")),
    "chunk size not a number": (400, chunked("g\r\n{}\r\n0\r\n\r\n")),
    "chunk size with an underscore": (400, chunked("0_2\r\n{}\r\n0\r\n\r\n")),
    "chunk size of 17 digits": (400, chunked("10000000000000002\r\n{}\r\n0\r\n\r\n")),
    "chunk size that only wraps to fit": (400, chunked("fffffffffffffffffffff2\r\n{}\r\n0\r\n\r\n")),
    "chunk size ended by LF": (400, chunked("2\n{}\r\n0\r\n\r\n")),
    "chunk size ended by CR": (400, chunked("2\r{}\r\n0\r\n\r\n")),
    "chunk data not ended": (400, chunked("2\r\n{}0\r\n\r\n")),
    "chunk data ended by LF": (400, chunked("2\r\n{}\n0\r\n\r\n")),
    "chunk data longer than its size": (400, chunked("1\r\n{}\r\n0\r\n\r\n")),
    "extension with LF": (400, chunked("2;a=b\n{}\r\n0\r\n\r\n")),
    "extension with NUL": (400, chunked("2;a=\0\r\n{}\r\n0\r\n\r\n")),
    "extension with a bare CR": (400, chunked("2;a\rb\r\n{}\r\n0\r\n\r\n")),
    "LF alone ends the body": (400, chunked("2\r\n{}\r\n0\r\n\n")),
    "trailer with a space before the colon": (400, chunked("0\r\nX-A : 1\r\n\r\n")),
    "trailer without a colon": (400, chunked("0\r\nX-A\r\n\r\n")),
    "trailer folded": (400, chunked("0\r\nX-A: 1\r\n 2\r\n\r\n")),
    "trailer with NUL": (400, chunked("0\r\nX-A: \0\r\n\r\n")),
    "trailer ended by LF": (400, chunked("0\r\nX-A: 1\n\r\n")),
    "Content-Length as a trailer": (400, chunked("0\r\nContent-Length: 5\r\n\r\n")),
    "Transfer-Encoding as a trailer": (400, chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    "Host as a trailer": (400, chunked("0\r\nHost: other\r\n\r\n")),
    # RFC 9110 10.1.1
    "expectation that is not known": (417, head("POST /items HTTP/1.1", "Expect: 200-ok", "Content-Length: 2") + "{}"),
    "expectation with more": (417, head("POST /items HTTP/1.1", "Expect: 100-continue, x", "Content-Length: 2")),
    # limits
    "long request line": (414, head("GET /" + "a" * 8192 + " HTTP/1.1")),
    "request line beyond the head": (414, head("GET /" + "a" * 20000 + " HTTP/1.1")),
    "long field": (431, head("GET /healthz HTTP/1.1", "X-A: " + "a" * 20000)),
    "many fields": (431, head("GET /healthz HTTP/1.1", *["X-A: 1"] * 3000)),
    "long body": (413, head("POST /items HTTP/1.1", "Content-Length: 1048577")),
    "long body of 2^63": (413, head("POST /items HTTP/1.1", "Content-Length: 9223372036854775808")),
    "long body in one chunk": (413, chunked("100001\r\n")),
    "long body of GET": (413, head("GET /healthz HTTP/1.1", "Content-Length: 1048577")),
    "long trailers": (431, chunked("0\r\nX-A: " + "a" * 20000)),
    "long extension": (413, chunked("2;a=" + "b" * 20000)),
    "extensions without end": (413, chunked(("1;" + "a" * 1000 + "\r\nx\r\n") * 40)),
}

# Served, and the connection lives on. The body of a POST is "[]", which is well-formed and no item: 422.
SERVED = {
    "plain": (200, head()),
    "one empty line before": (200, "\r\n" + head()),
    "Host empty": (200, head("GET /healthz HTTP/1.1", "Host:", host=False)),
    "Host with a port": (200, head("GET /healthz HTTP/1.1", "Host: test:8080", host=False)),
    "Host with an empty port": (200, head("GET /healthz HTTP/1.1", "Host: test:", host=False)),
    "Host with an IPv6 address": (200, head("GET /healthz HTTP/1.1", "Host: [::1]:8080", host=False)),
    "Host percent-encoded": (200, head("GET /healthz HTTP/1.1", "Host: a%20b", host=False)),
    "Host in capitals": (200, head("GET /healthz HTTP/1.1", "HOST: TEST", host=False)),
    "Host with white space around": (200, head("GET /healthz HTTP/1.1", "Host: \t test \t", host=False)),
    "Host without white space": (200, head("GET /healthz HTTP/1.1", "Host:test", host=False)),
    "absolute-form": (200, head("GET http://test/healthz HTTP/1.1")),
    "absolute-form of another host": (200, head("GET http://other:80/healthz HTTP/1.1")),
    "absolute-form in capitals": (200, head("GET HTTP://TEST/healthz HTTP/1.1")),
    "absolute-form https": (200, head("GET https://test/healthz HTTP/1.1")),
    "absolute-form with a query": (400, head("GET http://test/work?n=x HTTP/1.1")),
    "absolute-form without a path": (404, head("GET http://test HTTP/1.1")),
    "absolute-form with a query alone": (404, head("GET http://test?n=1 HTTP/1.1")),
    "empty query": (200, head("GET /healthz? HTTP/1.1")),
    "unknown field": (200, head("GET /healthz HTTP/1.1", "X-A: 1", "x-a: 2")),
    "empty value": (200, head("GET /healthz HTTP/1.1", "X-A:")),
    "high bytes in a value": (200, head("GET /healthz HTTP/1.1", "X-A: \xe4\xff")),
    "version 1.2": (200, head("GET /healthz HTTP/1.2")),
    "percent-encoded letters": (200, head("GET /%68ealth%7a HTTP/1.1")),
    "tab in a value": (200, head("GET /healthz HTTP/1.1", "X-A: a\tb")),
    "odd token as a name": (200, head("GET /healthz HTTP/1.1", "!#$%&'*+-.^_`|~0: 1")),
    "line that looks like a request": (200, head("GET /healthz HTTP/1.1", "X-A: GET / HTTP/1.1")),
    "200 fields": (200, head("GET /healthz HTTP/1.1", *["X-A: 1"] * 200)),
    "long target within the limit": (404, head("GET /" + "a" * 8000 + " HTTP/1.1")),
    "long head within the limit": (200, head("GET /healthz HTTP/1.1", "X-A: " + "a" * 16000)),
    "Upgrade": (200, head("GET /healthz HTTP/1.1", "Connection: upgrade", "Upgrade: websocket")),
    "Upgrade to h2c": (200, head("GET /healthz HTTP/1.1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                                 "HTTP2-Settings: AAMAAABkAAQAAP__")),
    "body of GET": (200, head("GET /healthz HTTP/1.1", "Content-Length: 2") + "{}"),
    "chunked body of GET": (200, head("GET /healthz HTTP/1.1", "Transfer-Encoding: chunked") + "2\r\n{}\r\n0\r\n\r\n"),
    "keep-alive named": (200, head("GET /healthz HTTP/1.1", "Connection: keep-alive")),
    "closed is not close": (200, head("GET /healthz HTTP/1.1", "Connection: closed, xclose")),
    "HTTP/1.0 with keep-alive": (200, head("GET /healthz HTTP/1.0", "Connection: keep-alive")),
    "HTTP/1.0 with keep-alive, no Host": (200, head("GET /healthz HTTP/1.0", "Connection: Keep-Alive", host=False)),
    "HTTP/1.0 expects": (422, head("POST /items HTTP/1.0", "Connection: keep-alive", "Expect: 100-continue",
                                   "Content-Type: application/json", "Content-Length: 2") + "[]"),
    "not found": (404, head("GET /nothing HTTP/1.1")),
    "not found, with a body": (404, head("POST /nothing HTTP/1.1", "Content-Length: 2") + "[]"),
    "root": (404, head("GET / HTTP/1.1")),
    "trailing slash": (404, head("GET /healthz/ HTTP/1.1")),
    "two slashes": (404, head("GET //healthz HTTP/1.1")),
    "dot segment": (404, head("GET /./healthz HTTP/1.1")),
    "path in capitals": (404, head("GET /HEALTHZ HTTP/1.1")),
    "percent-encoded slash": (404, head("GET /items%2f1 HTTP/1.1")),
    "percent-encoded NUL": (404, head("GET /healthz%00 HTTP/1.1")),
    "bad percent-encoding": (404, head("GET /healthz%zz HTTP/1.1")),
    "unfinished percent-encoding": (404, head("GET /healthz% HTTP/1.1")),
    "path parameter": (404, head("GET /healthz;a=b HTTP/1.1")),
    "leading zeros in a length": (422, length(" 0000000000000000000000002", "[]")),
    "white space around a length": (422, length("\t  2 \t ", "[]")),
    "expects, and the body is there": (422, head("POST /items HTTP/1.1", "Expect: 100-continue", "Content-Length: 2",
                                                 "Content-Type: application/json") + "[]"),
    "no body": (400, head("POST /items HTTP/1.1", "Content-Type: application/json")),
    "length 0": (400, length(" 0", "")),
    "chunked": (422, chunked("2\r\n[]\r\n0\r\n\r\n")),
    "chunked in two": (422, chunked("1\r\n[\r\n1\r\n]\r\n0\r\n\r\n")),
    "chunked in capitals": (422, head("POST /items HTTP/1.1", "Content-Type: application/json",
                                      "TRANSFER-ENCODING: CHUNKED") + "2\r\n[]\r\n0\r\n\r\n"),
    "chunked in a list with blanks": (422, head("POST /items HTTP/1.1", "Content-Type: application/json",
                                                "Transfer-Encoding: \tchunked ") + "2\r\n[]\r\n0\r\n\r\n"),
    "chunk size with zeros": (422, chunked("0000002\r\n[]\r\n000\r\n\r\n")),
    "chunk size in hexadecimal": (422, chunked("A\r\n[        ]\r\n0\r\n\r\n")),
    "chunk size in small hexadecimal": (422, chunked("a\r\n[        ]\r\n0\r\n\r\n")),
    "chunk extension": (422, chunked("2;a=b;c\r\n[]\r\n0;last\r\n\r\n")),
    "chunk extension quoted": (422, chunked("2;a=\"b;c\"\r\n[]\r\n0\r\n\r\n")),
    "trailers": (422, chunked("2\r\n[]\r\n0\r\nX-A: 1\r\nX-B:\r\n\r\n")),
    "trailer announced": (422, chunked("2\r\n[]\r\n0\r\nX-A: 1\r\n\r\n", "Trailer: X-A")),
    "body that looks like a request": (400, length(" 25", "GET /nothing HTTP/1.1\r\n\r\n")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(connection, name):
    status, data = REFUSED[name]
    connection.send(data)
    reply = connection.read()
    assert reply.status == status and reply.closes and reply["content-type"] == "application/problem+json"
    assert reply.json()["status"] == status and reply.json()["detail"].endswith(".")
    assert connection.is_closed_by_server()


@pytest.mark.parametrize("name", SERVED)
def test_served(connection, name):
    status, data = SERVED[name]
    connection.send(data)
    reply = connection.read()
    assert reply.status == status and not reply.closes
    assert connection.lives_on()


def test_nothing_behind_a_refusal_is_answered(server):
    """What a smuggler has hidden behind a request that is refused must not be taken for a request."""
    for name, (_, data) in REFUSED.items():
        with server.connect() as connection:
            connection.send(data + head() * 2)
            assert connection.read().closes, name
            assert connection.is_closed_by_server(), name


def test_all_three_answer_the_same_bytes(servers):
    for name, (_, data) in (REFUSED | SERVED).items():
        answers = set()
        for server in servers:
            with server.connect() as connection:
                connection.send(data)
                answers.add(connection.read().without_date())
        assert len(answers) == 1, (name, answers)


def test_it_does_not_matter_how_the_bytes_were_cut(server):
    """Each byte in a packet of its own."""
    for data in (SERVED["trailers"][1], SERVED["leading zeros in a length"][1], REFUSED["obs-fold"][1],
                 REFUSED["length and chunked"][1]):
        with server.connect() as whole, server.connect() as pieces:
            whole.send(data)
            try:
                for byte in data.encode("latin-1"):
                    pieces.send(bytes([byte]))
            except ConnectionError:
                pass  # refused before the end
            assert whole.read().without_date() == pieces.read().without_date()


# ---- Methods

PATHS = {
    "/work": "GET, HEAD, OPTIONS", "/healthz": "GET, HEAD, OPTIONS", "/readyz": "GET, HEAD, OPTIONS",
    "/stats": "GET, HEAD, OPTIONS", "/metrics": "GET, HEAD, OPTIONS", "/items": "GET, HEAD, POST, OPTIONS",
    "/items/1": "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
}


@pytest.mark.parametrize("path", PATHS)
def test_options_and_methods_that_a_path_does_not_take(connection, path):
    reply = connection.ask("OPTIONS", path)
    assert reply.status == 204 and reply["allow"] == PATHS[path] and reply.body == b""
    for method in "GET HEAD POST PUT PATCH DELETE".split():
        if method not in PATHS[path]:
            reply = connection.ask(method, path, {})
            assert reply.status == 405 and reply["allow"] == PATHS[path] and not reply.closes
    assert connection.lives_on()


def test_options_asterisk(connection):
    reply = connection.ask("OPTIONS", "*")
    assert reply.status == 204 and reply["allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert connection.ask("OPTIONS", "/nothing").status == 404


@pytest.mark.parametrize("target", ["/work?n=2&m=4096&seed=7", "/work?m=16777216&n=0", "/work?n=x", "/healthz",
                                    "/readyz",
                                    "/items?limit=1&after=9223372036854775806", "/items?limit=0", "/items/999999999999",
                                    "/nothing", "/"])
def test_head_is_get_without_the_body(connection, target):
    get = connection.ask("GET", target)
    head = connection.ask("HEAD", target)
    assert head.body == b"" and head.without_date()[0] == get.without_date()[0]
    assert connection.lives_on()


@pytest.mark.parametrize("target", ["/stats", "/metrics"])
def test_head_of_what_changes_by_itself(connection, target):
    head = connection.ask("HEAD", target)
    assert head.status == 200 and int(head["content-length"]) > 500
    assert connection.lives_on()


def test_head_of_a_refusal_has_no_body(connection):
    connection.send(head("HEAD /healthz HTTP/1.1", "Content-Length: 9999999"))
    reply = connection.read("GET")  # the codec does not know the method of what it refuses: the body is announced
    assert reply.status == 413 and connection.is_closed_by_server()


# ---- Connections

@pytest.mark.parametrize("value", ["close", "Close", "CLOSE", "close\t", "\tclose", "keep-alive, close", "close, x",
                                   "x,close", "x,, ,close", "x ,\tclose\t, y", "TE, close"])
def test_connection_close(connection, value):
    connection.send(head("GET /healthz HTTP/1.1", f"Connection: {value}") + head())
    reply = connection.read()
    assert reply.status == 200 and reply.closes
    assert connection.is_closed_by_server()


def test_close_in_the_second_of_two_fields(connection):
    connection.send(head("GET /healthz HTTP/1.1", "Connection: x", "Connection: close"))
    assert connection.read().closes and connection.is_closed_by_server()


@pytest.mark.parametrize("line", [None, "Connection: close", "Connection: close, keep-alive", "Connection: x",
                                  "Keep-Alive: timeout=5"])
def test_http_1_0_closes_unless_asked(connection, line):
    connection.send(head("GET /healthz HTTP/1.0", *([line] if line else []), host=False))
    reply = connection.read()
    assert reply.status == 200 and reply.closes and connection.is_closed_by_server()


def test_http_1_0_is_told_that_it_is_kept(connection):
    for _ in range(3):
        connection.send(head("GET /healthz HTTP/1.0", "Connection: keep-alive", host=False))
        assert connection.read()["connection"] == "keep-alive"
    assert connection.ask("GET", "/healthz")["connection"] is None


def test_a_refused_version_is_answered_in_ours(connection):
    connection.send("GET / HTTP/7.3\r\n\r\n")
    assert connection.read().raw_head.startswith(b"HTTP/1.1 505 ")


def test_half_closed_connection_is_still_answered(server):
    for target in ("/healthz", "/work?n=2&d=50&m=1000000"):
        with server.connect() as connection:
            connection.send(request("GET", target))
            connection.half_close()
            assert connection.read().status == 200
            assert connection.is_closed_by_server()


# ---- Pipelining

def test_hundred_requests_in_one_write_are_answered_in_order(connection, server):
    data = b""
    expected = []
    for i in range(25):
        data += request("GET", f"/work?n=1&m={64 + i}&seed={i}")
        expected.append(("GET", 200, 64 + i))
        data += request("HEAD", f"/work?n=0&m={1000 + i}")
        expected.append(("HEAD", 200, 1000 + i))
        data += request("POST", "/items", b"[" + b" " * i + b"]")
        expected.append(("POST", 422, None))
        data += chunked("1\r\n[\r\n1\r\n]\r\n0\r\nX: 1\r\n\r\n", first="PUT /nothing HTTP/1.1").encode()
        expected.append(("PUT", 404, None))
    connection.send(data)
    for method, status, size in expected:
        reply = connection.read(method)
        assert reply.status == status
        assert size is None or int(reply["content-length"]) == size
    assert connection.pending == b"" and connection.lives_on()


def test_pipelined_slow_before_fast(connection):
    connection.send(request("GET", "/work?n=1&d=100&m=64") + request("GET", "/healthz"))
    assert len(connection.read().body) == 64 and connection.read().json() == {"status": "ok"}


def test_requests_behind_close_are_not_answered(connection):
    connection.send(head() + head("GET /healthz HTTP/1.1", "Connection: close") + head() * 10)
    assert not connection.read().closes
    assert connection.read().closes and connection.is_closed_by_server()


def test_pipelined_answers_come_before_the_refusal(connection):
    connection.send(head("GET /work?n=1&d=50 HTTP/1.1") + head() + "NONSENSE\r\n\r\n" + head())
    assert connection.read().status == 200 and connection.read().status == 200
    assert connection.read().status == 400 and connection.is_closed_by_server()


def test_more_is_pipelined_than_any_buffer_holds(connection):
    """2 MB of requests, answered while they are sent: nothing is lost where a buffer ends."""
    one = head("GET /healthz HTTP/1.1", "X-A: " + "a" * 950).encode()
    sender = threading.Thread(target=connection.send, args=(one * 2000,))
    sender.start()
    for _ in range(2000):
        assert connection.read().status == 200
    sender.join()
    assert connection.lives_on()


# ---- Expect

def test_expect_continue(connection):
    connection.send(head("POST /items HTTP/1.1", "Expect: 100-Continue", "Content-Type: application/json",
                         "Content-Length: 2"))
    reply = connection.read()
    assert reply.status == 100 and reply.fields == []
    connection.send("[")
    connection.send("]")
    assert connection.read().status == 422 and connection.lives_on()


def test_expect_continue_chunked(connection):
    connection.send(head("POST /items HTTP/1.1", "Expect: 100-continue", "Content-Type: application/json",
                         "Transfer-Encoding: chunked"))
    assert connection.read().status == 100
    connection.send("2\r\n[]\r\n0\r\n\r\n")
    assert connection.read().status == 422 and connection.lives_on()


def test_expect_continue_behind_another_request(connection):
    connection.send(head("GET /work?n=1&d=50 HTTP/1.1") +
                    head("POST /items HTTP/1.1", "Expect: 100-continue", "Content-Type: application/json",
                         "Content-Length: 2"))
    assert connection.read().status == 200
    assert connection.read().status == 100
    connection.send("[]")
    assert connection.read().status == 422


def test_expect_with_a_body_too_long_gets_no_100(connection):
    connection.send(head("POST /items HTTP/1.1", "Expect: 100-continue", "Content-Length: 1048577"))
    assert connection.read().status == 413 and connection.is_closed_by_server()


def test_expect_without_a_body_gets_no_100(connection):
    connection.send(head("GET /healthz HTTP/1.1", "Expect: 100-continue"))
    assert connection.read().status == 200 and connection.lives_on()


# ---- Limits and time

def test_longest_body_is_taken_and_one_byte_more_is_not(start):
    server = start(MAX_BODY_BYTES=1024)
    with server.connect() as connection:
        assert connection.ask("POST", "/items", b"[" + b" " * 1022 + b"]").status == 422
        connection.send(chunked("3ff\r\n[" + " " * 1022 + "\r\n1\r\n]\r\n0\r\n\r\n"))
        assert connection.read().status == 422
        connection.send(chunked("3ff\r\n[" + " " * 1022 + "\r\n2\r\n]]\r\n0\r\n\r\n"))
        assert connection.read().status == 413 and connection.is_closed_by_server()
    reply = server.ask("POST", "/items", b"[" + b" " * 1023 + b"]")
    assert reply.status == 413 and reply.closes


def test_limit_of_the_head(start):
    server = start(MAX_HEADER_BYTES=2048)
    empty = len(head("GET /healthz HTTP/1.1", "X-A: "))
    with server.connect() as connection:
        connection.send(head("GET /healthz HTTP/1.1", "X-A: " + "a" * (2048 - empty)))
        assert connection.read().status == 200
        connection.send(head("GET /healthz HTTP/1.1", "X-A: " + "a" * (2049 - empty)))
        assert connection.read().status == 431 and connection.is_closed_by_server()


@pytest.mark.parametrize("data", [head("POST /items HTTP/1.1", "Content-Length: 16000000"), chunked("F42400\r\n")],
                         ids=["length", "chunked"])
def test_refusal_is_readable_though_all_of_a_large_body_is_sent_first(connection, data):
    """The server may not close with unread bytes: the reset would destroy its answer (RFC 9112 9.6)."""
    connection.send(data)
    for _ in range(160):
        connection.send(b"x" * 100000)
    assert connection.read().status == 413 and connection.is_closed_by_server()


def test_request_that_is_never_finished(start):
    server = start(HEADER_TIMEOUT=1)
    beginnings = ["GET", head()[:-2], "GET /healthz HTTP/1.1\r\nX: 1", length(" 3", "{"), chunked("2\r\n{"),
                  chunked("2\r\n{}\r\n0\r\nX-A: 1\r\n"), head() + "GE"]
    connections = [server.connect() for _ in beginnings]
    began = time.monotonic()
    for connection, beginning in zip(connections, beginnings):
        connection.send(beginning)
    for connection, beginning in zip(connections, beginnings):
        if beginning.startswith(head()):
            assert connection.read().status == 200
        reply = connection.read()
        assert reply.status == 408 and reply.closes and reply.json()["status"] == 408
        assert 0.9 < time.monotonic() - began < 4
        assert connection.is_closed_by_server()
        connection.socket.close()


def test_bytes_that_drip_do_not_postpone_the_deadline(start):
    server = start(HEADER_TIMEOUT=1)
    with server.connect() as connection:
        connection.socket.settimeout(0.1)
        began = time.monotonic()
        connection.send("GET /healthz HTTP/1.1\r\nX-A: ")
        while time.monotonic() - began < 5:
            try:
                connection.send("a")
                assert connection.read().status == 408
                break
            except TimeoutError:
                pass
        assert 0.9 < time.monotonic() - began < 3


def test_the_body_has_a_deadline_of_its_own(start):
    server = start(HEADER_TIMEOUT=3)
    with server.connect() as connection:
        connection.send("POST /items HTTP/1.1\r\n")
        time.sleep(1.8)
        connection.send(HOST + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[")
        time.sleep(1.8)
        connection.send("]")
        assert connection.read().status == 422 and connection.lives_on()


def test_idle_connections_are_closed_in_silence(start):
    server = start(IDLE_TIMEOUT=1)
    with server.connect() as fresh, server.connect() as used:
        assert used.lives_on()
        began = time.monotonic()
        assert fresh.is_closed_by_server() and used.is_closed_by_server()
        assert 0.7 < time.monotonic() - began < 4
    eventually(lambda: server.stats()["connections_open"] == 1)


# ---- Fields of the answer

def test_date(server):
    before = int(time.time())
    date = server.get("/healthz")["date"]
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
                        r"\d\d:\d\d:\d\d GMT", date)
    parsed = parsedate_to_datetime(date)
    assert before - 1 <= parsed.timestamp() <= time.time() + 1
    assert parsed.strftime("%a") == date[:3]


def test_every_answer_has_a_date(connection):
    for target in ("/healthz", "/nothing", "/work?n=x", "/work", "/stats"):
        assert connection.ask("GET", target)["date"]
    connection.send("NONSENSE\r\n\r\n")
    assert connection.read()["date"]


def test_no_content(connection):
    item = connection.ask("POST", "/items", {"name": "x"})
    reply = connection.ask("GET", item["location"], headers={"If-None-Match": item["etag"]})
    assert reply.status == 304 and reply["content-length"] is None and reply["content-type"] is None
    assert reply["etag"] == item["etag"] and reply["date"]
    reply = connection.ask("DELETE", item["location"])
    assert reply.status == 204 and reply["content-length"] is None and reply["transfer-encoding"] is None
    assert connection.pending == b"" and connection.lives_on()
