/* Where the database is: the parts of DATABASE_URL (or PG*) that connecting needs. */
#ifndef WB_PG_TARGET_H
#define WB_PG_TARGET_H

#include <netdb.h>
#include <stdbool.h>

struct pg_target {
    const char *url;     /* as configured; "" for PG* alone */
    const char *model;   /* becomes part of application_name */
    const char *prepare; /* SQL that a new connection runs before its first query; "" for none */
    char host[256];      /* a name to resolve before each connect; "" when it is a number or a socket */
    char where[320];     /* for messages: "127.0.0.1:5432/app", never a password */
};

/*
 * How to resolve target->host, as libpq itself does: without AI_ADDRCONFIG, which would leave out
 * 127.0.0.1 or ::1 on a host whose only addresses are loopback.
 */
extern const struct addrinfo pg_address_hints;

/*
 * Finds out target->host and target->where; the caller sets target->prepare. False with a sentence in
 * `error` if the URL is malformed. All three strings must outlive *target.
 */
bool pg_target_init(struct pg_target *target, const char *url, const char *model, char error[256]);

#endif
