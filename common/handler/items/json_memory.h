/*
 * jansson's parser, made safe against a lack of memory. Private to json.c.
 *
 * jansson 2.14 ignores that the buffer of a token could not grow: lex_save() drops the result of
 * strbuffer_append_byte(). With the fourth allocation failing, the parser read the name
 * "abcdefghijklmnopqrstuvwxyz" without its "o" and reported no error; ["abcdefghijklmn"] lost its closing
 * quote, and the parser wrote past the buffer without end. Elsewhere jansson reports a lack of memory as a
 * syntax error. So a failed allocation never returns to the parser: this module frees all that the parse has
 * allocated and leaves the parser by longjmp(3).
 */
#ifndef WB_JSON_MEMORY_H
#define WB_JSON_MEMORY_H

#include <jansson.h>

#include "base/str.h"

/* json_loadb(): 0 and *out; -EBADMSG and *error; or -ENOMEM. */
__attribute__((warn_unused_result)) int json_memory_load(json_t **out, struct str text, size_t flags,
                                                         json_error_t *error);

#endif
