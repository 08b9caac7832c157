/*
 * JSON (RFC 8259) over jansson: read strictly, and written so that what was read comes back.
 *
 * jansson takes the text apart. What it leaves open is decided here: how deep (its own limit of 2048
 * is too much for a small stack), which numbers, and what happens when memory runs out. No function
 * blocks. Trees are reference counted as jansson has it: json_decref() what a function here returns.
 */
#ifndef WB_JSON_H
#define WB_JSON_H

#include <jansson.h>

#include "base/buf.h"
#include "base/str.h"

/* Why a text was not taken. */
struct json_complaint {
    const char *reason; /* the beginning of a sentence, static: "a number is out of range" */
    size_t position;    /* bytes before the place, or at most a token behind it */
};

/*
 * Reads the one value that `text` is. Its arrays and objects may be nested `max_depth` deep: 1 takes
 * [] and 2 takes [{}].
 *
 * 0; or, with *complaint filled, -EBADMSG for what is no JSON in UTF-8, -EDOM for JSON that we
 * could not give back as it came: deeper than that, two members of one name in an object, U+0000, half of
 * a surrogate pair, an integer beyond 64 bits, a fraction or exponent that a double does not hold to the last
 * digit given. Or -ENOMEM.
 */
__attribute__((warn_unused_result)) int json_read(json_t **out, struct str text, unsigned max_depth,
                                                  struct json_complaint *complaint);

/*
 * Appends `json` without white space: members in their order, reals with as many digits as bring
 * the same double back, all Unicode but control characters as it is. 0 or what buf_append() says;
 * after a failure *buf holds a part. Recurses as deep as the value is nested.
 */
__attribute__((warn_unused_result)) int json_write(struct buf *buf, const json_t *json);

/* Appends `text`, which is UTF-8, as a JSON string. 0 or what buf_append() says. */
__attribute__((warn_unused_result)) int json_write_string(struct buf *buf, struct str text);

/*
 * MergePatch(target, patch) of RFC 7396: a new reference to the result, or NULL without memory.
 * Objects of `target` are changed in place and become part of the result; `patch` is left as it is
 * and may be shared with it. `target` may be NULL. No result is deeper than the deeper of both.
 */
__attribute__((warn_unused_result)) json_t *json_merge(json_t *target, json_t *patch);

#endif
