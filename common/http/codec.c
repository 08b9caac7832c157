#include "http/codec.h"

#include <assert.h>
#include <errno.h>

#include "http/head.h"

enum state {
    READING_HEAD,
    READING_BODY,    /* with a length; the head lies in `in`, the body is collected in `body` */
    READING_CHUNKED, /* the same, with chunks */
    GIVEN_OUT,       /* the caller has the request */
    REFUSED,
};

/* RFC 9112 2.2 asks for one at least: an old client's extra CR LF behind a body. */
enum { EMPTY_LINES_MAX = 4 };

static const char out_of_memory[] = "The server is out of memory; try again later.";

void http_init(struct http_codec *codec, const struct http_limits *limits)
{
    *codec = (struct http_codec){.limits = limits, .state = READING_HEAD};
    /* An unfinished head or less than HTTP_PIPELINE_MAX held, and one more read. */
    buf_init(&codec->in, limits->max_header_bytes + 2 * HTTP_PIPELINE_MAX);
    buf_init(&codec->body, limits->max_body_bytes);
}

void http_deinit(struct http_codec *codec)
{
    buf_release(&codec->in);
    buf_release(&codec->body);
}

/* Refuses the request that begins with `bytes`, which need not be complete, for what codec->refusal says. */
static enum http_event end_refused(struct http_codec *codec, struct str bytes)
{
    codec->refusal.is_head = str_starts_with(bytes, STR("HEAD "));
    codec->state = REFUSED;
    return HTTP_EVENT_REFUSED;
}

static enum http_event refuse(struct http_codec *codec, struct str bytes, int status, const char *detail)
{
    http_refuse(&codec->refusal, status, detail);
    return end_refused(codec, bytes);
}

static enum http_event give_out(struct http_codec *codec)
{
    codec->state = GIVEN_OUT;
    return HTTP_EVENT_REQUEST;
}

static struct str input(const struct http_codec *codec)
{
    return (struct str){codec->in.data + codec->in_start, codec->in.len - codec->in_start};
}

/* Appends to `in`; room is made first by dropping the requests before the one at hand. */
static int keep(struct http_codec *codec, struct str bytes)
{
    if (codec->in_start > 0) {
        buf_consume(&codec->in, codec->in_start);
        codec->in_start = 0;
    }
    return buf_append(&codec->in, bytes.ptr, bytes.len);
}

/* Returns how many of the bytes belong to the body, or -1 and a refusal. */
static long read_body(struct http_codec *codec, struct str bytes)
{
    if (codec->state == READING_CHUNKED)
        return http_chunked_read(&codec->chunked, bytes.ptr, bytes.len, &codec->refusal);
    size_t len = bytes.len < codec->body_left ? bytes.len : (size_t)codec->body_left;
    if (buf_append(&codec->body, bytes.ptr, len) != 0) {
        http_refuse(&codec->refusal, 503, out_of_memory);
        return -1;
    }
    codec->body_left -= len;
    return (long)len;
}

static bool body_is_done(const struct http_codec *codec)
{
    return codec->state == READING_CHUNKED ? http_chunked_is_done(&codec->chunked) : codec->body_left == 0;
}

static struct str cut_front(struct str bytes, size_t len)
{
    return (struct str){bytes.ptr + len, bytes.len - len};
}

/*
 * The request ends after `used` bytes of `view`, which is what was fed (borrowed) or `in`. The rest
 * stays in `in` or is put there; it is empty if bytes are borrowed.
 */
static enum http_event end_request(struct http_codec *codec, struct str view, bool borrowed, size_t used)
{
    if (!borrowed)
        codec->in_used = used;
    else if (keep(codec, cut_front(view, used)) != 0)
        return refuse(codec, view, 503, out_of_memory);
    return give_out(codec);
}

/* What of the body has been collected, all of it now. There is one, so ptr is not NULL even if it is empty. */
static struct str collected(const struct http_codec *codec)
{
    return codec->body.len > 0 ? (struct str){codec->body.data, codec->body.len} : STR("");
}

/* The body goes on behind what has been fed: the head must stay, and the body is in its own buffer. */
static enum http_event await_body(struct http_codec *codec, struct str head, bool borrowed, bool ask)
{
    if (!borrowed)
        codec->in.len = codec->in_start + head.len;
    else if (keep(codec, head) != 0)
        return refuse(codec, head, 503, out_of_memory);
    codec->in_used = head.len;
    return ask ? HTTP_EVENT_CONTINUE : HTTP_EVENT_MORE;
}

/* `view` starts with a complete head of head_len bytes. */
static enum http_event take_head(struct http_codec *codec, struct str view, bool borrowed, size_t head_len)
{
    struct str head = {view.ptr, head_len}, rest = cut_front(view, head_len);
    struct http_framing framing;
    codec->scan = (struct http_scan){0};
    codec->empty_lines = 0;
    if (!http_head_parse(head, codec->limits, &codec->request, &framing, &codec->refusal))
        return end_refused(codec, head);
    if (!framing.chunked && framing.length <= rest.len) {
        if (framing.has_length)
            codec->request.body = (struct str){rest.ptr, framing.length};
        return end_request(codec, view, borrowed, head_len + framing.length);
    }
    bool asks = framing.expects_continue && rest.len == 0;
    if (asks && codec->limits->wants_body != NULL && !codec->limits->wants_body(&codec->request)) {
        codec->request.keep_alive = false; /* the client may send the body all the same */
        codec->request.body = STR("");
        return end_request(codec, view, borrowed, head_len);
    }
    codec->state = framing.chunked ? READING_CHUNKED : READING_BODY;
    codec->body_left = framing.length;
    if (framing.chunked)
        http_chunked_start(&codec->chunked, codec->limits, &codec->body);
    long used = read_body(codec, rest);
    if (used < 0)
        return end_refused(codec, head);
    if (!body_is_done(codec))
        return await_body(codec, head, borrowed, asks);
    codec->request.body = collected(codec);
    return end_request(codec, view, borrowed, head_len + (size_t)used);
}

