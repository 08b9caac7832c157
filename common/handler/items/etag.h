/*
 * If-Match and If-None-Match (RFC 9110 13.1): a list of entity tags, or "*". Pure functions.
 *
 * The tag of an item is its version in quotes: "7".
 */
#ifndef WB_ETAG_H
#define WB_ETAG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* RFC 9110 8.8.3.2: a weak tag, W/"7", matches in a weak comparison only. */
enum etag_comparison { ETAG_STRONG, ETAG_WEAK };

/* Whether the value of the field is "*" or a list of one or more well-formed tags. */
bool etag_list_is_valid(struct str list);

/* Whether a valid list is "*" or has a tag that matches. */
bool etag_list_matches(struct str list, int64_t version, enum etag_comparison comparison);

#endif
