/* For calls that fail only if this program is wrong. */
#ifndef WB_MUST_H
#define WB_MUST_H

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* Aborts with a sentence if `error` is a negative errno, which is what libuv returns, too. */
static inline void must(int error, const char *call)
{
    if (error >= 0)
        return;
    log_error("%s: %s", call, strerror(-error));
    abort();
}

#endif
