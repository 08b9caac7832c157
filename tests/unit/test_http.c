/* Requests out of bytes: bodies, framing that two parsers could read differently, pipelining, limits. */
#include "http_golden.h"

#include <errno.h>

static const struct http_limits limits = {.max_header_bytes = 512, .max_body_bytes = 16};

#define POST(fields)   "POST /p HTTP/1.1\r\nHost: a\r\n" fields "\r\n"
#define CHUNKED(rest)  POST("Transfer-Encoding: chunked\r\n") rest
#define NEXT           "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
#define LENGTH(number) POST("Content-Length: " number "\r\n")

static void test_bodies_with_a_length(void **state)
{
    (void)state;
    static const struct golden goldens[] = {
        GOLDEN(LENGTH("5") "hello", "POST /p body=hello\n"),
        GOLDEN(LENGTH(" 5  ") "hello" NEXT, "POST /p body=hello\nGET /next\n"),
        GOLDEN(LENGTH("00005") "hello\r\n" NEXT, "POST /p body=hello\nGET /next\n"),
        GOLDEN(LENGTH("0") NEXT, "POST /p\nGET /next\n"),
        GOLDEN(LENGTH("16") "0123456789abcdef" NEXT, "POST /p body=0123456789abcdef\nGET /next\n"),
        GOLDEN(LENGTH("4") "\0\r\n\n" NEXT, "POST /p body=\0\r\n\n\nGET /next\n"),
        GOLDEN(LENGTH("5") "hell", "mid body\n"),
        GOLDEN("GET /g HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" NEXT, "GET /g body=hi\nGET /next\n"),
        GOLDEN("POST /p HTTP/1.0\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi" NEXT,
               "POST /p 1.0 body=hi\nGET /next\n"),
        /* the fields of a head that arrived long before the body's end */
        GOLDEN("PUT /items/7?x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nIf-Match: \"3\"\r\n"
               "Content-Length: 2\r\n\r\n{}",
               "PUT /items/7 ?x type=application/json if-match=\"3\" body={}\n"),
        /* too long: refused before the body comes */
        GOLDEN(LENGTH("17"), "413\n"),
        GOLDEN(LENGTH("18446744073709551615"), "413\n"),
        GOLDEN(LENGTH("18446744073709551616"), "400\n"),
        GOLDEN(LENGTH("99999999999999999999999"), "400\n"),
        /* not a plain number */
        GOLDEN(LENGTH(""), "400\n"),
        GOLDEN(LENGTH("5\t") "hello", "POST /p body=hello\n"), /* llhttp must not see that tab */
        GOLDEN(LENGTH(" \t5 \t ") "hello", "POST /p body=hello\n"),
        GOLDEN(LENGTH("5\t6") "hello", "400\n"),
        GOLDEN(LENGTH("+5") "hello", "400\n"),
        GOLDEN(LENGTH("-5") "hello", "400\n"),
        GOLDEN(LENGTH("0x5") "hello", "400\n"),
        GOLDEN(LENGTH("5 5") "hello", "400\n"),
        GOLDEN(LENGTH("5, 5") "hello", "400\n"),
        GOLDEN(LENGTH("5.0") "hello", "400\n"),
        GOLDEN(LENGTH("5\r\nContent-Length: 5") "hello", "400\n"),
        GOLDEN(LENGTH("5\r\nContent-Length: 6") "hello", "400\n"),
    };
    GOLDEN_CHECK(goldens, &limits);
}

