/*
 * The head of a request: where it ends, whether it is well-formed, and what it says.
 * Private to the codec (http.c).
 *
 * Strictness is here and not left to llhttp, because what llhttp lets pass differs between the
 * versions of Debian 12 (8.1) and Debian 13 (9.2): see http_head.c.
 */
#ifndef WB_HTTP_HEAD_H
#define WB_HTTP_HEAD_H

#include "http/codec.h"

enum { HTTP_HEAD_UNFINISHED = 0, HTTP_HEAD_BARE_LF = -1 };

/*
 * `bytes` starts where the head does and has only grown since the last call. Returns the length of
 * the head with the empty line that ends it (2 when it is nothing but that line), or one of the above.
 */
long http_head_scan(struct http_scan *scan, struct str bytes);

/*
 * `head` begins with a complete request line, which is checked and taken apart into *request: method,
 * version, path and query. False: *refusal says why.
 */
bool http_request_line_parse(struct str head, struct http_request *request, struct http_refusal *refusal);

/* Checks the field lines of a complete head byte by byte. False: *refusal says why. */
bool http_fields_check(struct str fields, struct http_refusal *refusal);

/* uri-host [ ":" port ] of RFC 9110 7.2, with a host that is not empty. */
bool http_authority_is_valid(struct str authority);

/* A token (RFC 9110 5.6.2) may hold this byte. */
bool http_is_token_char(char c);

/* A field value (RFC 9110 5.5) may hold this byte, white space included. */
bool http_is_value_char(char c);

/* How a request's body comes. */
struct http_framing {
    uint64_t length; /* of the body; 0 when chunked or when there is none */
    bool has_length;
    bool chunked;
    bool expects_continue;
};

/*
 * Checks a complete head and takes it apart into *request (slices into the head; no body yet) and
 * *framing. False: *refusal says why, limits on the body included. In http_fields.c.
 */
bool http_head_parse(struct str head, const struct http_limits *limits, struct http_request *request,
                     struct http_framing *framing, struct http_refusal *refusal);

/* Sets *refusal and returns false, so that a check says `return http_refuse(...)`. */
static inline bool http_refuse(struct http_refusal *refusal, int status, const char *detail)
{
    *refusal = (struct http_refusal){.status = status, .detail = detail};
    return false;
}

#endif
