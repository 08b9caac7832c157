#include "item_row.h"

#include <inttypes.h>

#include "json.h"
#include "sql.h"

enum { COLUMN_ID, COLUMN_NAME, COLUMN_VALUE, COLUMN_PAYLOAD, COLUMN_VERSION, COLUMN_UPDATED_AT, COLUMNS };

static bool read_int8(int64_t *out, const PGresult *result, int row, int column)
{
    if (PQgetisnull(result, row, column) || PQgetlength(result, row, column) != sizeof *out)
        return false;
    *out = sql_read_int8(PQgetvalue(result, row, column));
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

/* Rounds down, also below zero. */
static int64_t divide(int64_t number, int64_t by, int64_t *rest)
{
    int64_t quotient = number / by - (number % by < 0);
    *rest = number - quotient * by;
    return quotient;
}

/*
 * RFC 3339 in UTC with all six digits. By hand: gmtime_r(3) takes the lock of the time zone and may read
 * its file, and strftime(3) asks the locale. Years count from March, so that the leap day is the last
 * of its year, and in cycles of 400 years, which have 146,097 days.
 */
static int write_time(struct buf *buf, int64_t microseconds)
{
    int64_t fraction, second, day_of_cycle;
    int64_t seconds = divide(microseconds, 1000000, &fraction);
    int64_t days = divide(seconds, 86400, &second);
    const int64_t days_before = 60; /* 2000-03-01 is day 60 of the year */
    int64_t cycle = divide(days - days_before, 146097, &day_of_cycle);

    /* Day 1460 ends four years, 36,524 a century and 146,096 a cycle: the days that break the pattern. */
    int64_t year = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 - day_of_cycle / 146096) / 365;
    int64_t day = day_of_cycle - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * day + 2) / 153; /* from March: five months have 153 days, twice and in part again */
    day -= (153 * month + 2) / 5;
    year += 2000 + 400 * cycle + (month >= 10);
    month += month < 10 ? 3 : -9;
    return buf_printf(buf,
                      "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02" PRId64 ":%02" PRId64 ":%02" PRId64
                      ".%06" PRId64 "Z",
                      year, month, day + 1, second / 3600, second / 60 % 60, second % 60, fraction);
}

/* Names of members, two numbers of 20 digits and the time take 118 bytes; a byte becomes "\u0000" at most. */
size_t item_row_json_max(const struct item_row *item)
{
    return 160 + 6 * item->name.len + item->payload.len;
}

int item_row_write(struct buf *buf, const struct item_row *item)
{
    int error = buf_printf(buf, "{\"id\":%" PRId64 ",\"name\":", item->id);
    if (error == 0)
        error = json_write_string(buf, item->name);
    if (error == 0)
        error = buf_printf(buf, ",\"value\":%" PRId64 ",\"payload\":", item->value);
    if (error == 0)
        error = buf_append(buf, item->payload.ptr, item->payload.len);
    if (error == 0)
        error = buf_append(buf, ",\"updated_at\":\"", strlen(",\"updated_at\":\""));
    if (error == 0)
        error = write_time(buf, item->updated_at);
    return error == 0 ? buf_append(buf, "\"}", 2) : error;
}
