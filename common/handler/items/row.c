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

/* Rounds down, also below zero. */
static int64_t divide(int64_t number, int64_t by, int64_t *rest)
{
    int64_t quotient = number / by - (number % by < 0);
    *rest = number - quotient * by;
    return quotient;
}

/*
 * Cuts whole runs of `length` days, which are `years` years, off *days; at most `most` of them, since
 * a last run that has a leap day is a day longer than the others. Returns the years.
 */
static int64_t cut_years(int64_t *days, int64_t length, int64_t years, int64_t most)
{
    int64_t runs = *days / length < most ? *days / length : most;
    *days -= runs * length;
    return runs * years;
}

/*
 * RFC 3339 in UTC with all six digits. By hand: gmtime_r(3) takes the lock of the time zone and may read
 * its file, and strftime(3) asks the locale. Years begin in March here, so that a leap day is the last of
 * its year, and every 400 years the calendar repeats itself.
 */
static int write_time(struct buf *buf, int64_t microseconds)
{
    static const int month_begins[] = {0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337};
    enum { BEFORE_MARCH = 31 + 29, DAYS_OF_400_YEARS = 400 * 365 + 97 };
    int64_t fraction, second, day;
    int64_t seconds = divide(microseconds, 1000000, &fraction);
    int64_t days = divide(seconds, 86400, &second);
    int64_t year = 2000 + 400 * divide(days - BEFORE_MARCH, DAYS_OF_400_YEARS, &day);
    year += cut_years(&day, 100 * 365 + 24, 100, 3);
    year += cut_years(&day, 4 * 365 + 1, 4, 24);
    year += cut_years(&day, 365, 1, 3);
    int month = 11; /* 0 is March */
    while (month_begins[month] > day)
        month--;
    day -= month_begins[month];
    bool is_next_year = month >= 10;
    return buf_printf(
        buf, "%04" PRId64 "-%02d-%02" PRId64 "T%02" PRId64 ":%02" PRId64 ":%02" PRId64 ".%06" PRId64 "Z",
        year + is_next_year, is_next_year ? month - 9 : month + 3, day + 1, second / 3600, second / 60 % 60,
        second % 60, fraction);
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
