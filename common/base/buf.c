#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A short head or a JSON item fits without growing. */
enum { BUF_FIRST_CAP = 256 };

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_release(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->max);
}

/* Makes room for `more` bytes after the content. Doubling keeps many small appends linear. */
static int reserve(struct buf *buf, size_t more)
{
    if (more > buf->max - buf->len)
        return -EMSGSIZE;
    size_t need = buf->len + more;
    if (need <= buf->cap)
        return 0;
    size_t cap = buf->cap > 0 ? buf->cap : BUF_FIRST_CAP;
    while (cap < need)
        cap = cap > buf->max / 2 ? buf->max : cap * 2;
    char *data = realloc(buf->data, cap);
    if (data == NULL)
        return -ENOMEM;
    buf->data = data;
    buf->cap = cap;
    return 0;
}

int buf_append(struct buf *buf, const void *bytes, size_t len)
{
    if (len == 0)
        return 0;
    int error = reserve(buf, len);
    if (error != 0)
        return error;
    memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    return 0;
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        return -EINVAL;
    /* Through a copy: vsnprintf() needs a byte for its NUL, which `max` need not allow. */
    char small[512];
    char *text = (size_t)len < sizeof(small) ? small : malloc((size_t)len + 1);
    if (text == NULL)
        return -ENOMEM;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    int error = buf_append(buf, text, (size_t)len);
    if (text != small)
        free(text);
    return error;
}

void buf_consume(struct buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
        return;
    }
    if (len == 0)
        return;
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
}
