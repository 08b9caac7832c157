/* Golden tests of the HTTP codec: bytes in, log out, however the bytes are cut. See http_replay.h. */
#ifndef WB_HTTP_GOLDEN_H
#define WB_HTTP_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_replay.h"

struct golden {
    struct str in;
    struct str log;
};

#define GOLDEN(bytes, text)                                                                                    \
    {                                                                                                          \
        STR(bytes), STR(text)                                                                                  \
    }

static void golden_compare(const struct golden *golden, const struct replay *replay, const char *how)
{
    if (str_eq((struct str){replay->log.data, replay->log.len}, golden->log))
        return;
    print_error("%s, bytes:\n%.*s\nexpected:\n%.*s\ngot (%s):\n%.*s\n", how, STR_ARG(golden->in),
                STR_ARG(golden->log), replay->detail != NULL ? replay->detail : "no refusal",
                (int)replay->log.len, replay->log.data != NULL ? replay->log.data : "");
    fail();
}

static void golden_one_way(const struct golden *golden, struct replay *replay, const char *how)
{
    for (int hold = 0; hold < 2; hold++) {
        replay->hold = hold;
        replay_run(replay, golden->in.ptr, golden->in.len);
        golden_compare(golden, replay, how);
        buf_release(&replay->log);
    }
}

/* Whole, byte by byte, and cut at every place; a refusal gives the same reason each time. */
static void golden_check(const struct golden *goldens, size_t count, const struct http_limits *limits)
{
    for (const struct golden *golden = goldens; golden < goldens + count; golden++) {
        struct replay replay = {.limits = limits, .cut = replay_cut_whole};
        golden_one_way(golden, &replay, "whole");
        const char *detail = replay.detail != NULL ? replay.detail : "";
        replay.cut = replay_cut_bytes;
        golden_one_way(golden, &replay, "byte by byte");
        assert_string_equal(replay.detail != NULL ? replay.detail : "", detail);
        replay.cut = replay_cut_once;
        for (replay.cut_at = 1; replay.cut_at < golden->in.len; replay.cut_at++) {
            golden_one_way(golden, &replay, "cut in two");
            assert_string_equal(replay.detail != NULL ? replay.detail : "", detail);
        }
    }
}

#define GOLDEN_CHECK(goldens, limits) golden_check(goldens, sizeof(goldens) / sizeof((goldens)[0]), limits)

#endif
