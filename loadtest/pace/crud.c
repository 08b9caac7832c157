#include "crud.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ, LIST, CREATE, REPLACE, PATCH, DELETE };
enum { PAGE = 20 }; /* items of a list; no other length is asked for */

static const char payload[] =
    "{\"colour\":\"green\",\"weight\":12.5,\"tags\":[\"new\",\"large\",\"fragile\"],\"stock\":{\"north\":7,"
    "\"south\":12},"
    "\"text\":\"A small thing that somebody keeps in a table, with a line or two about it.\"}";

void crud_init(struct crud *crud, const struct options *options, const char *host, unsigned thread)
{
    uint64_t seed = options->seed + thread + 1;
    *crud = (struct crud){
        .options = options,
        .host = host,
        .state = {0x330e, (unsigned short)seed, (unsigned short)(seed >> 16)}, /* as srand48(3) */
    };
}

void crud_deinit(struct crud *crud)
{
    free(crud->created);
}

/* 0 to `below` - 1. */
static long random_below(struct crud *crud, long below)
{
    return nrand48(crud->state) % below;
}

static int choose(struct crud *crud)
{
    const unsigned *mix = crud->options->mix;
    long total = 0;
    for (int i = 0; i < OPERATIONS; i++)
        total += mix[i];
    long left = random_below(crud, total);
    for (int i = READ; i < DELETE; i++) {
        left -= mix[i];
        if (left < 0)
            return i;
    }
    return crud->created_count > 0 ? DELETE : CREATE;
}

static size_t without_body(const struct crud *crud, bool is_last, char *text, const char *method,
                           const char *path)
{
    return (size_t)snprintf(text, CRUD_REQUEST_MAX, "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", method, path,
                            crud->host, is_last ? "Connection: close\r\n" : "");
}

static size_t with_body(const struct crud *crud, bool is_last, char *text, const char *method, const char *path,
                        const char *media, const char *body)
{
    return (size_t)snprintf(text, CRUD_REQUEST_MAX,
                            "%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                            method, path, crud->host, is_last ? "Connection: close\r\n" : "", media,
                            strlen(body), body);
}

static size_t item(const struct crud *crud, const struct crud_request *request, bool is_last, char *text,
                   const char *method, const char *path, const char *name)
{
    char body[sizeof payload + 100];
    snprintf(body, sizeof body, "{\"name\":\"waitbench %s\",\"value\":%ju,\"payload\":%s}", name,
             (uintmax_t)request->value, payload);
    return with_body(crud, is_last, text, method, path, "application/json", body);
}

static size_t write_request(struct crud *crud, struct crud_request *request, bool is_last, char *text)
{
    char path[64], body[64];
    snprintf(path, sizeof path, "/items/%ld", request->item);
    switch (request->operation) {
    case LIST:
        snprintf(path, sizeof path, "/items?limit=%d&after=%ld", PAGE, request->item);
        return without_body(crud, is_last, text, "GET", path);
    case CREATE:
        return item(crud, request, is_last, text, "POST", "/items", "created");
    case REPLACE:
        return item(crud, request, is_last, text, "PUT", path, "replaced");
    case PATCH:
        snprintf(body, sizeof body, "{\"value\":%ju}", (uintmax_t)request->value);
        return with_body(crud, is_last, text, "PATCH", path, "application/merge-patch+json", body);
    default:
        return without_body(crud, is_last, text, request->operation == DELETE ? "DELETE" : "GET", path);
    }
}

static bool is_faulty(const struct crud *crud)
{
    return crud->options->injected != NULL && crud->made % crud->options->injected_every == 0;
}

static size_t faulty_request(const struct crud *crud, bool is_last, char *text)
{
    bool is_short = strcmp(crud->options->injected, "short") == 0;
    return without_body(crud, is_last, text, "GET",
                        is_short ? "/items?after=0&limit=10" : "/items?after=0&limit=none");
}

size_t crud_next(struct crud *crud, struct crud_request *request, bool is_last, char *text)
{
    crud->made++;
    bool faulty = is_faulty(crud);
    *request = (struct crud_request){.operation = faulty ? LIST : choose(crud), .value = crud->made};
    crud->issued[request->operation]++;
    if (faulty)
        return faulty_request(crud, is_last, text);
    if (request->operation == DELETE)
        request->item = crud->created[--crud->created_count];
    else if (request->operation == LIST)
        request->item = random_below(crud, (long)crud->options->rows - PAGE);
    else
        request->item = 1 + random_below(crud, crud->options->rows);
    return write_request(crud, request, is_last, text);
}

/* The number after the first `"name":` of the text; -1 when there is none. */
static long number_of(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    if (at == NULL)
        return -1;
    at += strlen(name);
    at += strspn(at, " ");
    if (*at != ':')
        return -1;
    at += 1 + strspn(at + 1, " ");
    char *end;
    long value = strtol(at, &end, 10);
    return end == at ? -1 : value;
}

static bool is_list(const struct crud_request *request, const struct response_content *content)
{
    size_t len = content->body_len;
    const char *tail = content->body + (len > 30 ? len - 30 : 0);
    return strstr(content->body, "\"items\"") != NULL &&
           number_of(content->body, "\"id\"") == request->item + 1 &&
           number_of(tail, "\"next\"") == request->item + PAGE;
}

/* Keeps the id for a deletion; where there is no memory, that item stays, and the count of rows is right. */
static void keep_created(struct crud *crud, long id)
{
    if (crud->created_count == crud->created_size) {
        size_t size = crud->created_size * 2 + 64;
        long *larger = realloc(crud->created, size * sizeof *larger);
        if (larger == NULL)
            return;
        crud->created = larger;
        crud->created_size = size;
    }
    crud->created[crud->created_count++] = id;
}

static bool is_created(const struct crud *crud, const struct crud_request *request,
                       const struct response_content *content, long id)
{
    char location[RESPONSE_LOCATION_MAX];
    snprintf(location, sizeof location, "/items/%ld", id);
    return id > (long)crud->options->rows && strcmp(content->location, location) == 0 &&
           number_of(content->body, "\"value\"") == (long)request->value;
}

static bool is_right(struct crud *crud, const struct crud_request *request, const struct response *response)
{
    const struct response_content *content = response->content;
    if (request->operation == DELETE)
        return response->status == 204 && response->body_len == 0;
    long id = number_of(content->body, "\"id\"");
    if (strncmp(content->media, "application/json", 16) != 0 || id < 0)
        return false;
    switch (request->operation) {
    case READ:
        return response->status == 200 && id == request->item && strstr(content->body, "\"value\"") != NULL;
    case LIST:
        return response->status == 200 && is_list(request, content);
    case CREATE:
        if (response->status != 201 || !is_created(crud, request, content, id))
            return false;
        keep_created(crud, id);
        return true;
    default:
        return response->status == 200 && id == request->item &&
               number_of(content->body, "\"value\"") == (long)request->value;
    }
}

static void keep_first_wrong(struct crud *crud, const struct response *response)
{
    snprintf(crud->first_wrong, sizeof crud->first_wrong, "%u %.160s", response->status,
             response->content->body);
    for (char *at = crud->first_wrong; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = ' ';
}

bool crud_check(struct crud *crud, const struct crud_request *request, const struct response *response)
{
    assert(response->content != NULL);
    if (is_right(crud, request, response)) {
        crud->answered[request->operation]++;
        return true;
    }
    if (crud->wrong++ == 0)
        keep_first_wrong(crud, response);
    return false;
}
