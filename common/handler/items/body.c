#include "handler/items/body.h"

#include <errno.h>

#include "handler/items/json.h"
#include "handler/respond.h"

/* Cuts the part before the next ';' outside of quoted strings (RFC 9110 5.6.4) off *rest. */
static bool cut_parameter(struct str *rest, struct str *part)
{
    bool quoted = false;
    size_t len = 0;
    if (rest->len == 0)
        return false;
    for (; len < rest->len && (quoted || rest->ptr[len] != ';'); len++) {
        if (quoted && rest->ptr[len] == '\\' && len + 1 < rest->len)
            len++;
        else if (rest->ptr[len] == '"')
            quoted = !quoted;
    }
    *part = (struct str){rest->ptr, len};
    size_t skip = len < rest->len ? len + 1 : len;
    *rest = (struct str){rest->ptr + skip, rest->len - skip};
    return true;
}

/* RFC 9110 8.3.1. Of all parameters only a charset could change the meaning of the bytes. */
static bool is_media_type(struct str field, struct str wanted)
{
    struct str part, name;
    if (!cut_parameter(&field, &part) || !str_eq_nocase(str_trim(part), wanted))
        return false;
    while (cut_parameter(&field, &part)) {
        struct str value = str_trim(part);
        if (str_cut(&value, '=', &name) && str_eq_nocase(name, STR("charset")) &&
            !str_eq_nocase(value, STR("utf-8")) && !str_eq_nocase(value, STR("\"utf-8\"")))
            return false;
    }
    return true;
}

static bool is_json(const struct http_request *request)
{
    bool is_patch = request->method == HTTP_METHOD_PATCH;
    struct str field = request->content_type;
    return field.ptr != NULL && (is_media_type(field, STR("application/json")) ||
                                 (is_patch && is_media_type(field, STR("application/merge-patch+json"))));
}

/* RFC 9110 8.4 */
static bool is_coded(const struct http_request *request)
{
    struct str fields = request->fields, value, coding;
    while (http_next_value(&fields, STR("Content-Encoding"), &value))
        while (str_cut(&value, ',', &coding)) {
            coding = str_trim(coding);
            if (coding.len > 0 && !str_eq_nocase(coding, STR("identity")))
                return true;
        }
    return false;
}

bool item_body_is_acceptable(const struct http_request *request)
{
    return is_json(request) && !is_coded(request);
}

static bool check_media_type(struct exchange *x)
{
    bool is_patch = x->method == HTTP_METHOD_PATCH;
    if (item_body_is_acceptable(x->request))
        return true;
    if (is_coded(x->request)) {
        respond_field(x, "Accept-Encoding", "identity"); /* RFC 9110 12.5.3 */
        return refuse_request(x, 415, NULL, "Send the body as it is, without a Content-Encoding.");
    }
    if (is_patch)
        respond_field(x, "Accept-Patch", ITEM_ACCEPT_PATCH);
    else
        respond_field(x, "Accept", "application/json");
    return refuse_request(x, 415, NULL, "Send the body as application/%s in UTF-8, and say so in Content-Type.",
                          is_patch ? "merge-patch+json" : "json");
}

static bool refuse_json(struct exchange *x, int error, const struct json_complaint *complaint)
{
    if (error == -EBADMSG)
        return refuse_request(x, 400, NULL, "The body is not JSON: %s at byte %zu.", complaint->reason,
                              complaint->position);
    if (error == -EDOM)
        return refuse_request(x, 422, NULL, "The body cannot be kept as it is: %s at byte %zu.",
                              complaint->reason, complaint->position);
    respond_no_memory(x);
    return false;
}

/* The caller owns *out. */
static bool read_body(struct exchange *x, json_t **out)
{
    struct str body = x->request->body;
    struct json_complaint complaint;
    if (body.ptr == NULL)
        return refuse_request(x, 411, NULL, "There is no body: send a JSON object, and its Content-Length.");
    if (!check_media_type(x))
        return false;
    if (body.len == 0)
        return refuse_request(x, 400, NULL, "The body is empty: send a JSON object.");
    int error = json_read(out, body, ITEM_PAYLOAD_DEPTH_MAX + 1, &complaint);
    if (error != 0)
        return refuse_json(x, error, &complaint);
    if (json_is_object(*out))
        return true;
    json_decref(*out);
    return refuse_request(x, 422, NULL, "The body must be a JSON object with the members of an item.");
}

