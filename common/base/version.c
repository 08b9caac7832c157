#include "base/version.h"

/* The Makefile defines both macros for this file alone: a new revision recompiles nothing else. */
const char wb_version[] = WB_VERSION;

#ifdef __clang__
const char wb_build[] = __VERSION__ ", " WB_FLAGS; /* "Debian Clang 14.0.6" */
#else
const char wb_build[] = "gcc " __VERSION__ ", " WB_FLAGS;
#endif