/* The bytes of `view` that are left over are kept, if they are not in `in` already. */
static enum http_event await_head(struct http_codec *codec, struct str view, bool borrowed)
{
    if (borrowed && keep(codec, view) != 0)
        return refuse(codec, view, 503, out_of_memory);
    if (codec->in.len == codec->in_start) {
        codec->in_start = 0;
        buf_release(&codec->in);
    }
    return HTTP_EVENT_MORE;
}

/*
 * A request line that is complete is checked at once, and what is wrong with it comes before anything behind
 * it: who speaks another protocol, HTTP/0.9 say, ends no head, and waits for an answer.
 */
static bool check_request_line(struct http_codec *codec, struct str view)
{
    struct http_request request = {0};
    struct http_scan *scan = &codec->scan;
    if (scan->line == 0 || scan->request_line_is_checked)
        return true;
    scan->request_line_is_checked = true;
    return http_request_line_parse(view, &request, &codec->refusal);
}

static enum http_event read_head(struct http_codec *codec, struct str view, bool borrowed)
{
    size_t max = codec->limits->max_header_bytes;
    for (;;) {
        /* No further than the limit, so that it does not matter how the bytes were split. */
        struct str window = {view.ptr, view.len < max ? view.len : max};
        long len = http_head_scan(&codec->scan, window);
        if (len > 2)
            return take_head(codec, view, borrowed, (size_t)len);
        if (!check_request_line(codec, view))
            return end_refused(codec, view);
        if (len == HTTP_HEAD_BARE_LF)
            return refuse(codec, view, 400, "A line of the head ends in LF alone; end every line in CR LF.");
        if (len == HTTP_HEAD_UNFINISHED)
            break;
        if (++codec->empty_lines > EMPTY_LINES_MAX)
            return refuse(codec, view, 400,
                          "Too many empty lines stand before the request line; leave them out.");
        codec->scan = (struct http_scan){0};
        view = cut_front(view, 2);
        codec->in_start += borrowed ? 0 : 2;
    }
    if (view.len <= max)
        return await_head(codec, view, borrowed);
    if (codec->scan.line == 0)
        return refuse(codec, view, 414,
                      "The request line is longer than the server's limit; shorten the target.");
    return refuse(codec, view, 431,
                  "The head is longer than the server's limit; send fewer or shorter fields.");
}

/* More of a body whose head lies in `in`. */
static enum http_event go_on_with_body(struct http_codec *codec, struct str bytes)
{
    long used = read_body(codec, bytes);
    if (used < 0)
        return end_refused(codec, input(codec));
    if (!body_is_done(codec))
        return HTTP_EVENT_MORE;
    if (keep(codec, cut_front(bytes, (size_t)used)) != 0)
        return refuse(codec, input(codec), 503, out_of_memory);
    /* `in` may have moved since the head was read: read it again where it lies now. */
    struct str head = {codec->in.data + codec->in_start, codec->in_used};
    struct http_framing framing;
    bool valid = http_head_parse(head, codec->limits, &codec->request, &framing, &codec->refusal);
    assert(valid && "a head that was valid is valid still");
    (void)valid;
    codec->request.body = collected(codec);
    return give_out(codec);
}

enum http_event http_feed(struct http_codec *codec, const char *bytes, size_t len)
{
    struct str view = {bytes, len};
    assert(codec->state != GIVEN_OUT && "http_feed while a request is being answered: use http_hold");
    assert(codec->state != REFUSED && "http_feed after a refusal: close the connection");
    assert(len <= HTTP_PIPELINE_MAX && "http_feed takes one read at a time");
    if (codec->state != READING_HEAD)
        return go_on_with_body(codec, view);
    if (codec->in.len == 0)
        return read_head(codec, view, true);
    if (keep(codec, view) != 0)
        return refuse(codec, input(codec), 503, out_of_memory);
    return read_head(codec, input(codec), false);
}

enum http_event http_next(struct http_codec *codec)
{
    assert(codec->state == GIVEN_OUT && "http_next without a request that was given out");
    codec->in_start += codec->in_used;
    codec->in_used = 0;
    buf_release(&codec->body);
    codec->request = (struct http_request){0};
    codec->state = READING_HEAD;
    if (codec->in.len > codec->in_start)
        return read_head(codec, input(codec), false);
    codec->in_start = 0;
    buf_release(&codec->in);
    return HTTP_EVENT_MORE;
}

long http_hold(struct http_codec *codec, const char *bytes, size_t len)
{
    assert(codec->state == GIVEN_OUT && "http_hold is for the time a request is being answered");
    codec->in_start += codec->in_used;
    codec->in_used = 0;
    int error = keep(codec, (struct str){bytes, len});
    return error != 0 ? error : (long)codec->in.len;
}

void http_time_out(struct http_codec *codec)
{
    assert(http_is_mid_request(codec) && "http_time_out between two requests: close the connection");
    refuse(codec, input(codec), 408, "The request was not complete in time; send it again without pausing.");
}

bool http_is_mid_request(const struct http_codec *codec)
{
    return http_awaits_body(codec) || (codec->state == READING_HEAD && codec->in.len > 0);
}

bool http_awaits_body(const struct http_codec *codec)
{
    return codec->state == READING_BODY || codec->state == READING_CHUNKED;
}
