/*
 * Feeds bytes to an HTTP codec in pieces and writes down what came out: golden tests compare that with
 * a text, the fuzzer compares one way of cutting with another. Every piece is a heap block of its own
 * that is freed as early as the codec's contract allows, so that ASan sees a slice kept too long.
 *
 * A line of the log is one of
 *     GET /path ?query type=... if-match=... 1.0 close body=...
 *     400                                     (refused)
 *     400 to HEAD                             (the same, and the response has no body)
 *     mid head | mid body                     (the bytes end within a request)
 * and an idle codec at the end adds nothing.
 */
#ifndef WB_HTTP_REPLAY_H
#define WB_HTTP_REPLAY_H

#include <stdio.h>
#include <stdlib.h>

#include "http/codec.h"

struct replay {
    const struct http_limits *limits;
    bool hold;                                       /* hand the next piece over while a request is given out */
    size_t (*cut)(const struct replay *, size_t at); /* length of the piece that begins at `at` */
    size_t cut_at;                                   /* for cut */

    struct buf log;
    const char *detail; /* of the refusal */
    int continues;      /* HTTP_EVENT_CONTINUE seen */
};

static void replay_note(struct replay *replay, const char *label, struct str text)
{
    if (text.ptr == NULL)
        return;
    if (buf_append(&replay->log, label, strlen(label)) != 0 ||
        buf_append(&replay->log, text.ptr, text.len) != 0)
        abort();
}

static inline void replay_request(struct replay *replay, const struct http_request *request)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    replay_note(replay, methods[request->method], request->path.ptr != NULL ? STR(" ") : STR(" no path"));
    replay_note(replay, "", request->path);
    replay_note(replay, " ?", request->query);
    replay_note(replay, " type=", request->content_type);
    for (struct str fields = request->fields, value; http_next_value(&fields, STR("If-Match"), &value);)
        replay_note(replay, " if-match=", value);
    replay_note(replay, request->http_1_0 ? " 1.0" : "", STR(""));
    replay_note(replay, request->keep_alive ? "" : " close", STR(""));
    if (request->body.len > 0)
        replay_note(replay, " body=", request->body);
    replay_note(replay, "\n", STR(""));
}

static inline void replay_end(struct replay *replay, struct http_codec *codec, enum http_event event)
{
    char line[16];
    if (event == HTTP_EVENT_REFUSED) {
        snprintf(line, sizeof(line), "%d%s\n", codec->refusal.status, codec->refusal.is_head ? " to HEAD" : "");
        replay_note(replay, line, STR(""));
        replay->detail = codec->refusal.detail;
    } else if (http_phase(codec) != HTTP_PHASE_IDLE) {
        replay_note(replay, http_phase(codec) == HTTP_PHASE_BODY ? "mid body\n" : "mid head\n", STR(""));
    } else if (codec->in.data != NULL || codec->body.data != NULL) {
        replay_note(replay, "idle, with memory\n", STR(""));
    }
}

/* The log is in replay->log afterwards (release it). */
static inline void replay_run(struct replay *replay, const char *bytes, size_t len)
{
    struct http_codec codec;
    enum http_event event = HTTP_EVENT_MORE;
    char *piece = NULL;
    size_t at = 0;
    http_init(&codec, replay->limits);
    buf_init(&replay->log, SIZE_MAX);
    replay->detail = NULL;
    replay->continues = 0;
    while (event != HTTP_EVENT_REFUSED && (event == HTTP_EVENT_REQUEST || at < len)) {
        size_t piece_len = at < len ? replay->cut(replay, at) : 0;
        if (piece_len > len - at)
            piece_len = len - at;
        if (event == HTTP_EVENT_REQUEST) {
            replay_request(replay, &codec.request);
            if (!replay->hold)
                piece_len = 0;
        }
        free(piece);
        piece = malloc(piece_len + 1);
        if (piece == NULL)
            abort();
        memcpy(piece, bytes + at, piece_len);
        at += piece_len;
        if (event != HTTP_EVENT_REQUEST) {
            event = http_feed(&codec, piece, piece_len);
            replay->continues += event == HTTP_EVENT_CONTINUE;
            continue;
        }
        if (piece_len > 0 && http_hold(&codec, piece, piece_len) < (long)piece_len)
            abort();
        event = http_next(&codec);
    }
    replay_end(replay, &codec, event);
    free(piece);
    http_deinit(&codec);
}

static inline size_t replay_cut_whole(const struct replay *replay, size_t at)
{
    (void)replay;
    (void)at;
    return HTTP_PIPELINE_MAX;
}

static inline size_t replay_cut_bytes(const struct replay *replay, size_t at)
{
    (void)replay;
    (void)at;
    return 1;
}

static inline size_t replay_cut_once(const struct replay *replay, size_t at)
{
    return at < replay->cut_at ? replay->cut_at - at : HTTP_PIPELINE_MAX;
}

#endif
