#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *log_name = "waitbench";
static enum log_level log_level = LOG_LEVEL_INFO;

void log_init(const char *name, enum log_level level)
{
    log_name = name;
    log_level = level;
}

bool log_enabled(enum log_level level)
{
    return level <= log_level;
}

void log_line(enum log_level level, const char *format, ...)
{
    if (!log_enabled(level))
        return;

    static const char *const names[] = {"error", "warn", "info", "debug"};
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);

    char line[1024];
    size_t max = sizeof line - 1; /* without the newline */
    int len =
        snprintf(line, max, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s: ", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000, log_name, names[level]);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + len, max - (size_t)len, format, args);
    va_end(args);
    size_t end = (size_t)(len + more) < max ? (size_t)(len + more) : max - 1;
    line[end++] = '\n';
    /* A failure cannot be reported: standard error is the log. */
    if (write(STDERR_FILENO, line, end) < 0)
        return;
}
