/* A slice of bytes that something else owns. Not terminated. */
#ifndef WB_STR_H
#define WB_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){.ptr = (literal), .len = sizeof(literal) - 1})

/* For printf: printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).ptr

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Ignores the case of ASCII letters, as RFC 9110 requires for field names and tokens. */
bool str_eq_nocase(struct str a, struct str b);

bool str_starts_with(struct str s, struct str prefix);

/* Leaves out the optional white space (SP and HTAB, RFC 9110 5.6.3) at both ends. */
struct str str_trim(struct str s);

/*
 * Cuts the part before the first `separator` off the front of *rest, into *part. False if *rest is empty.
 * "a,,b" gives "a", "", "b"; "" gives nothing.
 */
bool str_cut(struct str *rest, char separator, struct str *part);

/* Takes decimal digits alone: no sign, no space. False for anything else, the empty slice and overflow. */
bool str_to_u64(struct str s, uint64_t *out);

/* 0..15 for a hexadecimal digit of either case, else -1. */
int str_hex_digit(char c);

/* Whether two hexadecimal digits follow each percent sign (RFC 3986 2.1). */
bool str_is_percent_encoded(struct str s);

#endif
