/*
 * The log: one line on standard error per event, with its reason.
 *
 *     2026-11-21T21:40:01.123Z threaded warn: database connection 3 lost: server closed the connection
 *
 * Safe from any thread: each line is one write(2), so the lines of several threads do not mix.
 */
#ifndef WB_LOG_H
#define WB_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Each line shows `name`, which must outlive all logging. */
void log_init(const char *name, enum log_level level);

bool log_enabled(enum log_level level);

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format, ...);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
