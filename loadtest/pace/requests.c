#include "requests.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int path_init(struct path *path, const struct requests *requests, const char *text)
{
    atomic_init(&path->body_len, requests->options->expected_len);
    int len = asprintf(&path->request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", text, requests->host);
    int last_len = asprintf(&path->last_request, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                            text, requests->host);
    path->len = (size_t)len;
    path->last_len = (size_t)last_len;
    return len < 0 || last_len < 0 ? -ENOMEM : 0;
}

static void path_deinit(struct path *path)
{
    free(path->request);
    free(path->last_request);
}

/* RFC 9110 7.2: an IPv6 address in brackets, and the port unless it is that of the scheme. */
static void write_host(struct requests *requests)
{
    const struct options *options = requests->options;
    const char *format = strchr(options->host, ':') != NULL ? "[%s]%s%s" : "%s%s%s";
    bool is_usual = strcmp(options->port, "80") == 0;
    snprintf(requests->host, sizeof requests->host, format, options->host, is_usual ? "" : ":",
             is_usual ? "" : options->port);
}

int requests_init(struct requests *requests, const struct options *options)
{
    *requests = (struct requests){.options = options};
    write_host(requests);
    requests->paths = calloc(options->path_count + 1, sizeof *requests->paths);
    if (requests->paths == NULL)
        return -ENOMEM;
    int error = 0;
    for (unsigned i = 0; error == 0 && i < options->path_count; i++)
        error = path_init(&requests->paths[i], requests, options->paths[i]);
    if (error == 0 && options->has_crud) /* for connections that idle */
        error = path_init(&requests->paths[0], requests, "/items/1");
    if (error == 0 && options->injected != NULL && !options->has_crud)
        error = path_init(&requests->injected, requests, options->injected);
    return error;
}

void requests_deinit(struct requests *requests)
{
    unsigned count = requests->options->path_count + 1;
    for (unsigned i = 0; requests->paths != NULL && i < count; i++)
        path_deinit(&requests->paths[i]);
    free(requests->paths);
    path_deinit(&requests->injected);
}

void requester_init(struct requester *requester, struct requests *requests, unsigned thread)
{
    *requester = (struct requester){.shared = requests, .next_path = thread};
    crud_init(&requester->crud, requests->options, requests->host, thread);
}

void requester_deinit(struct requester *requester)
{
    crud_deinit(&requester->crud);
}

static void ask(struct asked *asked, struct path *path, bool is_last)
{
    asked->path = path;
    asked->bytes = is_last ? path->last_request : path->request;
    asked->len = is_last ? path->last_len : path->len;
}

void requester_next(struct requester *requester, struct asked *asked, bool is_last)
{
    struct requests *requests = requester->shared;
    const struct options *options = requests->options;
    if (options->has_crud) {
        asked->path = NULL;
        asked->len = crud_next(&requester->crud, &asked->crud, is_last, asked->text);
        asked->bytes = asked->text;
        return;
    }
    requester->made++;
    if (options->injected != NULL && requester->made % options->injected_every == 0)
        ask(asked, &requests->injected, is_last);
    else
        ask(asked, &requests->paths[requester->next_path++ % options->path_count], is_last);
}

void requester_plain(struct requester *requester, struct asked *asked)
{
    ask(asked, &requester->shared->paths[0], false);
}

/* The length of a path's first response becomes that of all; an injected fault has the length of the first
 * path. */
static long long expected_len(struct requests *requests, const struct asked *asked, long long len)
{
    struct path *path = asked->path == &requests->injected ? &requests->paths[0] : asked->path;
    long long known = -1;
    return atomic_compare_exchange_strong(&path->body_len, &known, len) ? len : known;
}

enum error_kind requester_check(struct requester *requester, const struct asked *asked,
                                const struct response *response, char *why, size_t size)
{
    if (asked->path == NULL) { /* what is wrong but no error of HTTP is counted by crud_check() */
        bool is_right = crud_check(&requester->crud, &asked->crud, response);
        if (is_right || response->status < 400)
            return ERROR_NONE;
        snprintf(why, size, "a response has status %u", response->status);
        return ERROR_STATUS;
    }
    const char *path = asked->bytes + strlen("GET ");
    int path_len = (int)strcspn(path, " ");
    unsigned wanted = requester->shared->options->expected_status;
    if (response->status != wanted) {
        snprintf(why, size, "the response to GET %.*s has status %u and not %u", path_len, path,
                 response->status, wanted);
        return ERROR_STATUS;
    }
    long long len = (long long)response->body_len, expected = expected_len(requester->shared, asked, len);
    if (len == expected)
        return ERROR_NONE;
    snprintf(why, size, "the response to GET %.*s has %lld bytes and not %lld", path_len, path, len, expected);
    return ERROR_LENGTH;
}
