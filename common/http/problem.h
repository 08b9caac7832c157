/* application/problem+json (RFC 9457): an error as a JSON document. A pure function of its arguments. */
#ifndef WB_PROBLEM_H
#define WB_PROBLEM_H

#include <stdarg.h>
#include <stddef.h>

#define PROBLEM_MEDIA_TYPE "application/problem+json"

/*
 * Writes {"type":"about:blank","title":...,"status":...,"detail":...} and a NUL; returns the length.
 *
 * The detail, formatted from `format`, is one sentence that says what to change; 255 bytes are kept.
 * "member" names the parameter or JSON member to blame; `member` is NULL if there is none. Both may quote
 * bytes of the client: what is not UTF-8 becomes U+FFFD. RESPONSE_TEXT_MAX bytes hold every document; a
 * smaller `size` is a programmer's error.
 */
size_t problem_write(char *out, size_t size, int status, const char *member, const char *format, va_list args)
    __attribute__((format(printf, 5, 0)));

#endif
