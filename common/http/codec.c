#include "http/codec.h"

#include <assert.h>

#include "http/head.h"

enum state {
    READING_HEAD,
    READING_BODY,   /* with a length; the head lies in `in`, the body is collected in `body` */
    READING_CHUNKS, /* the same, chunked */
    GIVEN_OUT,      /* the caller has the request */
    REFUSED,
};

/* RFC 9112 2.2 asks for one at least: an old client sends CR LF after a body. */
enum { EMPTY_LINES_MAX = 4 };

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

static void codec_move(struct http_codec *codec, enum state state)
{
    assert(codec->state != REFUSED && "a refusal is the last that a codec gives out: close the connection");
    codec->state = (uint8_t)state;
}

/* Refuses the request that begins with `bytes`, which need not be complete, for what codec->refusal says. */
static enum http_event give_refusal(struct http_codec *codec, struct str bytes)
{
    codec->refusal.is_head = str_starts_with(bytes, STR("HEAD "));
    codec_move(codec, REFUSED);
    return HTTP_EVENT_REFUSED;
}

static enum http_event refuse(struct http_codec *codec, struct str bytes, int status, const char *detail)
{
    http_refuse(&codec->refusal, status, detail);
    return give_refusal(codec, bytes);
}

static enum http_event give_request(struct http_codec *codec)
{
    codec_move(codec, GIVEN_OUT);
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

/* The head has moved from `from` to the front of `in`: the slices of the request follow it. */
static void move_slices(struct http_codec *codec, uintptr_t from, size_t len)
{
    struct http_request *request = &codec->request;
    struct str *slices[] = {&request->path, &request->query, &request->fields, &request->content_type};
    for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
        uintptr_t at = (uintptr_t)slices[i]->ptr - from;
        if (at < len) /* else NULL, or a constant: the path of "http://a" */
            slices[i]->ptr = codec->in.data + at;
    }
}

static struct str cut_front(struct str bytes, size_t len)
{
    return (struct str){bytes.ptr + len, bytes.len - len};
}

/*
 * `view` begins with the request at hand. It is what was fed, and then `in` is empty; or it is what lies in
 * `in` from in_start on. The request ends after `used` bytes; the rest stays in `in` or is put there.
 */
static enum http_event end_request(struct http_codec *codec, struct str view, size_t used)
{
    if (codec->in.len > 0)
        codec->in_used = used;
    else if (keep(codec, cut_front(view, used)) != 0)
        return refuse(codec, view, 503, HTTP_OUT_OF_MEMORY);
    return give_request(codec);
}

/* Returns how many of the bytes belong to the body, or -1 and a refusal. */
static long read_body(struct http_codec *codec, struct str bytes)
{
    if (codec->state == READING_CHUNKS)
        return http_chunked_read(&codec->chunked, codec->limits, &codec->body, bytes.ptr, bytes.len,
                                 &codec->refusal);
    size_t len = bytes.len < codec->body_left ? bytes.len : (size_t)codec->body_left;
    if (buf_append(&codec->body, bytes.ptr, len) != 0) {
        http_refuse(&codec->refusal, 503, HTTP_OUT_OF_MEMORY);
        return -1;
    }
    codec->body_left -= len;
    return (long)len;
}

/* Whether all of the body has been read. If so it becomes the request's: ptr is not NULL even if it is empty.
 */
static bool take_body(struct http_codec *codec)
{
    bool done = codec->state == READING_CHUNKS ? http_chunked_is_done(&codec->chunked) : codec->body_left == 0;
    if (done)
        codec->request.body = codec->body.len > 0 ? (struct str){codec->body.data, codec->body.len} : STR("");
    return done;
}

/* The bytes fed so far end within the body, which has its own buffer. The head must stay in `in`, alone. */
static enum http_event await_body(struct http_codec *codec, struct str head, bool ask)
{
    if (codec->in.len > 0) {
        codec->in.len = codec->in_start + head.len;
    } else {
        if (keep(codec, head) != 0)
            return refuse(codec, head, 503, HTTP_OUT_OF_MEMORY);
        move_slices(codec, (uintptr_t)head.ptr, head.len);
    }
    codec->in_used = head.len;
    return ask ? HTTP_EVENT_CONTINUE : HTTP_EVENT_MORE;
}

/* `view` begins with a complete head of head_len bytes. */
static enum http_event take_head(struct http_codec *codec, struct str view, size_t head_len)
{
    struct str head = {view.ptr, head_len}, rest = cut_front(view, head_len);
    struct http_fields fields = {.request = &codec->request, .refusal = &codec->refusal};
    bool good = http_head_parse(head, &codec->scan, codec->limits, &fields);
    codec->scan = (struct http_scan){0};
    codec->empty_lines = 0;
    if (!good)
        return give_refusal(codec, head);
    if (!fields.chunked && fields.length <= rest.len) {
        if (fields.has_length)
            codec->request.body = (struct str){rest.ptr, fields.length};
        return end_request(codec, view, head_len + fields.length);
    }
    bool asks = fields.expects_continue && rest.len == 0;
    if (asks && codec->limits->wants_body != NULL && !codec->limits->wants_body(&codec->request)) {
        codec->request.keep_alive = false; /* the client may send the body all the same */
        codec->request.body = STR("");
        return end_request(codec, view, head_len);
    }
    codec_move(codec, fields.chunked ? READING_CHUNKS : READING_BODY);
    codec->chunked = (struct http_chunked){0};
    codec->body_left = fields.length;
    long used = read_body(codec, rest);
    if (used < 0)
        return give_refusal(codec, head);
    if (!take_body(codec))
        return await_body(codec, head, asks);
    return end_request(codec, view, head_len + (size_t)used);
}

