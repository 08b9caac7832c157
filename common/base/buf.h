/*
 * A growable byte buffer whose maximum is chosen where the buffer is made.
 *
 * The buffer owns its bytes. A failure leaves the content unchanged. A buffer that was released holds no
 * memory, so the buffers of idle connections cost none.
 */
#ifndef WB_BUF_H
#define WB_BUF_H

#include <stddef.h>
#include <string.h>

struct buf {
    char *data; /* NULL until something is appended */
    size_t len;
    size_t cap;
    size_t max; /* bytes; len never exceeds it */
};

/* Overwrites the structure, whatever its state. */
void buf_init(struct buf *buf, size_t max);

/* Frees the memory and empties the buffer, which may be used again. */
void buf_release(struct buf *buf);

/* Each appends: 0, -EMSGSIZE past the maximum, or -ENOMEM. */
__attribute__((warn_unused_result)) int buf_append(struct buf *buf, const void *bytes, size_t len);
__attribute__((warn_unused_result, format(printf, 2, 3))) int buf_printf(struct buf *buf, const char *format,
                                                                         ...);

__attribute__((warn_unused_result)) static inline int buf_puts(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

/* Drops the first `len` bytes (at most all) and moves the rest to the front. */
void buf_consume(struct buf *buf, size_t len);

#endif
