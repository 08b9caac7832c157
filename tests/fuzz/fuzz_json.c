/*
 * libFuzzer target: JSON as clients send it. The input is a value, or two with a NUL between them: a
 * target and a merge patch.
 *
 * What is taken comes back: what we write of it is read as an equal value and written the same
 * again. A merge is no deeper than its parts, and doing it twice changes nothing more.
 */
#include <stdio.h>
#include <stdlib.h>

#include "handler/items/json.h"

enum { DEPTH_MAX = 6, TEXT_MAX = 1 << 20 };

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* NULL when it is refused. */
static json_t *read_value(struct str text)
{
    json_t *json;
    struct json_complaint complaint = {.position = SIZE_MAX};
    if (json_read(&json, text, DEPTH_MAX, &complaint) == 0)
        return json;
    require(complaint.position <= text.len, "a complaint about a place after the text");
    return NULL;
}

static struct buf written(const json_t *json)
{
    struct buf buf;
    buf_init(&buf, TEXT_MAX);
    require(json_write(&buf, json) == 0, "a value of a few kilobytes does not fit into a megabyte");
    return buf;
}

static void require_same_text(const struct buf *a, const struct buf *b)
{
    require(a->len == b->len && memcmp(a->data, b->data, a->len) == 0, "two texts of the same value differ");
}

static void check_round_trip(json_t *json)
{
    struct buf first = written(json);
    json_t *again = read_value((struct str){first.data, first.len});
    require(again != NULL, "what we write is refused");
    require(json_equal(json, again), "what we write is another value");
    struct buf second = written(again);
    require_same_text(&first, &second);
    json_decref(again);
    buf_release(&first);
    buf_release(&second);
}

static void check_merge(json_t *target, json_t *patch)
{
    struct buf patch_before = written(patch);
    json_t *once = json_merge(target, patch);
    struct buf once_text = written(once);
    check_round_trip(once);
    json_t *twice = json_merge(once, patch);
    struct buf twice_text = written(twice), patch_after = written(patch);
    require_same_text(&once_text, &twice_text);
    require_same_text(&patch_before, &patch_after);
    json_decref(once);
    json_decref(twice);
    buf_release(&patch_before);
    buf_release(&patch_after);
    buf_release(&once_text);
    buf_release(&twice_text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    const char *nul = size > 0 ? memchr(bytes, '\0', size) : NULL;
    size_t len = nul != NULL ? (size_t)(nul - bytes) : size;
    json_t *target = read_value((struct str){bytes, len});
    if (target == NULL)
        return 0;
    check_round_trip(target);
    json_t *patch = nul != NULL ? read_value((struct str){nul + 1, size - len - 1}) : NULL;
    if (patch != NULL)
        check_merge(target, patch);
    json_decref(patch);
    json_decref(target);
    return 0;
}
