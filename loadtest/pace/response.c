#include "response.h"

#include <string.h>
#include <strings.h>

/* Appends to a text of the size RESPONSE_LOCATION_MAX. */
static void append(char *text, const char *bytes, size_t len)
{
    size_t has = strlen(text), room = RESPONSE_LOCATION_MAX - 1 - has;
    if (len > room)
        len = room;
    memcpy(text + has, bytes, len);
    text[has + len] = '\0';
}

static int on_field(llhttp_t *parser, const char *bytes, size_t len)
{
    struct response_content *content = ((struct response *)parser->data)->content;
    if (content != NULL)
        append(content->name, bytes, len);
    return 0;
}

static int on_field_complete(llhttp_t *parser)
{
    struct response_content *content = ((struct response *)parser->data)->content;
    if (content == NULL)
        return 0;
    content->value = strcasecmp(content->name, "Location") == 0           ? content->location
                     : strcasecmp(content->name, "Content-Location") == 0 ? content->content_location
                     : strcasecmp(content->name, "Content-Type") == 0     ? content->media
                                                                          : NULL;
    content->name[0] = '\0';
    return 0;
}

static int on_value(llhttp_t *parser, const char *bytes, size_t len)
{
    struct response_content *content = ((struct response *)parser->data)->content;
    if (content != NULL && content->value != NULL)
        append(content->value, bytes, len);
    return 0;
}

static int on_body(llhttp_t *parser, const char *bytes, size_t len)
{
    struct response *response = parser->data;
    struct response_content *content = response->content;
    response->body_len += len;
    if (content == NULL)
        return 0;
    size_t room = RESPONSE_BODY_MAX - content->body_len;
    if (len > room)
        len = room;
    memcpy(content->body + content->body_len, bytes, len);
    content->body_len += len;
    content->body[content->body_len] = '\0';
    return 0;
}

static void clear(struct response *response)
{
    response->body_len = 0;
    struct response_content *content = response->content;
    if (content == NULL)
        return;
    content->location[0] = content->content_location[0] = content->media[0] = content->name[0] = '\0';
    content->body[0] = '\0';
    content->body_len = 0;
    content->value = NULL;
}

/* RFC 9110 15.2: any number of responses 1xx come before the one that counts; but 101 is the last. */
static int on_complete(llhttp_t *parser)
{
    struct response *response = parser->data;
    if (parser->status_code / 100 == 1 && parser->status_code != 101) {
        clear(response);
        return 0;
    }
    response->status = parser->status_code;
    response->keeps_alive = llhttp_should_keep_alive(parser);
    response->is_done = true;
    return HPE_PAUSED;
}

/* RFC 9112 6.3: 1xx, 204 and 304 have no body, whatever their fields say. llhttp 8.1 waits for that of a 304
 * with Content-Length; 1 tells it that there is none. */
static int on_headers_complete(llhttp_t *parser)
{
    unsigned status = parser->status_code;
    return status / 100 == 1 || status == 204 || status == 304;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_field,
    .on_header_field_complete = on_field_complete,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* Where no content is kept, no field is looked at. */
static const llhttp_settings_t bare_settings = {
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void response_init(struct response *response, struct response_content *content)
{
    *response = (struct response){.content = content};
    llhttp_init(&response->parser, HTTP_RESPONSE, content == NULL ? &bare_settings : &settings);
    response->parser.data = response;
    clear(response);
}

void response_next(struct response *response)
{
    if (llhttp_get_errno(&response->parser) != HPE_PAUSED || !response->keeps_alive) {
        response_init(response, response->content);
        return;
    }
    llhttp_resume(&response->parser);
    response->is_done = response->has_begun = false;
    clear(response);
}

static bool is_http_1(const llhttp_t *parser)
{
    return parser->http_major == 1 && parser->http_minor <= 1;
}

enum response_event response_feed(struct response *response, const char *bytes, size_t len, size_t *used)
{
    response->has_begun |= len > 0;
    llhttp_errno_t error = llhttp_execute(&response->parser, bytes, len);
    const char *end = error == HPE_OK ? bytes + len : llhttp_get_error_pos(&response->parser);
    *used = end == NULL ? 0 : (size_t)(end - bytes);
    if (response->is_done)
        return is_http_1(&response->parser) ? RESPONSE_DONE : RESPONSE_WRONG;
    return error == HPE_OK ? RESPONSE_MORE : RESPONSE_WRONG;
}

enum response_event response_end(struct response *response)
{
    if (!response->has_begun)
        return RESPONSE_MORE;
    if (llhttp_get_errno(&response->parser) == HPE_OK) /* llhttp_finish() would forget an error */
        llhttp_finish(&response->parser);
    return response->is_done && is_http_1(&response->parser) ? RESPONSE_DONE : RESPONSE_WRONG;
}

const char *response_why_wrong(const struct response *response)
{
    const char *reason = llhttp_get_error_reason(&response->parser);
    return reason != NULL && reason[0] != '\0' ? reason : "it is not HTTP/1.1";
}
