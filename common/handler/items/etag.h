/*
 * If-Match and If-None-Match (RFC 9110 13.1): a list of entity tags, or "*".
 *
 * An item's tag is its version in quotes: "7". Pure functions.
 */
#ifndef WB_ETAG_H
#define WB_ETAG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* RFC 9110 8.8.3.2: a weak tag, W/"7", matches only where a weak comparison is asked for. */
enum etag_comparison { ETAG_STRONG, ETAG_WEAK };

/* Whether the value of the field is "*" or a list of at least one well-formed tag. */
bool etag_list_is_valid(struct str list);

/* Whether "*" or a tag of a valid list matches. */
bool etag_list_matches(struct str list, int64_t version, enum etag_comparison comparison);

#endif