static bool refuse(struct exchange *x, const char *member, const char *detail)
{
    return refuse_request(x, 422, member, "%s", detail);
}

static bool check_name(struct exchange *x, const json_t *name)
{
    size_t characters = 0;
    if (json_is_null(name) && x->method == HTTP_METHOD_PATCH)
        return refuse(x, "name", "An item has a name: it can be changed and not removed.");
    if (!json_is_string(name))
        return refuse(x, "name", "The name must be a string.");
    /* Each code point has one byte that is not a continuation byte. */
    for (size_t i = 0; i < json_string_length(name); i++)
        characters += (json_string_value(name)[i] & 0xc0) != 0x80;
    if (characters < 1 || characters > ITEM_NAME_MAX)
        return refuse(x, "name", "The name must have 1 to 200 characters.");
    return true;
}

static bool check_value(struct exchange *x, const json_t *value)
{
    if (json_is_integer(value) || (json_is_null(value) && x->method == HTTP_METHOD_PATCH))
        return true;
    return refuse(x, "value", "The value must be an integer, without fraction or exponent.");
}

/* PUT takes an id, so that a client can send back what GET returned. */
static bool check_id(struct exchange *x, const json_t *id)
{
    if (json_is_integer(id) && json_integer_value(id) == x->id)
        return true;
    return refuse(x, "id", "The id must be the one in the path, or be left out.");
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
                    refuse(x, key, "This member cannot be set: an item takes name, value and payload.");
        if (!taken)
            return false;
    }
    if (x->method != HTTP_METHOD_PATCH && json_object_get(body, "name") == NULL)
        return refuse(x, "name", "An item needs a name.");
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

/* The texts of the query: the name; and as payload `payload`, or the JSON `text` if that is NULL. */
static bool keep_texts(struct exchange *x, struct str name, const json_t *payload, struct str text)
{
    struct item_op *op = &x->item;
    buf_consume(&op->texts, op->texts.len);
    int error = buf_append(&op->texts, name.ptr, name.len);
    op->name_len = op->texts.len;
    if (error == 0)
        error = payload != NULL ? json_write(&op->texts, payload) : buf_append(&op->texts, text.ptr, text.len);
    if (error == -EMSGSIZE)
        return refuse(x, "payload", "The payload would take more bytes than MAX_BODY_BYTES allows.");
    if (error != 0)
        respond_no_memory(x);
    return error == 0;
}

static struct str string_of(const json_t *string)
{
    return (struct str){json_string_value(string), json_string_length(string)};
}

bool item_body_keep(struct exchange *x)
{
    json_t *body;
    if (!item_body_take(x, &body))
        return false;
    x->item.value = json_integer_value(json_object_get(body, "value")); /* 0 if absent */
    bool kept =
        keep_texts(x, string_of(json_object_get(body, "name")), json_object_get(body, "payload"), STR("null"));
    json_decref(body);
    return kept;
}

/* Merges the object `patch` into the stored payload. The caller owns *out. */
static bool merge_payload(struct exchange *x, json_t **out, struct str stored, json_t *patch)
{
    struct json_complaint complaint;
    json_t *target;
    int error = json_read(&target, stored, ITEM_PAYLOAD_DEPTH_MAX, &complaint);
    if (error == -EBADMSG || error == -EDOM) /* from another program */
        return refuse(x, "payload", "The stored payload cannot be read for a merge; replace it with PUT.");
    if (error == 0) {
        *out = json_merge(target, patch);
        json_decref(target);
        if (*out != NULL)
            return true;
    }
    respond_no_memory(x);
    return false;
}

bool item_body_keep_merged(struct exchange *x, const struct item_row *current)
{
    struct item_op *op = &x->item;
    const json_t *name = json_object_get(op->patch, "name");
    const json_t *value = json_object_get(op->patch, "value");
    json_t *payload = json_incref(json_object_get(op->patch, "payload"));
    op->value = value != NULL ? json_integer_value(value) : current->value; /* null is 0 */
    if (json_is_object(payload)) {
        json_t *patch = payload;
        bool merged = merge_payload(x, &payload, current->payload, patch);
        json_decref(patch);
        if (!merged)
            return false;
    }
    bool kept = keep_texts(x, name != NULL ? string_of(name) : current->name, payload, current->payload);
    json_decref(payload);
    return kept;
}
