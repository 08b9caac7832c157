#include "handler/items/row.h"

#include <inttypes.h>

#include "db/query.h"
#include "handler/items/json.h"

enum { COLUMN_ID, COLUMN_NAME, COLUMN_VALUE, COLUMN_PAYLOAD, COLUMN_VERSION, COLUMN_UPDATED_AT, COLUMNS };

static bool read_int8(int64_t *out, const PGresult *result, int row, int column)
{
    if (PQgetisnull(result, row, column) || PQgetlength(result, row, column) != sizeof *out)
        return false;
    *out = query_read_int8(PQgetvalue(result, row, column));
    return true;
}

static bool read_text(struct str *out, const PGresult *result, int row, int column)
{
    *out = (struct str){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
    return !PQgetisnull(result, row, column);
}

bool item_row_read(struct item_row *item, const PGresult *result, int row)
{
    return PQnfields(result) == COLUMNS && row < PQntuples(result) &&
           read_int8(&item->id, result, row, COLUMN_ID) && read_text(&item->name, result, row, COLUMN_NAME) &&
           read_int8(&item->value, result, row, COLUMN_VALUE) &&
           read_text(&item->payload, result, row, COLUMN_PAYLOAD) &&
           read_int8(&item->version, result, row, COLUMN_VERSION) &&
           read_int8(&item->updated_at, result, row, COLUMN_UPDATED_AT);
}

/* Rounds down, also below zero. *rest is 0..by-1. */
static int64_t divide(int64_t number, int64_t by, int64_t *rest)
{
    int64_t quotient = number / by - (number % by < 0);
    *rest = number - quotient * by;
    return quotient;
}

/*
 * RFC 3339 in UTC with six digits of a second. Without gmtime_r(3), which takes the lock of the time zone and
 * may read its file, and strftime(3), which asks the locale.
 *
 * Years begin in March, so that a leap day is the last day of its year; 400 years are an era of 146097 days.
 * From the day of the era follow its year (a leap day less every 1460 days, more every 36524, less every
 * 146096) and, since five months from March on always have 153 days, the month.
 */
static int write_time(struct buf *buf, int64_t microseconds)
{
    enum { MARCH_TO_2000 = 31 + 29, ERA_DAYS = 400 * 365 + 97 };
    int64_t fraction, second, day;
    int64_t seconds = divide(microseconds, 1000000, &fraction);
    int64_t days = divide(seconds, 86400, &second);
    int64_t era = divide(days - MARCH_TO_2000, ERA_DAYS, &day);
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    int month = (int)(5 * day + 2) / 153; /* 0 is March */
    day -= (153 * month + 2) / 5;
    bool is_next_year = month >= 10;
    return buf_printf(
        buf, "%04" PRId64 "-%02d-%02" PRId64 "T%02" PRId64 ":%02" PRId64 ":%02" PRId64 ".%06" PRId64 "Z",
        2000 + 400 * era + year + is_next_year, is_next_year ? month - 9 : month + 3, day + 1, second / 3600,
        second / 60 % 60, second % 60, fraction);
}

/* The members' names, two numbers of 20 digits and the time take 118 bytes; a byte of the name at most 6. */
size_t item_row_json_max(const struct item_row *item)
{
    return 160 + 6 * item->name.len + item->payload.len;
}

int item_row_write(struct buf *buf, const struct item_row *item)
{
    int error = buf_printf(buf, "{\"id\":%" PRId64 ",\"name\":", item->id);
    error = error ?: json_write_string(buf, item->name);
    error = error ?: buf_printf(buf, ",\"value\":%" PRId64 ",\"payload\":", item->value);
    error = error ?: buf_append(buf, item->payload.ptr, item->payload.len);
    error = error ?: buf_puts(buf, ",\"updated_at\":\"");
    error = error ?: write_time(buf, item->updated_at);
    return error ?: buf_puts(buf, "\"}");
}
