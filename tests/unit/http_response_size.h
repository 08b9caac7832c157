/* What the parts of a response add up to on the wire: tests compare it with what response_iov() gives out. */
#ifndef WB_HTTP_RESPONSE_SIZE_H
#define WB_HTTP_RESPONSE_SIZE_H

#include <string.h>

#include "http/response.h"

/* Bytes on the wire, head included. */
static inline uint64_t response_size(const struct response *response)
{
    if (response->bodiless)
        return response->head_len;
    return (uint64_t)response->head_len + response->text_len + response->body.len + response->padding +
           (response->tail != NULL ? strlen(response->tail) : 0);
}

#endif
