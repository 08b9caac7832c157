#include "db/pg_target.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct addrinfo pg_address_hints = {.ai_socktype = SOCK_STREAM};

/* What the URL says (even if empty), else what the environment or libpq's defaults say, else "". */
static const char *setting(const PQconninfoOption *url, const PQconninfoOption *defaults, const char *keyword)
{
    for (const PQconninfoOption *option = url; option != NULL && option->keyword != NULL; option++) {
        if (strcmp(option->keyword, keyword) == 0 && option->val != NULL)
            return option->val;
    }
    for (const PQconninfoOption *option = defaults; option->keyword != NULL; option++) {
        if (strcmp(option->keyword, keyword) == 0 && option->val != NULL)
            return option->val;
    }
    return "";
}

static bool needs_resolver(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return host[0] != '\0' && host[0] != '/' && host[0] != '@' && inet_pton(AF_INET, host, address) != 1 &&
           inet_pton(AF_INET6, host, address) != 1;
}

/*
 * libpq quotes the piece that it did not understand, which may be the password or all of the URL:
 * quotations of more than one character are left out.
 */
static void copy_without_quotations(char *to, size_t size, const char *message)
{
    size_t len = strlen(to);
    for (; *message != '\0' && *message != '\n' && len + 5 < size; message++) {
        to[len++] = *message;
        const char *end = *message == '"' ? strrchr(message + 1, '"') : NULL;
        if (end == NULL)
            continue;
        if (message[1] != '\0' && message[2] == '"') {
            to[len++] = message[1];
            to[len++] = '"';
            message += 2;
        } else {
            memcpy(to + len, "...\"", 4);
            len += 4;
            message = end;
        }
    }
    to[len] = '\0';
}

/*
 * A password that is not percent-encoded makes libpq take a piece of it for the host, the port or the
 * database, and messages name those. No URL has a '@' after its host.
 */
static bool is_misread(const char *url)
{
    const char *authority = strstr(url, "://");
    if (authority == NULL)
        return false;
    authority += 3;
    size_t end = strcspn(authority, "?"), slash = strcspn(authority, "/");
    const char *first = memchr(authority, '@', end);
    return first != NULL && ((size_t)(first - authority) > slash ||
                             memchr(first + 1, '@', end - (size_t)(first + 1 - authority)) != NULL);
}

/* "5432"; "" is libpq's default. */
static bool is_port(const char *text)
{
    return strspn(text, "0123456789") == strlen(text) && strlen(text) <= 5 &&
           (text[0] == '\0' || atoi(text) > 0) && atoi(text) <= UINT16_MAX;
}

static bool fill(struct pg_target *target, const PQconninfoOption *url, const PQconninfoOption *defaults,
                 char error[256])
{
    const char *host = setting(url, defaults, "host");
    const char *address = setting(url, defaults, "hostaddr");
    const char *port = setting(url, defaults, "port");
    const char *database = setting(url, defaults, "dbname");
    if (database[0] == '\0')
        database = setting(url, defaults, "user");
    if (strpbrk(host, ",") != NULL || strpbrk(address, ",") != NULL || strpbrk(port, ",") != NULL) {
        snprintf(error, 256, "DATABASE_URL names several hosts; name one");
        return false;
    }
    if (is_misread(target->url)) {
        snprintf(
            error, 256,
            "DATABASE_URL has a '@' after its host: percent-encode the password ('@' is %%40, '/' is %%2F)");
        return false;
    }
    if (!is_port(port)) {
        snprintf(error, 256, "the port in DATABASE_URL is not a number from 1 to 65535");
        return false;
    }
    /* libpq would look it up while connecting, too late for the name in it to be resolved here. */
    if (setting(url, (const PQconninfoOption[]){{0}}, "service")[0] != '\0') {
        snprintf(error, 256, "DATABASE_URL has service=; set PGSERVICE instead and leave DATABASE_URL empty");
        return false;
    }
    if (address[0] == '\0' && needs_resolver(host)) {
        if (strlen(host) >= sizeof target->host) {
            snprintf(error, 256, "the host name in DATABASE_URL is longer than 255 characters");
            return false;
        }
        snprintf(target->host, sizeof target->host, "%s", host);
    }
    const char *shown = host[0] != '\0' ? host : address[0] != '\0' ? address : "local socket";
    bool bracket = shown[0] != '/' && strchr(shown, ':') != NULL;
    snprintf(target->where, sizeof target->where, "%s%s%s:%s/%s", bracket ? "[" : "", shown, bracket ? "]" : "",
             port, database);
    return true;
}

bool pg_target_init(struct pg_target *target, const char *url, const char *model, char error[256])
{
    bool ok = false;
    char *message = NULL;
    PQconninfoOption *parsed = NULL;
    PQconninfoOption *defaults = PQconndefaults();

    *target = (struct pg_target){.url = url, .model = model, .prepare = ""};
    if (defaults == NULL) {
        snprintf(error, 256, "libpq cannot read its defaults: check PGSERVICE and PGSERVICEFILE");
        return false;
    }
    if (url[0] != '\0' && (parsed = PQconninfoParse(url, &message)) == NULL) {
        snprintf(error, 256,
                 "DATABASE_URL is not a connection string (postgresql://user@host:5432/database): ");
        copy_without_quotations(error, 256, message != NULL ? message : "out of memory");
    } else {
        ok = fill(target, parsed, defaults, error);
    }
    PQfreemem(message);
    PQconninfoFree(parsed);
    PQconninfoFree(defaults);
    return ok;
}
