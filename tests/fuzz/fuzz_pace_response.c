/*
 * libFuzzer target: pace's reader of responses. Whatever the bytes are, the outcome may not depend on how they
 * were cut into reads, nor the counts on whether content is kept, and nothing is read or written beyond its end
 * (ASan).
 *
 * The first byte of the input says how the rest is cut.
 *
 *     clang -fsanitize=fuzzer,address,undefined ... && ./fuzz_pace_response tests/fuzz/corpus/pace_response
 */
#include "../unit/pace_replay.h"

static void require_same(const char *whole, char *other)
{
    if (strcmp(whole, other) != 0) {
        fprintf(stderr, "in one piece:\n%s\nin several:\n%s\n", whole, other);
        abort();
    }
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct response_content content;
    if (size < 1)
        return 0;
    const char *bytes = (const char *)data + 1;
    size_t len = size - 1;
    for (unsigned kept = 0; kept < 2; kept++) {
        struct response_content *where = kept ? &content : NULL;
        char *whole = pace_replay(bytes, len, pace_cut_whole, 0, where);
        require_same(whole, pace_replay(bytes, len, pace_cut_bytes, 0, where));
        require_same(whole, pace_replay(bytes, len, pace_cut_random, (uint64_t)data[0] << 20, where));
        free(whole);
    }
    return 0;
}
