#include "db/pg_advice.h"

#include <string.h>

#define CREDENTIALS "check the user and password in DATABASE_URL"
#define LOAD        "load db/schema.sql and db/seed.sql into that database"
#define LOG         "look into the log of the database (or of the pooler before it) for the reason"
#define OPTIONS     "check `options` in DATABASE_URL, and PGOPTIONS"
#define POOLER                                                                                                 \
    "a pooler gives one session to several clients: connect to PostgreSQL itself, or set pool_mode=session "   \
    "in PgBouncer"
#define PRIVATE        "`db/local start` runs a private one and `db/local url` prints its DATABASE_URL"
#define REACHABLE      "is the database up there, and does no firewall drop what is sent to it?"
#define NOT_POSTGRESQL "what listens there is not PostgreSQL: check the host and port in DATABASE_URL"
#define SESSION        "check target_session_attrs in DATABASE_URL, or name another server"

/* Words that libpq itself writes at the beginning of a refusal; the error of a statement has none of them. */
#define CONNECTING "connection to server"

/* The first one that fits, so the special ones come first. libpq's words are those of 15 and of 17. */
static const struct {
    const char *sqlstate; /* or the beginning of one; NULL: the failure has none */
    const char *text;     /* is in the message; NULL: whatever it is */
    const char *advice;
} advices[] = {
    /* https://www.postgresql.org/docs/current/errcodes-appendix.html */
    {"28P01", NULL, CREDENTIALS},
    {"28000", NULL, "check the user and sslmode in DATABASE_URL and the entries in the server's pg_hba.conf"},
    {"3D000", NULL, "create that database, or name another one in DATABASE_URL"},
    {"55000", CONNECTING, "name another database in DATABASE_URL"},
    {"53300", NULL, "raise the limit (max_connections, or that of the user or the database), or lower DB_POOL"},
    {"57P03", NULL, "the database is starting up or shutting down: try again in a moment"},
    {"42501", "set parameter", OPTIONS},
    {"42501", NULL, "grant this user the rights to that database and its tables world and items"},
    {"42P05", NULL, POOLER},
    {"26000", NULL, POOLER},
    {"42", CONNECTING, OPTIONS},
    {"22023", CONNECTING, OPTIONS},
    {"55P02", CONNECTING, OPTIONS},
    {"42", NULL, LOAD},
    {"3F000", NULL, LOAD},
    {"", NULL, LOG},

    {NULL, "is too old", "name a newer one in DATABASE_URL; " PRIVATE},
    {NULL, "the encoding of the database", "make one with `createdb -E UTF8 -T template0 NAME`, and " LOAD},
    {NULL, "no password supplied", CREDENTIALS},
    {NULL, "root certificate file",
     "let sslrootcert in DATABASE_URL name the certificate of the authority, or set sslmode=require, which "
     "checks no certificate"},
    {NULL, "does not match host name",
     "name the host in DATABASE_URL as its certificate does, or set sslmode=verify-ca, which checks no name"},
    {NULL, "certificate verify failed",
     "has the server's certificate expired, and did the authority in sslrootcert of DATABASE_URL sign it?"},
    {NULL, "private key", "check sslcert and sslkey in DATABASE_URL: nobody else may read the key"},
    {NULL, "does not support SSL", "turn ssl on in the database, or set sslmode=prefer in DATABASE_URL"},
    {NULL, "invalid response", NOT_POSTGRESQL},
    {NULL, "expected authentication request", NOT_POSTGRESQL},
    {NULL, "channel binding",
     "check channel_binding in DATABASE_URL: it needs SSL and a password kept as scram-sha-256"},
    {NULL, "authentication method",
     "check require_auth in DATABASE_URL and the entries in the server's pg_hba.conf"},
    {NULL, "SSL", "check sslmode and the certificates named in DATABASE_URL"},
    {NULL, "certificate", "check sslmode and the certificates named in DATABASE_URL"},
    {NULL, "GSS", "check gssencmode in DATABASE_URL"},
    {NULL, "session is ", SESSION},
    {NULL, "hot standby mode", SESSION},
    {NULL, "Permission denied", "may this user use that socket (unix_socket_permissions)?"},
    {NULL, "open files", "raise the limit of open files (ulimit -n)"},
    {NULL, "out of memory", "give this process more memory"},
    {NULL, "server closed the connection", LOG},
    {NULL, "reset by peer", LOG},
    {NULL, "no response", REACHABLE},
    {NULL, "timed out", REACHABLE},
    {NULL, "No route to host", REACHABLE},
    {NULL, "unreachable", REACHABLE},
    {NULL, "cannot resolve", "check the host name in DATABASE_URL"},
    {NULL, "Connection refused", "is PostgreSQL running there? " PRIVATE},
    {NULL, "No such file or directory", "is PostgreSQL running there? " PRIVATE},
    {NULL, NULL, "check DATABASE_URL, or PGHOST and its like when it is empty"},
};

static bool has_sqlstate(const struct pg *pg, const char *beginning)
{
    if (beginning == NULL || pg->sqlstate[0] == '\0')
        return beginning == NULL && pg->sqlstate[0] == '\0';
    return strncmp(pg->sqlstate, beginning, strlen(beginning)) == 0;
}

const char *pg_advice(const struct pg *pg)
{
    size_t i = 0;
    while (!has_sqlstate(pg, advices[i].sqlstate) ||
           (advices[i].text != NULL && strstr(pg->error, advices[i].text) == NULL))
        i++;
    return advices[i].advice;
}
