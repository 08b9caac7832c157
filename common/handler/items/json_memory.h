/*
 * jansson's parser, made safe against a lack of memory. Private to json.c.
 *
 * jansson 2.14 does not check whether the buffer that gathers a token has grown (lex_save() drops
 * what strbuffer_append_byte() returns). Seen with the 4th allocation failing: the name
 * "abcdefghijklmnopqrstuvwxyz" was read without its "o", and no error; and ["abcdefghijklmn"] lost its
 * closing quote, behind which the parser then wrote without end. Elsewhere a lack of memory is
 * reported as a syntax error. So an allocation that fails in the parser does not return to it: it
 * frees what this parse has allocated and leaves by longjmp(3).
 */
#ifndef WB_JSON_MEMORY_H
#define WB_JSON_MEMORY_H

#include <jansson.h>

#include "base/str.h"

/* json_loadb(): 0 and *out; -EBADMSG and *error; or -ENOMEM. */
__attribute__((warn_unused_result)) int json_memory_load(json_t **out, struct str text, size_t flags,
                                                         json_error_t *error);

#endif
