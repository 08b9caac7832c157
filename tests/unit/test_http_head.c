/* Heads: what is taken, what is refused, and that a head is not looked at twice. */
#include "http_golden.h"

#include "http/head.h"

static const struct http_limits limits = {.max_header_bytes = 1024, .max_body_bytes = 64};

#define HOST        "Host: a\r\n"
#define GET(fields) "GET / HTTP/1.1\r\n" HOST fields "\r\n"

static void test_request_line(void **state)
{
    (void)state;
    static const struct golden goldens[] = {
        GOLDEN("GET / HTTP/1.1\r\n" HOST "\r\n", "GET /\n"),
        GOLDEN("HEAD /x HTTP/1.1\r\n" HOST "\r\n", "HEAD /x\n"),
        GOLDEN("DELETE /items/7 HTTP/1.1\r\n" HOST "\r\n", "DELETE /items/7\n"),
        GOLDEN("PUT / HTTP/1.1\r\n" HOST "\r\n", "PUT /\n"),
        GOLDEN("PATCH / HTTP/1.1\r\n" HOST "\r\n", "PATCH /\n"),
        GOLDEN("POST / HTTP/1.1\r\n" HOST "\r\n", "POST /\n"),
        GOLDEN("GET / HTTP/1.0\r\n\r\n", "GET / 1.0 close\n"),
        /* methods: a token that is not served is 501, anything else 400 */
        GOLDEN("TRACE / HTTP/1.1\r\n" HOST "\r\n", "501\n"),
        GOLDEN("CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", "501\n"),
        GOLDEN("PROPFIND / HTTP/1.1\r\n" HOST "\r\n", "501\n"),
        GOLDEN("get / HTTP/1.1\r\n" HOST "\r\n", "501\n"),
        GOLDEN("GE / HTTP/1.1\r\n" HOST "\r\n", "501\n"),
        GOLDEN("GETT / HTTP/1.1\r\n" HOST "\r\n", "501\n"),
        GOLDEN("G:ET / HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("\x16\x03\x01\r\n\r\n", "400\n"),
        /* versions */
        GOLDEN("GET / HTTP/2.0\r\n" HOST "\r\n", "505\n"),
        GOLDEN("GET / HTTP/0.9\r\n" HOST "\r\n", "505\n"),
        GOLDEN("GET / HTTP/1.2\r\n" HOST "\r\n", "GET /\n"),
        GOLDEN("GET / HTTP/1.9\r\n\r\n", "400\n"), /* Host is required as in 1.1 */
        GOLDEN("GET / HTTP/0.9\r\n" HOST "\r\n", "505\n"),
        GOLDEN("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505\n"),
        GOLDEN("GET / http/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET / HTTP/1.10\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET / HTTP/11\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET / HTTP/1,1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET / ICE/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET /\r\n\r\n", "400\n"),
        GOLDEN("GET /\r\nHost: a b\r\n\r\n", "400\n"), /* llhttp goes on to the fields */
        GOLDEN("OPTIONS * RTSP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("DESCRIBE * RTSP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("DESCRIBE * HTTP/1.1\r\n" HOST "\r\n", "501\n"),
        GOLDEN("SOURCE / ICE/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("SOURCE /  ICE/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("SOURCE / HTTP/1.1\r\n" HOST "\r\n", "501\n"),
        GOLDEN("CONNECT / HTTP/1.1\r\n" HOST "\r\n", "501\n"),
        GOLDEN("PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n", "501\n"),
        GOLDEN("GET / HTTP/3.7\r\n" HOST "\r\n", "505\n"),
        GOLDEN("BREW x HTTP/3.7\r\n" HOST "\r\n", "505\n"),
        /* spaces */
        GOLDEN("GET  / HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET /  HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET / HTTP/1.1 \r\n" HOST "\r\n", "400\n"),
        GOLDEN(" GET / HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET\t/ HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET /a b HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN(" / HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        /* empty lines before it */
        GOLDEN("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "GET /\n"),
        GOLDEN("\r\n\r\n\r\n\r\n", ""),
        GOLDEN("\r\n\r\n\r\n\r\n\r\n", "400\n"),
        GOLDEN("\nGET / HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("\r\n\nGET / HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("\rGET / HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("\r\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("\r", "mid head\n"),
        /* the line is checked when it is complete, and before what comes after it */
        GOLDEN("GET /\r\n", "400\n"),
        GOLDEN("SSH-2.0-OpenSSH_9.2\r\n", "400\n"),
        GOLDEN("BREW / HTTP/1.1\r\nX: a", "501\n"),
        GOLDEN("GET / HTTP/2.0\r\nX: a\n", "505\n"),
        GOLDEN("\r\nGET /# HTTP/1.1\r\n : a\r\n\r\n", "400\n"),
        GOLDEN("BREW / HTTP/1.1\r\nX : a\r\n\r\n", "501\n"),
        GOLDEN("GET / HTTP/1.1\r\n", "mid head\n"),
        /* the response to HEAD has no body, whatever is wrong */
        GOLDEN("HEAD / HTTP/2.0\r\n" HOST "\r\n", "505 to HEAD\n"),
        GOLDEN("HEAD /\r\n", "400 to HEAD\n"),
        GOLDEN("\r\nHEAD / HTTP/1.1\r\n\r\n", "400 to HEAD\n"),
        GOLDEN("HEAD / HTTP/1.1\n", "400 to HEAD\n"),
        GOLDEN("HEADS / HTTP/1.1\r\n", "501\n"),
        GOLDEN("HEAD / HTTP/1.1\r\n" HOST "Content-Length: 65\r\n\r\n", "413 to HEAD\n"),
        GOLDEN("HEAD / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nx\r\n", "400 to HEAD\n"),
    };
    GOLDEN_CHECK(goldens, &limits);
}

static void test_targets(void **state)
{
    (void)state;
    static const struct golden goldens[] = {
        GOLDEN("GET /work?n=1&m=2 HTTP/1.1\r\n" HOST "\r\n", "GET /work ?n=1&m=2\n"),
        GOLDEN("GET /? HTTP/1.1\r\n" HOST "\r\n", "GET / ?\n"),
        GOLDEN("GET /a?b?c/d HTTP/1.1\r\n" HOST "\r\n", "GET /a ?b?c/d\n"),
        GOLDEN("GET /%7e%zz?%4 HTTP/1.1\r\n" HOST "\r\n", "GET /%7e%zz ?%4\n"),
        GOLDEN("GET //x HTTP/1.1\r\n" HOST "\r\n", "GET //x\n"),
        GOLDEN("GET http://b.example/x?y HTTP/1.1\r\n" HOST "\r\n", "GET /x ?y\n"),
        GOLDEN("GET HTTP://[::1]:8080/x HTTP/1.1\r\n" HOST "\r\n", "GET /x\n"),
        GOLDEN("GET https://b/x HTTP/1.1\r\n" HOST "\r\n", "421\n"), /* not without TLS */
        GOLDEN("GET HTTPS://b/x HTTP/1.1\r\n" HOST "\r\n", "421\n"),
        GOLDEN("GET http://b HTTP/1.1\r\n" HOST "\r\n", "GET /\n"),
        GOLDEN("GET http://b?q HTTP/1.1\r\n" HOST "\r\n", "GET / ?q\n"),
        GOLDEN("GET http://b/ HTTP/1.0\r\n\r\n", "GET / 1.0 close\n"),
        GOLDEN("GET http://b:?q HTTP/1.1\r\n" HOST "\r\n", "GET / ?q\n"),
        GOLDEN("GET http://b%20!$&'()*+,;=_~-:1/x HTTP/1.1\r\n" HOST "\r\n", "GET /x\n"),
        GOLDEN("GET http://[::ffff:1.2.3.4]?q HTTP/1.1\r\n" HOST "\r\n", "GET / ?q\n"),
        GOLDEN("GET /!$&'()*+,;=:@-._~/%?/?!$&'()*+,;=:@-._~% HTTP/1.1\r\n" HOST "\r\n",
               "GET /!$&'()*+,;=:@-._~/% ?/?!$&'()*+,;=:@-._~%\n"),
        GOLDEN("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS *\n"),
        GOLDEN("OPTIONS http://b HTTP/1.1\r\n" HOST "\r\n", "OPTIONS *\n"),
        GOLDEN("OPTIONS http://b/ HTTP/1.1\r\n" HOST "\r\n", "OPTIONS /\n"),
        GOLDEN("OPTIONS http://b?q HTTP/1.1\r\n" HOST "\r\n", "OPTIONS / ?q\n"),
        GOLDEN("OPTIONS *?q HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("OPTIONS /items HTTP/1.1\r\n" HOST "\r\n", "OPTIONS /items\n"),
        GOLDEN("GET * HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET x HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET a:80 HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET ftp://b/ HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET http:///x HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET http://:80/x HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET http://u@b/ HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET http://b:x/ HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET http://b/x HTTP/1.1\r\n\r\n", "400\n"), /* Host is required all the same */
        GOLDEN("GET /a#b HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET /a\\b HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET /\"a\" HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET /?a=[1] HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET /\0 HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET /\x7f HTTP/1.1\r\n" HOST "\r\n", "400\n"),
        GOLDEN("GET /\t HTTP/1.1\r\n" HOST "\r\n", "400\n"),
    };
    GOLDEN_CHECK(goldens, &limits);
}

static void test_field_lines(void **state)
{
    (void)state;
    static const struct golden goldens[] = {
        GOLDEN(GET("X:\r\nY: \t\r\nZ:1\r\n"), "GET /\n"),
        GOLDEN(GET("X: caf\xc3\xa9\ttab \"quoted\"\r\n"), "GET /\n"),
        GOLDEN(GET("!#$%&'*+-.^_`|~9Az: 1\r\n"), "GET /\n"),
        GOLDEN(GET("CONTENT-TYPE: \t application/json \t\r\n"), "GET / type=application/json\n"),
        GOLDEN(GET("Content-Type:\r\n"), "GET / type=\n"),
        GOLDEN(GET("Content-Type: a\r\nContent-Type: b\r\n"), "400\n"),
        /* fields that are lists may stand in several lines */
        GOLDEN(GET("If-Match: \"1\"\r\n"), "GET / if-match=\"1\"\n"),
        GOLDEN(GET("if-match:\t\"1\" , W/\"2\" \r\nIf-None-Match: *\r\nIF-MATCH:\r\n"),
               "GET / if-match=\"1\" , W/\"2\" if-match=\n"),
        GOLDEN(GET("X-Content-Type: a\r\nContent-Typ: b\r\nContent-Type2: c\r\n"), "GET /\n"),
        /* obs-fold, which could hide a field */
        GOLDEN(GET("X: 1\r\n Content-Length: 5\r\n"), "400\n"),
        GOLDEN(GET("X:\r\n\tContent-Length: 5\r\n"), "400\n"),
        GOLDEN(GET("X: 1\r\n \r\n"), "400\n"),
        GOLDEN("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400\n"),
        /* names */
        GOLDEN(GET(": 1\r\n"), "400\n"),
        GOLDEN(GET("X : 1\r\n"), "400\n"),
        GOLDEN(GET("X\t: 1\r\n"), "400\n"),
        GOLDEN(GET("X\r\n"), "400\n"),
        GOLDEN(GET("X Y: 1\r\n"), "400\n"),
        GOLDEN(GET("X@: 1\r\n"), "400\n"),
        GOLDEN(GET("X\xc3\xa4: 1\r\n"), "400\n"),
        GOLDEN(GET("X\0: 1\r\n"), "400\n"),
        /* values */
        GOLDEN(GET("X: a\0b\r\n"), "400\n"),
        GOLDEN(GET("X: a\x01"
                   "b\r\n"),
               "400\n"),
        GOLDEN(GET("X: a\x7f\r\n"), "400\n"),
        GOLDEN(GET("X: a\rb\r\n"), "400\n"),
        GOLDEN(GET("X: a\r\r\n"), "400\n"),
        /* ends of lines */
        GOLDEN("GET / HTTP/1.1\nHost: a\n\n", "400\n"),
        GOLDEN("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "400\n"),
        GOLDEN("GET / HTTP/1.1\r\nHost: a\r\n\n", "400\n"),
        GOLDEN("GET / HTTP/1.1\rHost: a\r\n\r\n", "400\n"),
        GOLDEN("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "400\n"),
    };
    GOLDEN_CHECK(goldens, &limits);
}

static void test_host(void **state)
{
    (void)state;
    static const struct golden goldens[] = {
        GOLDEN("GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET /\n"),
        GOLDEN("GET / HTTP/1.1\r\nhOST: \ta:80\t\r\n\r\n", "GET /\n"),
        GOLDEN("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET / 1.0 close\n"),
        GOLDEN("GET / HTTP/1.1\r\n\r\n", "400\n"),
        GOLDEN("GET / HTTP/1.1\r\nX: y\r\n\r\n", "400\n"),
        GOLDEN("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400\n"),
        GOLDEN("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "400\n"),
        GOLDEN("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400\n"),
        GOLDEN("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "400\n"),
        GOLDEN("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400\n"),
        GOLDEN("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", "400\n"),
    };
    GOLDEN_CHECK(goldens, &limits);
}

static void test_authority(void **state)
{
    (void)state;
    static const char *const valid[] = {
        "a",        "a.example",          "127.0.0.1", "127.0.0.1:8080",  "a:",      "[::1]",   "[::1]:",
        "[::1]:80", "[::ffff:127.0.0.1]", "a%20b",     "a!$&'()*+,;=_~-", "a:65535", "a:00080", "[v1.a:b-]",
        "[VF0.~]:8"};
    static const char *const invalid[] = {"a:b",
                                          "a:80:80",
                                          "a:-1",
                                          "[::1",
                                          "::1]",
                                          "::1",
                                          "[]",
                                          "[::1]x",
                                          "[g::]",
                                          "a[b]",
                                          "a%2",
                                          "a%zz",
                                          "a%",
                                          "u@a",
                                          "a b",
                                          "a\\",
                                          "a?b",
                                          "[::1]80",
                                          "[1:2:3:4:5:6:7:8:9]",
                                          "[v1.]",
                                          "[v.a]",
                                          "[v1]",
                                          "[v1a]",
                                          "[vg.a]",
                                          "[v1.a/b]",
                                          "[v1.a",
                                          "[v",
                                          "a:65536",
                                          "a:99999999999999999999",
                                          "",
                                          ":80",
                                          ":",
                                          "[::1%eth0]",
                                          "a\x80",
                                          "\"a\"",
                                          "[::1]:8x"};
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
        if (!http_authority_is_valid((struct str){valid[i], strlen(valid[i])}))
            fail_msg("%s is valid", valid[i]);
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
        if (http_authority_is_valid((struct str){invalid[i], strlen(invalid[i])}))
            fail_msg("%s is not valid", invalid[i]);
    assert_false(http_authority_is_valid((struct str){"a%20", 3}));
}

static void test_connection(void **state)
{
    (void)state;
    static const struct golden goldens[] = {
        GOLDEN(GET("Connection: close\r\n"), "GET / close\n"),
        GOLDEN(GET("Connection: CLOSE\t\r\n"), "GET / close\n"),
        GOLDEN(GET("Connection: keep-alive\r\n"), "GET /\n"),
        GOLDEN(GET("Connection: x ,\tclose , y\r\n"), "GET / close\n"),
        GOLDEN(GET("Connection: keep-alive\r\nConnection: close\r\n"), "GET / close\n"),
        GOLDEN(GET("Connection: closed\r\n"), "GET /\n"),
        GOLDEN(GET("Connection: ,,\r\n"), "GET /\n"),
        GOLDEN(GET("X-Connection: close\r\n"), "GET /\n"),
        GOLDEN("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / 1.0\n"),
        GOLDEN("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET / 1.0 close\n"),
        /* Upgrade is ignored (RFC 9110 7.8), and the next request is read */
        GOLDEN(GET("Connection: Upgrade\r\nUpgrade: websocket\r\n") GET(""), "GET /\nGET /\n"),
        GOLDEN(GET("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"), "GET /\n"),
    };
    GOLDEN_CHECK(goldens, &limits);
}

/* A refusal names the fault, not just the first check that happened to stumble. */
static void test_sentences(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *words;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", "Host field is missing"},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "Host field is not"},
        {"GET  / HTTP/1.1\r\n\r\n", "one space"},
        {"GET /\t HTTP/1.1\r\n\r\n", "must be percent-encoded"},
        {"GET /\x01 HTTP/1.1\r\n\r\n", "control character"},
        {"GET /#a HTTP/1.1\r\n" HOST "\r\n", "fragment"},
        {"GET /\r HTTP/1.1\r\n" HOST "\r\n", "CR stands without an LF"},
        {GET("X: a\rb\r\n"), "CR stands without an LF"},
        {GET("X: a\n"), "LF alone"},
        {GET("X: a\r\n b\r\n"), "begins with white space"},
        {GET("X : a\r\n"), "White space stands between"},
        {GET(": a\r\n"), "no name"},
        {GET("X\r\n"), "not a name (a token)"},
        {GET("Content-Type: a\r\nContent-Type: a\r\n"), "twice"},
        {GET("Content-Length: 1\r\nContent-Length: 1\r\n"), "Content-Length must"},
        {GET("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), "not stand beside Content-Length"},
        {GET("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"), "Content-Length"},
        {GET("Transfer-Encoding: chunked\r\n") "10000000000000000\r\n", "64 bits"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replay replay = {.limits = &limits, .cut = replay_cut_whole};
        replay_run(&replay, cases[i].bytes, strlen(cases[i].bytes));
        buf_release(&replay.log);
        if (replay.detail == NULL || strstr(replay.detail, cases[i].words) == NULL)
            fail_msg("%s: %s", cases[i].words, replay.detail != NULL ? replay.detail : "not refused");
    }
}

static void test_limits(void **state)
{
    (void)state;
    static const struct http_limits tiny = {.max_header_bytes = 40, .max_body_bytes = 8};
    static const struct golden goldens[] = {
        /* 40 bytes exactly, and one more */
        GOLDEN("GET /aaaaaaaaaa HTTP/1.1\r\nHost: abcd\r\n\r\n", "GET /aaaaaaaaaa\n"),
        GOLDEN("GET /aaaaaaaaaa HTTP/1.1\r\nHost: abcde\r\n\r\n", "431\n"),
        GOLDEN("GET /aaaaaaaaaa HTTP/1.1\r\nHost: abcd\r\n\r\nGET /bbbbbbbbbb HTTP/1.1\r\nHost: abcde\r\n\r\n",
               "GET /aaaaaaaaaa\n431\n"),
        GOLDEN("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "mid head\n"),
        GOLDEN("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "414\n"),
        GOLDEN("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n", "414\n"),
        GOLDEN("GET / HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "431\n"),
        /* a bad line end past the limit is not seen, however the bytes come */
        GOLDEN("GET / HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "431\n"),
    };
    GOLDEN_CHECK(goldens, &tiny);
}

static void test_long_target(void **state)
{
    (void)state;
    static const struct http_limits wide = {.max_header_bytes = 32 * 1024, .max_body_bytes = 8};
    for (int extra = 0; extra < 2; extra++) {
        struct replay replay = {.limits = &wide, .cut = replay_cut_whole};
        struct buf bytes;
        buf_init(&bytes, 16 * 1024);
        assert_int_equal(buf_printf(&bytes, "GET /%0*d HTTP/1.0\r\n\r\n", 8191 + extra, 0), 0);
        replay_run(&replay, bytes.data, bytes.len);
        assert_memory_equal(replay.log.data, extra ? "414\n" : "GET ", 4);
        buf_release(&replay.log);
        buf_release(&bytes);
    }
}

/* A client that sends a byte at a time must not make the server look at all of them each time. */
static void test_scan_goes_on_where_it_was(void **state)
{
    (void)state;
    static const char bytes[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct http_scan scan = {0};
    for (size_t len = 1; len < sizeof(bytes) - 1; len++) {
        assert_int_equal(http_head_scan(&scan, (struct str){bytes, len}), HTTP_HEAD_UNFINISHED);
        assert_int_equal(scan.seen, len);
    }
    assert_int_equal(http_head_scan(&scan, (struct str){bytes, sizeof(bytes) - 1}), sizeof(bytes) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_line), cmocka_unit_test(test_targets),
        cmocka_unit_test(test_field_lines),  cmocka_unit_test(test_host),
        cmocka_unit_test(test_authority),    cmocka_unit_test(test_connection),
        cmocka_unit_test(test_sentences),    cmocka_unit_test(test_limits),
        cmocka_unit_test(test_long_target),  cmocka_unit_test(test_scan_goes_on_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
