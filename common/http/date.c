#include "http/date.h"

#include <stdio.h>

/* Each thread formats a second once. Without strftime(), which takes the names from the locale. */
const char *http_date(time_t time)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static __thread char text[32];
    static __thread time_t formatted;
    if (time != formatted || text[0] == '\0') {
        struct tm tm;
        gmtime_r(&time, &tm);
        snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday % 100,
                 months[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100,
                 tm.tm_sec % 100);
        formatted = time;
    }
    return text;
}
