#include "handler/items/json.h"

#include <assert.h>
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "handler/items/json_memory.h"

static int complain(struct json_complaint *complaint, int error, const char *reason, size_t position)
{
    *complaint = (struct json_complaint){.reason = reason, .position = position};
    return error;
}

/* The index after the string that begins with the quote at `i`. */
static size_t skip_string(struct str text, size_t i)
{
    for (i++; i < text.len && text.ptr[i] != '"'; i++)
        if (text.ptr[i] == '\\')
            i++;
    return i + 1;
}

/*
 * jansson recurses as deep as the text says, so this runs before it. In a text that is not JSON, brackets may
 * count wrongly after the first error only; jansson stops there.
 */
static int check_depth(struct str text, unsigned max_depth, struct json_complaint *complaint)
{
    unsigned depth = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"')
            i = skip_string(text, i) - 1;
        else if ((c == '[' || c == '{') && ++depth > max_depth)
            return complain(complaint, -EDOM, "arrays and objects are nested too deep", i);
        else if ((c == ']' || c == '}') && depth > 0)
            depth--;
    }
    return 0;
}

/* A decimal number without its sign: digits x 10^exponent, no zero at either end. Zero has no digits. */
struct decimal {
    char digits[DBL_DECIMAL_DIG];
    unsigned count;
    int64_t exponent;
};

/* More than the digits of a literal can outweigh, and less than overflows. */
#define EXPONENT_MAX (INT64_MAX / 4)

/* Reads a number as JSON or printf("%g") writes it. False if it has more digits than a double. */
static bool decimal_read(struct decimal *decimal, struct str literal)
{
    bool in_fraction = false;
    int64_t zeros = 0; /* after the digits kept so far */
    *decimal = (struct decimal){.count = 0};
    size_t i = 0;
    for (; i < literal.len && literal.ptr[i] != 'e' && literal.ptr[i] != 'E'; i++) {
        char c = literal.ptr[i];
        if (c == '.')
            in_fraction = true;
        if (c < '0' || c > '9')
            continue;
        if (in_fraction)
            decimal->exponent--;
        if (c == '0') {
            if (decimal->count > 0)
                zeros++;
            continue;
        }
        if (zeros + 1 > (int64_t)sizeof decimal->digits - decimal->count)
            return false;
        for (; zeros > 0; zeros--)
            decimal->digits[decimal->count++] = '0';
        decimal->digits[decimal->count++] = c;
    }
    int64_t written = 0; /* the exponent in the literal */
    bool negative = false;
    for (i++; i < literal.len; i++) {
        if (literal.ptr[i] == '-')
            negative = true;
        else if (literal.ptr[i] != '+' && written < EXPONENT_MAX / 10)
            written = written * 10 + (literal.ptr[i] - '0');
    }
    decimal->exponent += zeros + (negative ? -written : written);
    if (decimal->count == 0)
        decimal->exponent = 0;
    return true;
}

enum { REAL_TEXT_MAX = 32 }; /* "-2.2250738585072014e-308" and ".0" fit */

/*
 * The fewest digits that strtod() reads back as `value`: DBL_DIG or more, but for a subnormal double, which may
 * have one. The decimal point is '.', since the process never calls setlocale().
 */
static size_t real_print(char text[REAL_TEXT_MAX], double value)
{
    int precision = fabs(value) < DBL_MIN ? 1 : DBL_DIG;
    int len;
    do
        len = snprintf(text, REAL_TEXT_MAX, "%.*g", precision, value);
    while (strtod(text, NULL) != value && ++precision <= DBL_DECIMAL_DIG);
    if (strpbrk(text, ".e") == NULL) /* a real stays a real */
        len += snprintf(text + len, REAL_TEXT_MAX - (size_t)len, ".0");
    assert(len < REAL_TEXT_MAX && "a double takes more text than REAL_TEXT_MAX");
    return (size_t)len;
}

/* Whether json_write() writes the number that the literal states. */
static bool real_is_kept(struct str literal)
{
    struct decimal given, kept;
    if (!decimal_read(&given, literal))
        return false;
    /* Beyond any double; within, the text below has room. */
    if (given.exponent < -400 || given.exponent > 400)
        return false;
    char text[REAL_TEXT_MAX];
    snprintf(text, sizeof text, "%.*se%d", (int)given.count, given.digits, (int)given.exponent);
    double value = given.count > 0 ? strtod(text, NULL) : 0.0;
    if (isinf(value))
        return false;
    size_t len = real_print(text, value);
    return decimal_read(&kept, (struct str){text, len}) && kept.exponent == given.exponent &&
           kept.count == given.count && memcmp(kept.digits, given.digits, kept.count) == 0;
}

/* For a text that jansson has read: integers have 64 bits. */
static int check_reals(struct str text, struct json_complaint *complaint)
{
    static const char number[] = "0123456789+-.eE";
    for (size_t i = 0, len; i<text.len; i += len> 0 ? len : 1) {
        char c = text.ptr[i];
        len = c == '"' ? skip_string(text, i) - i : 0;
        if (c != '-' && (c < '0' || c > '9'))
            continue;
        bool is_real = false;
        for (; i + len < text.len && memchr(number, text.ptr[i + len], sizeof number - 1) != NULL; len++)
            is_real |= memchr(".eE", text.ptr[i + len], 3) != NULL;
        if (is_real && !real_is_kept((struct str){text.ptr + i, len}))
            return complain(complaint, -EDOM,
                            "a number has more digits or a larger exponent than a double holds exactly", i);
    }
    return 0;
}

