#include "http/problem.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "http/response.h"

/* The length of the UTF-8 sequence (RFC 3629) at `text`; 0 if the bytes are not one. */
static size_t utf8_sequence(const unsigned char *text)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = text[0] < 0x80       ? 1
                 : text[0] >> 5 == 6  ? 2
                 : text[0] >> 4 == 14 ? 3
                 : text[0] >> 3 == 30 ? 4
                                      : 0;
    if (len < 2)
        return len;
    uint32_t point = text[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (text[i] >> 6 != 2)
            return 0;
        point = point << 6 | (text[i] & 0x3fu);
    }
    return point >= smallest[len] && point <= 0x10ffff && point >> 11 != 0x1b ? len : 0;
}

/* The text as the inside of a JSON string. Cuts what does not fit; a cut in `text` may split a sequence. */
static void escape(char *out, size_t room, const char *text)
{
    size_t len = 0, step;
    for (const unsigned char *in = (const unsigned char *)text; *in != '\0' && len + 7 < room; in += step) {
        size_t sequence = utf8_sequence(in);
        step = sequence > 0 ? sequence : 1;
        if (sequence == 0) {
            len += (size_t)snprintf(out + len, room - len, "\\ufffd");
        } else if (*in < 0x20 || *in == 0x7f) {
            len += (size_t)snprintf(out + len, room - len, "\\u%04x", *in);
        } else {
            if (*in == '"' || *in == '\\')
                out[len++] = '\\';
            memcpy(out + len, in, sequence);
            len += sequence;
        }
    }
    out[len] = '\0';
}

size_t problem_write(char *out, size_t size, int status, const char *member, const char *format, va_list args)
{
    char detail[256], quoted[512], name[128];
    vsnprintf(detail, sizeof detail, format, args);
    escape(quoted, sizeof quoted, detail);
    escape(name, sizeof name, member != NULL ? member : "");
    int len =
        snprintf(out, size, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\"%s%s%s}",
                 http_status_text(status), status, quoted, member != NULL ? ",\"member\":\"" : "", name,
                 member != NULL ? "\"" : "");
    assert(len > 0 && (size_t)len < size && "a problem document is longer than its buffer");
    return (size_t)len;
}
