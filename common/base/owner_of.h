/* From an embedded member back to the structure that holds it, as container_of() of Linux does. */
#ifndef WB_OWNER_OF_H
#define WB_OWNER_OF_H

#include <stddef.h>

/* The structure of `type` that has `member` at `pointer`. */
#define owner_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
