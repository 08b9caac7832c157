/*
 * The head of a request: where it ends, whether it is well-formed, and what it says. Private to the codec.
 *
 * llhttp takes a complete head apart in one pass. This file and fields.h do what llhttp leaves out or does
 * differently from version to version (8.1 of Debian 12, 9.2 of Debian 13, up to 9.4): see head.c.
 */
#ifndef WB_HTTP_HEAD_H
#define WB_HTTP_HEAD_H

#include "http/fields.h"

enum { HTTP_HEAD_UNFINISHED = 0, HTTP_HEAD_BARE_LF = -1 };

/*
 * `bytes` starts where the head does and has only grown since the last call. Returns the length of
 * the head with the empty line that ends it (2 when it is nothing but that line), or one of the above.
 */
long http_head_scan(struct http_scan *scan, struct str bytes);

/*
 * Checks the request line that `bytes` begins with, when it is complete but the head is not. False:
 * *refusal, which must be all zero before, says why.
 */
bool http_request_line_check(struct str bytes, struct http_refusal *refusal);

/*
 * Checks a complete head, of which `scan` has found the end, and takes it apart into *fields->request (slices
 * into the head; no body yet) and *fields, whose two pointers are set and which is all zero else. False:
 * *fields->refusal, which must be all zero before, says why; that the body is too long is a reason, too.
 */
bool http_head_parse(struct str head, const struct http_scan *scan, const struct http_limits *limits,
                     struct http_fields *fields);

#endif