/* The bytes of `view` that are left over are kept, if they are not in `in` already. */
static enum http_event await_head(struct http_codec *codec, struct str view)
{
    if (codec->in.len == 0 && keep(codec, view) != 0)
        return refuse(codec, view, 503, HTTP_OUT_OF_MEMORY);
    if (codec->in.len == codec->in_start) {
        codec->in_start = 0;
        buf_release(&codec->in);
    }
    return HTTP_EVENT_MORE;
}

/*
 * Check the request line as soon as it is complete and report its errors first: a client of another
 * protocol never sends the empty line that ends a head, and would wait forever.
 */
static bool check_request_line(struct http_codec *codec, struct str view)
{
    struct http_scan *scan = &codec->scan;
    if (scan->line == 0 || scan->request_line_is_checked)
        return true;
    scan->request_line_is_checked = true;
    return http_request_line_check(view, &codec->refusal);
}

static enum http_event read_head(struct http_codec *codec, struct str view)
{
    size_t max = codec->limits->max_header_bytes;
    for (;;) {
        /* No further than the limit, so that it does not matter how the bytes were split. */
        struct str window = {view.ptr, view.len < max ? view.len : max};
        long len = http_head_scan(&codec->scan, window);
        if (len > 2)
            return take_head(codec, view, (size_t)len);
        if (!check_request_line(codec, view))
            return give_refusal(codec, view);
        if (len == HTTP_HEAD_BARE_LF)
            return refuse(codec, view, 400, "A line of the head ends in LF alone; end every line in CR LF.");
        if (len == HTTP_HEAD_UNFINISHED)
            break;
        if (++codec->empty_lines > EMPTY_LINES_MAX)
            return refuse(codec, view, 400,
                          "Too many empty lines stand before the request line; leave them out.");
        codec->scan = (struct http_scan){0};
        view = cut_front(view, 2);
        codec->in_start += codec->in.len > 0 ? 2 : 0;
    }
    if (view.len <= max)
        return await_head(codec, view);
    if (codec->scan.line == 0)
        return refuse(codec, view, 414,
                      "The request line is longer than the server's limit; shorten the target.");
    return refuse(codec, view, 431,
                  "The head is longer than the server's limit; send fewer or shorter fields.");
}

/* More of a body whose head lies in `in`. */
static enum http_event continue_body(struct http_codec *codec, struct str bytes)
{
    struct str head = input(codec);
    uintptr_t from = (uintptr_t)head.ptr;
    long used = read_body(codec, bytes);
    if (used < 0)
        return give_refusal(codec, head);
    if (!take_body(codec))
        return HTTP_EVENT_MORE;
    if (keep(codec, cut_front(bytes, (size_t)used)) != 0)
        return refuse(codec, input(codec), 503, HTTP_OUT_OF_MEMORY);
    move_slices(codec, from, head.len);
    return give_request(codec);
}

enum http_event http_feed(struct http_codec *codec, const char *bytes, size_t len)
{
    struct str view = {bytes, len};
    assert(codec->state != GIVEN_OUT && "http_feed while a request is being handled: use http_hold");
    assert(codec->state != REFUSED && "http_feed after a refusal: close the connection");
    assert(len <= HTTP_PIPELINE_MAX && "http_feed takes one read at a time");
    if (codec->state != READING_HEAD)
        return continue_body(codec, view);
    if (codec->in.len == 0)
        return read_head(codec, view);
    if (keep(codec, view) != 0)
        return refuse(codec, input(codec), 503, HTTP_OUT_OF_MEMORY);
    return read_head(codec, input(codec));
}

enum http_event http_next(struct http_codec *codec)
{
    assert(codec->state == GIVEN_OUT && "http_next without a request that was given out");
    codec->in_start += codec->in_used;
    codec->in_used = 0;
    buf_release(&codec->body);
    codec->request = (struct http_request){0};
    codec_move(codec, READING_HEAD);
    if (codec->in.len > codec->in_start)
        return read_head(codec, input(codec));
    codec->in_start = 0;
    buf_release(&codec->in);
    return HTTP_EVENT_MORE;
}

long http_hold(struct http_codec *codec, const char *bytes, size_t len)
{
    assert(codec->state == GIVEN_OUT && "http_hold is for the time while a request is being handled");
    codec->in_start += codec->in_used;
    codec->in_used = 0;
    int error = keep(codec, (struct str){bytes, len});
    return error != 0 ? error : (long)codec->in.len;
}

void http_time_out(struct http_codec *codec)
{
    assert(http_phase(codec) != HTTP_PHASE_IDLE && "http_time_out between two requests: close the connection");
    refuse(codec, input(codec), 408, "The request was not complete in time; send it again without pausing.");
}

enum http_phase http_phase(const struct http_codec *codec)
{
    if (codec->state == READING_BODY || codec->state == READING_CHUNKS)
        return HTTP_PHASE_BODY;
    return codec->state == READING_HEAD && codec->in.len > 0 ? HTTP_PHASE_HEAD : HTTP_PHASE_IDLE;
}
