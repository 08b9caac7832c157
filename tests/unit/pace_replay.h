/* What pace's parser makes of the bytes of a connection, however they are cut: a line a response. The unit test
 * and the fuzzer use it. */
#ifndef WB_PACE_REPLAY_H
#define WB_PACE_REPLAY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../loadtest/pace/response.h"

/* How many of the `left` bytes come next: 1 to left. */
typedef size_t pace_cut(size_t at, size_t left, uint64_t seed);

static inline size_t pace_cut_whole(size_t at, size_t left, uint64_t seed)
{
    (void)at, (void)seed;
    return left;
}

static inline size_t pace_cut_bytes(size_t at, size_t left, uint64_t seed)
{
    (void)at, (void)left, (void)seed;
    return 1;
}

/* In two, behind the byte with the number `seed`. */
static inline size_t pace_cut_once(size_t at, size_t left, uint64_t seed)
{
    return at < seed && seed - at < left ? (size_t)(seed - at) : left;
}

/* Pieces of 1 to 16 bytes (SplitMix64's finalizer). */
static inline size_t pace_cut_random(size_t at, size_t left, uint64_t seed)
{
    uint64_t z = (seed + at + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    size_t piece = 1 + (size_t)(z >> 60);
    return piece < left ? piece : left;
}

static inline void pace_print(FILE *log, const char *what, const struct response *response)
{
    fprintf(log, "%s", what);
    if (strcmp(what, "done") == 0)
        fprintf(log, " %u %ju %s", response->status, (uintmax_t)response->body_len,
                response->keeps_alive ? "keeps" : "closes");
    const struct response_content *content = response->content;
    if (content != NULL && strcmp(what, "done") == 0)
        fprintf(log, " location=%s content-location=%s media=%s body=%.*s", content->location,
                content->content_location, content->media, (int)content->body_len, content->body);
    fputc('\n', log);
}

/*
 * Reads responses up to one that is wrong or the last of its connection, then `rest N` for the bytes behind it;
 * else up to the end of the connection. The text is the caller's, freed with free(). Each piece is given as a
 * copy of its own, so that reading past its end is seen by ASan.
 */
static inline char *pace_replay(const char *bytes, size_t len, pace_cut *cut, uint64_t seed,
                                struct response_content *content)
{
    char *text = NULL;
    size_t text_len, at = 0;
    FILE *log = open_memstream(&text, &text_len);
    struct response response;
    response_init(&response, content);
    while (at < len) {
        size_t piece_len = cut(at, len - at, seed), used = 0;
        char *piece = malloc(piece_len);
        memcpy(piece, bytes + at, piece_len);
        enum response_event event = response_feed(&response, piece, piece_len, &used);
        free(piece);
        if (used > piece_len || (event == RESPONSE_MORE && used < piece_len))
            abort();
        at += used;
        if (event == RESPONSE_MORE)
            continue;
        pace_print(log, event == RESPONSE_DONE ? "done" : "wrong", &response);
        if (event == RESPONSE_WRONG) {
            fclose(log);
            return text;
        }
        if (!response.keeps_alive) {
            fprintf(log, "rest %zu\n", len - at);
            fclose(log);
            return text;
        }
        response_next(&response);
    }
    enum response_event event = response_end(&response);
    pace_print(log, event == RESPONSE_DONE ? "done" : event == RESPONSE_WRONG ? "cut off" : "end", &response);
    fclose(log);
    return text;
}

#endif