static void test_chunked_bodies(void **state)
{
    (void)state;
    static const struct golden goldens[] = {
        GOLDEN(CHUNKED("5\r\nhello\r\n0\r\n\r\n"), "POST /p body=hello\n"),
        GOLDEN(CHUNKED("5\r\nhello\r\n0\r\n\r\n" NEXT), "POST /p body=hello\nGET /next\n"),
        GOLDEN(CHUNKED("0\r\n\r\n" NEXT), "POST /p\nGET /next\n"),
        GOLDEN(CHUNKED("00\r\n\r\n" NEXT), "POST /p\nGET /next\n"),
        GOLDEN(CHUNKED("1\r\na\r\n2\r\n\r\n\r\nA\r\n0123456789\r\n000\r\n\r\n"),
               "POST /p body=a\r\n0123456789\n"),
        GOLDEN(CHUNKED("0000000000000000a\r\n0123456789\r\n0\r\n\r\n"), "POST /p body=0123456789\n"),
        GOLDEN(CHUNKED("2;a\r\nhi\r\n0;b=c;d=\"e f\"\r\n\r\n"), "POST /p body=hi\n"),
        GOLDEN(CHUNKED("2\r\nhi\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n" NEXT), "POST /p body=hi\nGET /next\n"),
        GOLDEN(CHUNKED("2\r\nhi\r\n0\r\nContent-Length-Not: 1\r\nConnection: close\r\n\r\n" NEXT),
               "POST /p body=hi\nGET /next\n"),
        GOLDEN(POST("transfer-ENCODING: \tCHUNKED \r\n") "2\r\nhi\r\n0\r\n\r\n", "POST /p body=hi\n"),
        GOLDEN(POST("Transfer-Encoding: chunked\t\r\n") "2\r\nhi\r\n0\r\n\r\n", "POST /p body=hi\n"),
        GOLDEN(CHUNKED(""), "mid body\n"),
        GOLDEN(CHUNKED("5\r\nhello\r\n0\r\n"), "mid body\n"),
        /* limits */
        GOLDEN(CHUNKED("10\r\n0123456789abcdef\r\n0\r\n\r\n"), "POST /p body=0123456789abcdef\n"),
        GOLDEN(CHUNKED("11\r\n"), "413\n"),
        GOLDEN(CHUNKED("8\r\n01234567\r\n9\r\n"), "413\n"),
        GOLDEN(CHUNKED("ffffffffffffffff\r\n"), "413\n"),
        GOLDEN(CHUNKED("10000000000000000\r\n"), "400\n"),
        GOLDEN(CHUNKED("1\r\na\r\nffffffffffffffff\r\n"), "413\n"),
        /* sizes */
        GOLDEN(CHUNKED("\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED(";a\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("0x5\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("+5\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("-1\r\n"), "400\n"),
        GOLDEN(CHUNKED(" 5\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5 \r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5 ;a\r\nhello\r\n0\t ;b\r\n\r\n"), "POST /p body=hello\n"),
        GOLDEN(CHUNKED("5; a = b\t;c=\"\\\"\\\\;\t\";d \r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5; a = b\t;c=\"\\\"\\\\;\t\" ;d\r\nhello\r\n0;e=\"\"\r\n\r\n"), "POST /p body=hello\n"),
        GOLDEN(CHUNKED("5;\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5;;a\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5;=a\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5;a=\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5;a=b c\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5;a=b=c\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5;a=\"b\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5;a=\"b\\\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5;a=\"b\"c\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5;a=\"\x7f\"\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5;\xc3\xa4\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5 5\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5\t \r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("g\r\n"), "400\n"),
        GOLDEN(CHUNKED("5,5\r\nhello\r\n0\r\n\r\n"), "400\n"),
        /* ends of lines */
        GOLDEN(CHUNKED("5\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5\rhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5\r\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5;a\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5;a\rb\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5;a=\"\nb\"\r\nhello\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5\r\nhello\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5\r\nhello\r0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5\r\nhello0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("5\r\nhello!\r\n0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("0\r\n\n"), "400\n"),
        GOLDEN(CHUNKED("0\r\n\rX"), "400\n"),
        /* trailers */
        GOLDEN(CHUNKED("0\r\nContent-Length: 5\r\n\r\nhello"), "400\n"),
        GOLDEN(CHUNKED("0\r\nTRANSFER-ENCODING: chunked\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("0\r\nHost: b\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("0\r\nX: 1\r\nHost: b\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("0\r\nX: 1\r\n Y: 2\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("0\r\n X: 1\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("0\r\n: 1\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("0\r\nX : 1\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("0\r\nX\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("0\r\nX: a\nY: b\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("0\r\nX: \0\r\n\r\n"), "400\n"),
        GOLDEN(CHUNKED("0\r\nGET / HTTP/1.1\r\n\r\n"), "400\n"),
    };
    GOLDEN_CHECK(goldens, &limits);
}

/* Shapes that one parser takes for one request and another for two. */
static void test_smuggling(void **state)
{
    (void)state;
    static const struct golden goldens[] = {
        GOLDEN(POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n" NEXT, "400\n"),
        GOLDEN(POST("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") "0\r\n\r\n" NEXT, "400\n"),
        GOLDEN(POST("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n") "0\r\n\r\n" NEXT, "400\n"),
        GOLDEN("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400\n"),
        GOLDEN(POST("Transfer-Encoding:\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: gzip\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: identity\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: xchunked\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: chunked;q=1\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: \"chunked\"\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: chunked, gzip\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: chunked, chunked\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: gzip, chunked\r\n"), "501\n"),
        /* the first fault counts, whichever llhttp it is */
        GOLDEN(POST("Content-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: gzip, chunked\r\nContent-Length: 5\r\n"), "501\n"),
        GOLDEN(POST("Transfer-Encoding: chunked\r\nContent-Length: 5\r\nExpect: x\r\n"), "400\n"),
        GOLDEN(POST("Expect: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"), "417\n"),
        /* but for a line that is not well-formed, which comes first */
        GOLDEN(POST("Expect: x\r\nContent-Length : 5\r\n"), "400\n"),
        GOLDEN(POST("Expect: x\r\n: y\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: , chunked\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: chunked,\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: chunked, \r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: chunked,,chunked\r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding: gzip, chunked, \r\n"), "400\n"),
        GOLDEN(POST("Transfer-Encoding : chunked\r\n") "0\r\n\r\n", "400\n"),
        GOLDEN(POST("Transfer-Encoding\r\n : chunked\r\n") "0\r\n\r\n", "400\n"),
        GOLDEN(POST("X: y\r\n Transfer-Encoding: chunked\r\n") "0\r\n\r\n", "400\n"),
        GOLDEN(POST("X: y\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n", "400\n"),
        GOLDEN(POST("X: y\rTransfer-Encoding: chunked\r\n") "0\r\n\r\n", "400\n"),
        GOLDEN(POST("Content-Length: 3\r\n Content-Length: 0\r\n") "abc", "400\n"),
        GOLDEN(POST("Content-Length:\r\n 3\r\n") "abc", "400\n"),
        GOLDEN(POST("Content-Length: 3\r4\r\n") "abc", "400\n"),
        GOLDEN(POST("Content_Length: 3\r\n") "GET", "POST /p\nmid head\n"),
        GOLDEN(POST("Content-Length: 3\r\nUpgrade: h2c\r\nConnection: upgrade\r\n") "abc" NEXT,
               "POST /p body=abc\nGET /next\n"),
    };
    GOLDEN_CHECK(goldens, &limits);
}

static void test_pipelining(void **state)
{
    (void)state;
    static const struct golden goldens[] = {
        GOLDEN(NEXT NEXT NEXT, "GET /next\nGET /next\nGET /next\n"),
        GOLDEN(NEXT LENGTH("2") "hi" CHUNKED("1\r\nx\r\n0\r\n\r\n") NEXT "\r\n" NEXT "GET /",
               "GET /next\nPOST /p body=hi\nPOST /p body=x\nGET /next\nGET /next\nmid head\n"),
        GOLDEN(NEXT "\r\n", "GET /next\n"),
        GOLDEN(NEXT LENGTH("2") "h", "GET /next\nmid body\n"),
        GOLDEN(NEXT CHUNKED("2\r\nh"), "GET /next\nmid body\n"),
        GOLDEN(NEXT "bad\r\n\r\n" NEXT, "GET /next\n400\n"),
        GOLDEN(NEXT "\r\n\r\n\r\n\r\n" NEXT "\r\n\r\n\r\n\r\n" NEXT, "GET /next\nGET /next\nGET /next\n"),
    };
    GOLDEN_CHECK(goldens, &limits);
}

/* A thousand requests held at once come out in order, and what is held is counted right. */
static void test_hold(void **state)
{
    (void)state;
    struct http_codec codec;
    char text[64], bytes[HTTP_PIPELINE_MAX];
    http_init(&codec, &limits);
    assert_int_equal(http_feed(&codec, NEXT, sizeof(NEXT) - 1), HTTP_EVENT_REQUEST);
    long held = 0;
    for (int i = 0; i < 1000; i++) {
        int len = snprintf(text, sizeof(text), "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
        held += len;
        assert_int_equal(http_hold(&codec, text, (size_t)len), held);
    }
    for (int i = 0; i < 1000; i++) {
        int len = snprintf(text, sizeof(text), "/%d", i);
        if (i == 500) {
            /* those that were given out take no room any more */
            held = 500 * (long)strlen("GET /500 HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_int_equal(http_hold(&codec, "", 0), held);
        }
        assert_int_equal(http_next(&codec), HTTP_EVENT_REQUEST);
        assert_true(str_eq(codec.request.path, (struct str){text, (size_t)len}));
    }
    assert_int_equal(http_next(&codec), HTTP_EVENT_MORE);
    assert_null(codec.in.data);

    /* a reader that does not stop at HTTP_PIPELINE_MAX is stopped */
    assert_int_equal(http_feed(&codec, NEXT, sizeof(NEXT) - 1), HTTP_EVENT_REQUEST);
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(http_hold(&codec, bytes, sizeof(bytes)), HTTP_PIPELINE_MAX);
    assert_int_equal(http_hold(&codec, bytes, sizeof(bytes)), 2 * HTTP_PIPELINE_MAX);
    assert_int_equal(http_hold(&codec, bytes, sizeof(bytes)), -EMSGSIZE);
    http_deinit(&codec);
}

static enum http_event feed(struct http_codec *codec, const char *text)
{
    return http_feed(codec, text, strlen(text));
}

static void test_expect(void **state)
{
    (void)state;
    struct http_codec codec;
    http_init(&codec, &limits);
    assert_int_equal(feed(&codec, POST("Content-Length: 2\r\nExpect: 100-Continue\r\n")), HTTP_EVENT_CONTINUE);
    assert_true(http_phase(&codec) == HTTP_PHASE_BODY);
    assert_int_equal(feed(&codec, "h"), HTTP_EVENT_MORE); /* once */
    assert_int_equal(feed(&codec, "i"), HTTP_EVENT_REQUEST);
    assert_int_equal(http_next(&codec), HTTP_EVENT_MORE);

    assert_int_equal(feed(&codec, POST("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n")),
                     HTTP_EVENT_CONTINUE);
    assert_int_equal(feed(&codec, "0\r\n\r\n"), HTTP_EVENT_REQUEST);

    /* a pipelined one asks when its turn comes */
    const char expecting[] = POST("Content-Length: 1\r\nExpect: 100-continue\r\n");
    assert_true(http_hold(&codec, expecting, sizeof(expecting) - 1) > 0);
    assert_int_equal(http_next(&codec), HTTP_EVENT_CONTINUE);
    assert_int_equal(feed(&codec, "x"), HTTP_EVENT_REQUEST);
    assert_int_equal(http_next(&codec), HTTP_EVENT_MORE);

    /* a part of the body has come: nobody waits for a word; HTTP/1.0 has no such word */
    assert_int_equal(feed(&codec, POST("Content-Length: 2\r\nExpect: 100-continue\r\n") "h"), HTTP_EVENT_MORE);
    assert_int_equal(feed(&codec, "i"), HTTP_EVENT_REQUEST);
    assert_int_equal(http_next(&codec), HTTP_EVENT_MORE);
    assert_int_equal(feed(&codec, "POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
                     HTTP_EVENT_MORE);
    http_deinit(&codec);

    static const struct golden goldens[] = {
        GOLDEN(POST("Expect: 100-continue\r\n"), "POST /p\n"),
        GOLDEN(POST("Content-Length: 0\r\nExpect: 100-continue\r\n"), "POST /p\n"),
        GOLDEN(POST("Expect: 200-ok\r\n"), "417\n"),
        GOLDEN(POST("Expect:\r\n"), "POST /p\n"),
        GOLDEN(POST("Expect: , 100-continue,,100-CONTINUE\r\n"), "POST /p\n"),
        GOLDEN(POST("Expect: 100-continue\r\nExpect: x\r\n"), "417\n"),
        GOLDEN(POST("Expect: 100-continue, x\r\n"), "417\n"),
        GOLDEN("GET / HTTP/1.0\r\nExpect: x\r\n\r\n", "GET / 1.0 close\n"),
        GOLDEN(POST("Content-Length: 17\r\nExpect: 100-continue\r\n"), "413\n"),
    };
    GOLDEN_CHECK(goldens, &limits);
}

static bool wants_longer_path(const struct http_request *request)
{
    return request->path.len > 2;
}

/* A client that asks before it sends a body that nobody wants gets its response at once: the last one. */
static void test_unwanted_body(void **state)
{
    (void)state;
    const struct http_limits asking = {
        .max_header_bytes = 512, .max_body_bytes = 16, .wants_body = wants_longer_path};
    struct http_codec codec;
    http_init(&codec, &asking);
    assert_int_equal(feed(&codec, POST("Content-Length: 2\r\nExpect: 100-continue\r\n")), HTTP_EVENT_REQUEST);
    assert_false(codec.request.keep_alive);
    assert_non_null(codec.request.body.ptr); /* there is one */
    assert_int_equal(codec.request.body.len, 0);
    assert_int_equal(http_hold(&codec, "hi", 2), 2);
    http_deinit(&codec);

    http_init(&codec, &asking);
    const char expecting[] = POST("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n");
    for (size_t i = 0; i < sizeof(expecting) - 2; i++)
        assert_int_equal(http_feed(&codec, expecting + i, 1), HTTP_EVENT_MORE);
    assert_int_equal(feed(&codec, "\n"), HTTP_EVENT_REQUEST);
    assert_false(codec.request.keep_alive);
    http_deinit(&codec);

    /* one that is wanted; and where the client does not wait for a word, the body is read */
    http_init(&codec, &asking);
    assert_int_equal(
        feed(&codec, "POST /pp HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
        HTTP_EVENT_CONTINUE);
    assert_int_equal(feed(&codec, "hi"), HTTP_EVENT_REQUEST);
    assert_int_equal(http_next(&codec), HTTP_EVENT_MORE);
    assert_int_equal(feed(&codec, POST("Content-Length: 2\r\nExpect: 100-continue\r\n") "hi"),
                     HTTP_EVENT_REQUEST);
    assert_true(codec.request.keep_alive);
    http_deinit(&codec);
}

/* A body of no bytes is not the same as none (411). */
static void test_empty_bodies(void **state)
{
    (void)state;
    struct http_codec codec;
    http_init(&codec, &limits);
    assert_int_equal(feed(&codec, POST("")), HTTP_EVENT_REQUEST);
    assert_null(codec.request.body.ptr);
    assert_int_equal(http_next(&codec), HTTP_EVENT_MORE);
    assert_int_equal(feed(&codec, LENGTH("0")), HTTP_EVENT_REQUEST);
    assert_non_null(codec.request.body.ptr);
    assert_int_equal(http_next(&codec), HTTP_EVENT_MORE);
    assert_int_equal(feed(&codec, CHUNKED("0\r\n\r\n")), HTTP_EVENT_REQUEST);
    assert_non_null(codec.request.body.ptr);
    assert_int_equal(http_next(&codec), HTTP_EVENT_MORE);
    assert_int_equal(feed(&codec, CHUNKED("0\r\n")), HTTP_EVENT_MORE);
    assert_int_equal(feed(&codec, "\r\n"), HTTP_EVENT_REQUEST);
    assert_non_null(codec.request.body.ptr);
    http_deinit(&codec);
}

static void test_time_out(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool is_head;
    } cases[] = {{"HEAD / HTTP/1.1\r\nHo", true},
                 {"HEA", false},
                 {"GET / HTTP/1.1\r\n", false},
                 {"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", true},
                 {LENGTH("2") "h", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_codec codec;
        http_init(&codec, &limits);
        assert_int_equal(feed(&codec, cases[i].bytes), HTTP_EVENT_MORE);
        http_time_out(&codec);
        assert_int_equal(codec.refusal.status, 408);
        assert_int_equal(codec.refusal.is_head, cases[i].is_head);
        http_deinit(&codec);
    }
}

/* Where a client has stopped decides what a time-out means. */
static void test_where_it_is(void **state)
{
    (void)state;
    struct http_codec codec;
    http_init(&codec, &limits);
    assert_false(http_phase(&codec) != HTTP_PHASE_IDLE);
    assert_int_equal(http_phase(&codec), HTTP_PHASE_IDLE);
    assert_int_equal(feed(&codec, "\r\n"), HTTP_EVENT_MORE);
    assert_false(http_phase(&codec) != HTTP_PHASE_IDLE);
    assert_int_equal(http_phase(&codec), HTTP_PHASE_IDLE);
    assert_int_equal(feed(&codec, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"), HTTP_EVENT_MORE);
    assert_true(http_phase(&codec) != HTTP_PHASE_IDLE);
    assert_false(http_phase(&codec) == HTTP_PHASE_BODY);
    assert_int_equal(http_phase(&codec), HTTP_PHASE_HEAD);
    assert_int_equal(feed(&codec, "\r\n"), HTTP_EVENT_MORE);
    assert_true(http_phase(&codec) != HTTP_PHASE_IDLE);
    assert_true(http_phase(&codec) == HTTP_PHASE_BODY);
    assert_int_equal(http_phase(&codec), HTTP_PHASE_BODY);
    assert_int_equal(feed(&codec, "hiG"), HTTP_EVENT_REQUEST);
    assert_false(http_phase(&codec) != HTTP_PHASE_IDLE);
    assert_false(http_phase(&codec) == HTTP_PHASE_BODY);
    assert_int_equal(http_phase(&codec), HTTP_PHASE_IDLE); /* of the next request nothing is looked at yet */
    assert_int_equal(http_next(&codec), HTTP_EVENT_MORE);
    assert_true(http_phase(&codec) != HTTP_PHASE_IDLE);
    assert_int_equal(http_phase(&codec), HTTP_PHASE_HEAD);
    http_deinit(&codec);

    http_init(&codec, &limits);
    assert_int_equal(feed(&codec, CHUNKED("1\r\n")), HTTP_EVENT_MORE);
    assert_int_equal(http_phase(&codec), HTTP_PHASE_BODY);
    assert_int_equal(feed(&codec, "a\r\n0\r\n\r\n" NEXT), HTTP_EVENT_REQUEST);
    assert_int_equal(http_next(&codec), HTTP_EVENT_REQUEST);
    assert_int_equal(http_next(&codec), HTTP_EVENT_MORE);
    assert_int_equal(http_phase(&codec), HTTP_PHASE_IDLE);
    assert_int_equal(feed(&codec, "bad\r\n"), HTTP_EVENT_REFUSED);
    assert_int_equal(http_phase(&codec), HTTP_PHASE_IDLE);
    http_deinit(&codec);
}

/* The common request: one read holds it, and nothing is copied. */
static void test_no_copy(void **state)
{
    (void)state;
    static const char bytes[] = LENGTH("2") "hi";
    struct http_codec codec;
    http_init(&codec, &limits);
    assert_int_equal(http_feed(&codec, bytes, sizeof(bytes) - 1), HTTP_EVENT_REQUEST);
    assert_ptr_equal(codec.request.path.ptr, bytes + strlen("POST "));
    assert_ptr_equal(codec.request.body.ptr, bytes + sizeof(bytes) - 3);
    assert_null(codec.in.data);
    assert_null(codec.body.data);
    http_deinit(&codec);
}

/* The head moves, to the front of its buffer and then to a larger one, while the body arrives. */
static void test_slices_follow_the_head(void **state)
{
    (void)state;
    static const char *const targets[] = {"http://a?x", "/p?x", "*"};
    static const char *const methods[] = {"PUT", "PUT", "OPTIONS"};
    static const char *const paths[] = {"/", "/p", "*"};
    static char rest[HTTP_PIPELINE_MAX];
    memset(rest, '\n', sizeof(rest));
    memcpy(rest, "hi", 2);
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct http_codec codec;
        char head[128];
        int len =
            snprintf(head, sizeof(head),
                     "%s %s HTTP/1.1\r\nHost: a\r\nIf-Match: b\r\nContent-Type: c\r\nContent-Length: 2\r\n\r\n",
                     methods[i], targets[i]);
        http_init(&codec, &limits);
        assert_int_equal(http_feed(&codec, NEXT "GET", sizeof(NEXT "GET") - 1), HTTP_EVENT_REQUEST);
        assert_int_equal(http_hold(&codec, &NEXT[3], sizeof(NEXT) - 4), sizeof(NEXT) - 1);
        assert_true(http_hold(&codec, head, (size_t)len) > len);
        memset(head, '!', sizeof(head));
        assert_int_equal(http_next(&codec), HTTP_EVENT_REQUEST);
        assert_int_equal(http_next(&codec), HTTP_EVENT_MORE);
        assert_int_equal(http_feed(&codec, rest, sizeof(rest)), HTTP_EVENT_REQUEST);
        assert_true(str_eq(codec.request.path, (struct str){paths[i], strlen(paths[i])}));
        assert_true(str_eq(codec.request.query, targets[i][0] == '*' ? STR("") : STR("x")));
        assert_true(str_eq(codec.request.content_type, STR("c")));
        assert_true(str_eq(codec.request.body, STR("hi")));
        struct str fields = codec.request.fields, value;
        assert_true(http_next_value(&fields, STR("if-match"), &value));
        assert_true(str_eq(value, STR("b")));
        http_deinit(&codec);
    }
}

/* A whole body in chunks of one byte passes; extensions and trailers without end do not. */
static void test_framing_is_bounded(void **state)
{
    (void)state;
    static const struct http_limits wide = {.max_header_bytes = 256, .max_body_bytes = 4096};
    struct http_codec codec;
    http_init(&codec, &wide);
    assert_int_equal(feed(&codec, CHUNKED("")), HTTP_EVENT_MORE);
    for (int i = 0; i < 4096; i++)
        assert_int_equal(feed(&codec, "1\r\nx\r\n"), HTTP_EVENT_MORE);
    assert_int_equal(feed(&codec, "0\r\n\r\n"), HTTP_EVENT_REQUEST);
    assert_int_equal(codec.request.body.len, 4096);
    assert_int_equal(http_next(&codec), HTTP_EVENT_MORE);

    enum http_event event = feed(&codec, CHUNKED(""));
    for (int i = 0; i < 4096 && event == HTTP_EVENT_MORE; i++)
        event = feed(&codec, "1;extension\r\nx\r\n");
    assert_int_equal(event, HTTP_EVENT_REFUSED);
    assert_int_equal(codec.refusal.status, 413);
    http_deinit(&codec);

    http_init(&codec, &wide);
    event = feed(&codec, CHUNKED("0\r\n"));
    for (int i = 0; i < 256 && event == HTTP_EVENT_MORE; i++)
        event = feed(&codec, "X: y\r\n");
    assert_int_equal(event, HTTP_EVENT_REFUSED);
    assert_int_equal(codec.refusal.status, 431);
    http_deinit(&codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies_with_a_length),
        cmocka_unit_test(test_chunked_bodies),
        cmocka_unit_test(test_smuggling),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_unwanted_body),
        cmocka_unit_test(test_empty_bodies),
        cmocka_unit_test(test_time_out),
        cmocka_unit_test(test_where_it_is),
        cmocka_unit_test(test_no_copy),
        cmocka_unit_test(test_slices_follow_the_head),
        cmocka_unit_test(test_framing_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
