/*
 * libFuzzer target: the HTTP codec. Whatever the bytes are, the outcome may not depend on how they
 * were cut into reads, and no slice may point into memory that is gone (ASan).
 *
 * The first two bytes of the input say how the rest is cut.
 *
 *     clang -fsanitize=fuzzer,address,undefined ... && ./fuzz_http tests/fuzz/corpus/http
 */
#include "../unit/http_replay.h"

/* Small, so that the fuzzer meets them. */
static const struct http_limits limits = {.max_header_bytes = 256, .max_body_bytes = 64};

/* Pieces of 1 to 16 bytes, as a generator with the seed in cut_at says (SplitMix64's finalizer). */
static size_t cut_at_random(const struct replay *replay, size_t at)
{
    uint64_t z = (replay->cut_at + at + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return 1 + (z >> 60);
}

static void require_same(const struct replay *whole, struct replay *other)
{
    struct str expected = {whole->log.data, whole->log.len}, got = {other->log.data, other->log.len};
    if (!str_eq(expected, got) || whole->detail != other->detail) {
        fprintf(stderr, "in one piece:\n%.*s%s\nin several:\n%.*s%s\n", STR_ARG(expected),
                whole->detail != NULL ? whole->detail : "", STR_ARG(got),
                other->detail != NULL ? other->detail : "");
        abort();
    }
    buf_release(&other->log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 2;
    size_t len = size - 2;
    struct replay whole = {.limits = &limits, .cut = replay_cut_whole};
    struct replay single = {.limits = &limits, .cut = replay_cut_bytes, .hold = true};
    struct replay some = {
        .limits = &limits,
        .cut = cut_at_random,
        .cut_at = (size_t)data[0] << 20,
        .hold = (data[1] & 1) != 0,
    };
    replay_run(&whole, bytes, len);
    replay_run(&single, bytes, len);
    require_same(&whole, &single);
    replay_run(&some, bytes, len);
    require_same(&whole, &some);
    if (whole.log.len > 0 && strstr(whole.detail != NULL ? whole.detail : "", "memory") != NULL)
        abort(); /* a few hundred bytes never run out of it: a buffer's maximum is wrong */
    buf_release(&whole.log);
    return 0;
}
