#include "http/response.h"

#include <string.h>

enum { PADDING_RUN = 64 * 1024 };

#define X16(text) text text text text text text text text text text text text text text text text

/* One run for all responses of all threads: 16 MiB of padding are 256 vectors over these 64 KiB. */
static const char padding_run[PADDING_RUN + 1] = X16(X16(X16("xxxxxxxxxxxxxxxx")));

#define OVERLOADED_BODY                                                                                        \
    "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"                              \
    "\"detail\":\"The server has as many connections as it may have; try again in a moment.\"}"

/* No Date: RFC 9110 6.6.1 lets a server leave it out of a 5xx. */
#define OVERLOADED_HEAD                                                                                        \
    "HTTP/1.1 503 Service Unavailable\r\n"                                                                     \
    "Cache-Control: no-cache\r\n"                                                                              \
    "Content-Type: application/problem+json\r\n"                                                               \
    "Content-Length: 150\r\n"                                                                                  \
    "Retry-After: 1\r\n"                                                                                       \
    "Connection: close\r\n"                                                                                    \
    "\r\n"

_Static_assert(sizeof(OVERLOADED_BODY) - 1 == 150, "Content-Length of the overload response");

struct iovec response_overloaded(void)
{
    static const char bytes[] = OVERLOADED_HEAD OVERLOADED_BODY;
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = sizeof(bytes) - 1};
}

/* Fills an iovec array with what comes after the first `skip` bytes. */
struct gather {
    struct iovec *iov;
    size_t count, max;
    uint64_t skip;
};

static void add(struct gather *gather, const char *bytes, size_t len)
{
    if (gather->skip >= len) {
        gather->skip -= len;
        return;
    }
    if (gather->count == gather->max)
        return;
    size_t skip = (size_t)gather->skip;
    gather->skip = 0;
    gather->iov[gather->count++] =
        (struct iovec){.iov_base = (void *)(uintptr_t)(bytes + skip), .iov_len = len - skip};
}

static void add_padding(struct gather *gather, size_t len)
{
    if (gather->skip >= len) {
        gather->skip -= len;
        return;
    }
    len -= (size_t)gather->skip;
    gather->skip = 0;
    while (len > 0 && gather->count < gather->max) {
        size_t run = len < PADDING_RUN ? len : PADDING_RUN;
        add(gather, padding_run, run);
        len -= run;
    }
}

size_t response_iov(const struct response *response, uint64_t sent, struct iovec *iov, size_t max)
{
    struct gather gather = {.iov = iov, .max = max, .skip = sent};
    add(&gather, response->head, response->head_len);
    if (response->bodiless)
        return gather.count;
    add(&gather, response->text, response->text_len);
    add(&gather, response->body.data, response->body.len);
    add_padding(&gather, response->padding);
    if (response->tail != NULL)
        add(&gather, response->tail, strlen(response->tail));
    return gather.count;
}

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {100, "Continue"},
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Unknown";
}

void response_release(struct response *response)
{
    buf_release(&response->body);
}
