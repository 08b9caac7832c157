/* The date of a Date field (RFC 9110 5.6.7). */
#ifndef WB_DATE_H
#define WB_DATE_H

#include <time.h>

/* "Sun, 06 Nov 1994 08:49:37 GMT": valid until the thread's next call. */
const char *http_date(time_t time);

#endif
