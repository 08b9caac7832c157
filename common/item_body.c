#include "item_body.h"

#include <errno.h>

#include "answer.h"
#include "json.h"

enum step item_answer_no_memory(struct exchange *x)
{
    return answer_problem(x, 503, NULL, "The server has no memory left for this request; try again later.");
}

/* RFC 9110 8.3.1. Of the parameters only a charset could change what the bytes mean. */
static bool is_media_type(struct str field, struct str wanted)
{
    struct str part, name;
    if (!str_cut(&field, ';', &part) || !str_eq_nocase(str_trim(part), wanted))
        return false;
    while (str_cut(&field, ';', &part)) {
        struct str value = str_trim(part);
        if (str_cut(&value, '=', &name) && str_eq_nocase(name, STR("charset")) &&
            !str_eq_nocase(value, STR("utf-8")) && !str_eq_nocase(value, STR("\"utf-8\"")))
            return false;
    }
    return true;
}

static bool check_media_type(struct exchange *x)
{
    bool is_patch = x->method == HTTP_METHOD_PATCH;
    struct str field = x->request->content_type;
    if (field.ptr != NULL && (is_media_type(field, STR("application/json")) ||
                              (is_patch && is_media_type(field, STR("application/merge-patch+json")))))
        return true;
    const char *accepted = is_patch ? "application/merge-patch+json, application/json" : "application/json";
    answer_field(x, is_patch ? "Accept-Patch" : "Accept", "%s", accepted);
    answer_problem(x, 415, NULL, "Send the body as %s in UTF-8, and say so in Content-Type.",
                   is_patch ? "application/merge-patch+json" : accepted);
    return false;
}

/* *out is the caller's. */
static bool read_body(struct exchange *x, json_t **out)
{
    struct str body = x->request->body;
    struct json_complaint complaint;
    if (body.len == 0) {
        answer_problem(x, 400, NULL, "The body is empty: send a JSON object.");
        return false;
    }
    if (!check_media_type(x))
        return false;
    switch (json_read(out, body, ITEM_PAYLOAD_DEPTH_MAX + 1, &complaint)) {
    case 0:
        break;
    case -EBADMSG:
        answer_problem(x, 400, NULL, "The body is not JSON: %s at byte %zu.", complaint.reason,
                       complaint.position);
        return false;
    case -EDOM:
        answer_problem(x, 422, NULL, "The body cannot be kept as it is: %s at byte %zu.", complaint.reason,
                       complaint.position);
        return false;
    default:
        item_answer_no_memory(x);
        return false;
    }
    if (json_is_object(*out))
        return true;
    json_decref(*out);
    answer_problem(x, 422, NULL, "The body must be a JSON object with the members of an item.");
    return false;
}

bool item_refuse(struct exchange *x, const char *member, const char *detail)
{
    answer_problem(x, 422, member, "%s", detail);
    return false;
}

static bool check_name(struct exchange *x, const json_t *name)
{
    size_t characters = 0;
    if (json_is_null(name) && x->method == HTTP_METHOD_PATCH)
        return item_refuse(x, "name", "An item has a name: it can be changed and not removed.");
    if (!json_is_string(name))
        return item_refuse(x, "name", "The name must be a string.");
    /* Each code point has one byte that is not a continuation byte. */
    for (size_t i = 0; i < json_string_length(name); i++)
        characters += (json_string_value(name)[i] & 0xc0) != 0x80;
    if (characters < 1 || characters > ITEM_NAME_MAX)
        return item_refuse(x, "name", "The name must have 1 to 200 characters.");
    return true;
}

static bool check_value(struct exchange *x, const json_t *value)
{
    if (json_is_integer(value) || (json_is_null(value) && x->method == HTTP_METHOD_PATCH))
        return true;
    return item_refuse(x, "value", "The value must be an integer, without fraction or exponent.");
}

/* PUT takes these, so that what GET gave can be put back. */
static bool check_id(struct exchange *x, const json_t *id)
{
    if (json_is_integer(id) && json_integer_value(id) == x->item.id)
        return true;
    return item_refuse(x, "id", "The id must be the one in the path, or be left out.");
}

static bool check_members(struct exchange *x, json_t *body)
{
    bool is_put = x->method == HTTP_METHOD_PUT;
    const char *key;
    json_t *member;
    json_object_foreach(body, key, member)
    {
        bool taken;
        if (strcmp(key, "name") == 0)
            taken = check_name(x, member);
        else if (strcmp(key, "value") == 0)
            taken = check_value(x, member);
        else if (strcmp(key, "id") == 0 && is_put)
            taken = check_id(x, member);
        else
            taken = strcmp(key, "payload") == 0 || (strcmp(key, "updated_at") == 0 && is_put) ||
                    item_refuse(x, key, "This member cannot be set: an item takes name, value and payload.");
        if (!taken)
            return false;
    }
    if (x->method != HTTP_METHOD_PATCH && json_object_get(body, "name") == NULL)
        return item_refuse(x, "name", "An item needs a name.");
    return true;
}

bool item_body_take(struct exchange *x, json_t **out)
{
    json_t *body;
    if (!read_body(x, &body))
        return false;
    if (!check_members(x, body)) {
        json_decref(body);
        return false;
    }
    *out = body;
    return true;
}
