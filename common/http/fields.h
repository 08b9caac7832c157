/*
 * What the field lines of a head mean to this server (RFC 9110), one at a time. Private to the codec.
 *
 * Framing and Connection are decided here and not read off llhttp: its versions differ in which pairs of
 * framing fields they refuse and where, and all before 9.4.2 read "Connection: close<TAB>" as keep-alive.
 */
#ifndef WB_HTTP_FIELDS_H
#define WB_HTTP_FIELDS_H

#include "http/codec.h"

enum http_byte_class {
    HTTP_TOKEN = 1,  /* RFC 9110 5.6.2: what a token may hold */
    HTTP_VALUE = 2,  /* RFC 9110 5.5: field-vchar, SP, HTAB */
    HTTP_TARGET = 4, /* RFC 3986: what a path or a query may hold, '%' included */
    HTTP_NAME = 8,   /* RFC 3986 3.2.2: what a registered name may hold, without '%' */
    HTTP_BLANK = 16, /* SP, HTAB */
};

extern const unsigned char http_byte_classes[256];

static inline bool http_is(char c, enum http_byte_class class)
{
    return (http_byte_classes[(unsigned char)c] & class) != 0;
}

enum http_field {
    HTTP_FIELD_OTHER,
    HTTP_FIELD_HOST,
    HTTP_FIELD_CONTENT_LENGTH,
    HTTP_FIELD_TRANSFER_ENCODING,
    HTTP_FIELD_CONNECTION,
    HTTP_FIELD_EXPECT,
    HTTP_FIELD_CONTENT_TYPE,
};

/* The fields of a head so far. All zero at first, but for the pointers. */
struct http_fields {
    struct http_request *request; /* its version must be known */
    struct http_refusal *refusal;
    uint64_t length; /* of the body in bytes, once all fields are read; 0 when it is chunked or there is none */
    bool has_length;
    bool chunked;
    bool expects_continue;
    bool close, keep_alive; /* options of Connection */
    unsigned seen;          /* a bit for each enum http_field */
};

/* HTTP_FIELD_OTHER for a field that says nothing to the codec. Case is ignored. */
enum http_field http_field_find(struct str name);

/*
 * `value` has no white space at its ends; that of Content-Length is llhttp's to read. False: a refusal says why
 * the field must not stand there, or not with this value.
 */
bool http_field_read(struct http_fields *fields, enum http_field field, struct str value);

/* All fields have been read; `length` is the value of Content-Length. Checks what no single field tells. */
bool http_fields_finish(struct http_fields *fields, uint64_t length, const struct http_limits *limits);

/* For fields that say how long a body is, and do not say it well. */
extern const char http_bad_framing[];

/* uri-host [ ":" port ] of RFC 9110 7.2, with a host that is not empty. */
bool http_authority_is_valid(struct str authority);

#define HTTP_OUT_OF_MEMORY "The server is out of memory; try again later."

/* Sets *refusal and returns false, so that a check says `return http_refuse(...)`. */
static inline bool http_refuse(struct http_refusal *refusal, int status, const char *detail)
{
    *refusal = (struct http_refusal){.status = status, .detail = detail};
    return false;
}

#endif
