/*
 * JSON (RFC 8259) on top of jansson: strict when reading, and what is written back equals what was read.
 *
 * jansson parses. This module adds what jansson leaves open: a limit of depth (jansson's own, 2048, needs too
 * large a stack), numbers that lose no digit, and safety when memory runs out. No function blocks. Trees have
 * jansson's reference counts: json_decref() each tree that a function here returns.
 */
#ifndef WB_JSON_H
#define WB_JSON_H

#include <jansson.h>

#include "base/buf.h"
#include "base/str.h"

/* Why a text was refused. */
struct json_complaint {
    const char *reason; /* the beginning of a sentence, static: "a number is out of range" */
    size_t position;    /* bytes before the fault, or up to one token more */
};

/*
 * Parses `text`, which is one value. Arrays and objects may be nested `max_depth` deep: 1 takes [] and 2
 * takes [{}].
 *
 * 0, -ENOMEM, or one of these, with *complaint filled:
 * -EBADMSG  the text is not JSON in UTF-8
 * -EDOM     the text is JSON, but the same JSON could not be written back: nested too deep, two members of one
 *           name in an object, U+0000, half of a surrogate pair, an integer of more than 64 bits, or a fraction
 *           or exponent of more digits than a double holds
 */
__attribute__((warn_unused_result)) int json_read(json_t **out, struct str text, unsigned max_depth,
                                                  struct json_complaint *complaint);

/*
 * Appends `json` without white space: members in their order, reals with the fewest digits that make the same
 * double, all characters but control characters unescaped. 0, or the error of buf_append(), which leaves a part
 * in *buf. Recurses as deep as the value is nested.
 */
__attribute__((warn_unused_result)) int json_write(struct buf *buf, const json_t *json);

/* Appends `text`, which is UTF-8, as a JSON string. 0, or the error of buf_append(). */
__attribute__((warn_unused_result)) int json_write_string(struct buf *buf, struct str text);

/*
 * MergePatch(target, patch) of RFC 7396: a new reference to the result, or NULL without memory.
 *
 * Changes objects of `target` in place and makes them part of the result. Does not change `patch`, but may
 * share it with the result. `target` may be NULL. The result is no deeper than the deeper of both.
 */
__attribute__((warn_unused_result)) json_t *json_merge(json_t *target, json_t *patch);

#endif