static int complain_of(struct json_complaint *complaint, const json_error_t *error)
{
    size_t position = error->position > 0 ? (size_t)error->position : 0;
    switch (json_error_code(error)) {
    case json_error_duplicate_key:
        return complain(complaint, -EDOM, "an object has two members of the same name", position);
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return complain(complaint, -EDOM, "a string holds U+0000", position);
    case json_error_numeric_overflow:
        return complain(complaint, -EDOM, "a number is out of range (integers have 64 bits)", position);
    case json_error_premature_end_of_input:
        return complain(complaint, -EBADMSG, "the text ends too early", position);
    case json_error_end_of_input_expected:
        return complain(complaint, -EBADMSG, "something follows the end of the value", position);
    case json_error_invalid_utf8:
        return complain(complaint, -EBADMSG, "the text is not UTF-8", position);
    default:
        /* RFC 8259 8.2: half of a surrogate pair is JSON, but not Unicode. jansson has no code for it. */
        if (strncmp(error->text, "invalid Unicode", strlen("invalid Unicode")) == 0)
            return complain(complaint, -EDOM, "a string holds half of a surrogate pair", position);
        return complain(complaint, -EBADMSG, "the syntax is wrong", position);
    }
}

int json_read(json_t **out, struct str text, unsigned max_depth, struct json_complaint *complaint)
{
    int result = check_depth(text, max_depth, complaint);
    if (result != 0)
        return result;
    json_error_t error;
    result = json_memory_load(out, text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (result == -EBADMSG)
        return complain_of(complaint, &error);
    if (result != 0)
        return result;
    result = check_reals(text, complaint);
    if (result != 0)
        json_decref(*out);
    return result;
}

/* The escape sequence of a byte that needs one; else NULL. */
static const char *escape(unsigned char c, char hex[8])
{
    static const char *const known[] = {
        ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n",  ['\f'] = "\\f",
        ['\r'] = "\\r", ['"'] = "\\\"", ['\\'] = "\\\\",
    };
    if (c < sizeof known / sizeof *known && known[c] != NULL)
        return known[c];
    if (c >= 0x20)
        return NULL;
    snprintf(hex, 8, "\\u%04x", c);
    return hex;
}

int json_write_string(struct buf *buf, struct str text)
{
    char hex[8];
    int error = buf_puts(buf, "\"");
    size_t begin = 0; /* of the bytes that are copied as they are */
    for (size_t i = 0; i < text.len && error == 0; i++) {
        const char *escaped = escape((unsigned char)text.ptr[i], hex);
        if (escaped == NULL)
            continue;
        error = buf_append(buf, text.ptr + begin, i - begin);
        error = error ?: buf_puts(buf, escaped);
        begin = i + 1;
    }
    error = error ?: buf_append(buf, text.ptr + begin, text.len - begin);
    return error ?: buf_puts(buf, "\"");
}

static int write_array(struct buf *buf, const json_t *array)
{
    int error = buf_puts(buf, "[");
    for (size_t i = 0; i < json_array_size(array) && error == 0; i++) {
        error = i > 0 ? buf_puts(buf, ",") : 0;
        error = error ?: json_write(buf, json_array_get(array, i));
    }
    return error ?: buf_puts(buf, "]");
}

static int write_object(struct buf *buf, const json_t *object)
{
    int error = buf_puts(buf, "{");
    json_t *members = (json_t *)object; /* jansson's iterator is not const */
    void *first = json_object_iter(members);
    for (void *i = first; i != NULL && error == 0; i = json_object_iter_next(members, i)) {
        const char *name = json_object_iter_key(i);
        error = i != first ? buf_puts(buf, ",") : 0;
        error = error ?: json_write_string(buf, (struct str){name, strlen(name)});
        error = error ?: buf_puts(buf, ":");
        error = error ?: json_write(buf, json_object_iter_value(i));
    }
    return error ?: buf_puts(buf, "}");
}

int json_write(struct buf *buf, const json_t *json)
{
    char text[REAL_TEXT_MAX];
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return write_object(buf, json);
    case JSON_ARRAY:
        return write_array(buf, json);
    case JSON_STRING:
        return json_write_string(buf, (struct str){json_string_value(json), json_string_length(json)});
    case JSON_INTEGER:
        return buf_printf(buf, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
    case JSON_REAL:
        return buf_append(buf, text, real_print(text, json_real_value(json)));
    case JSON_TRUE:
        return buf_puts(buf, "true");
    case JSON_FALSE:
        return buf_puts(buf, "false");
    case JSON_NULL:
        return buf_puts(buf, "null");
    }
    assert(!"a JSON value of no known type");
    return -EINVAL;
}

json_t *json_merge(json_t *target, json_t *patch)
{
    if (!json_is_object(patch))
        return json_incref(patch);
    json_t *result = json_is_object(target) ? json_incref(target) : json_object();
    const char *name;
    json_t *value;
    json_object_foreach(patch, name, value)
    {
        if (json_is_null(value)) {
            json_object_del(result, name);
        } else if (json_object_set_new(result, name, json_merge(json_object_get(result, name), value)) != 0) {
            json_decref(result);
            return NULL;
        }
    }
    return result;
}
