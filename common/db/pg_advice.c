#include "db/pg_advice.h"

#include <string.h>

static const struct {
    const char *sqlstate; /* or the beginning of one */
    const char *text;     /* where there is no SQLSTATE */
    const char *advice;
} advices[] = {
    {"28P01", "no password supplied", "check the user and password in DATABASE_URL"},
    {"28000", NULL, "check the user in DATABASE_URL and the entries in the server's pg_hba.conf"},
    {"3D000", NULL, "create that database, or name another one in DATABASE_URL"},
    {"53300", NULL, "raise max_connections of the database or lower DB_POOL"},
    {"57P03", NULL, "the database is starting up or shutting down: try again in a moment"},
    {"42501", NULL, "grant this user the rights to that database and its tables world and items"},
    {"42", NULL, "load db/schema.sql and db/seed.sql into that database"},
    {"3F000", NULL, "load db/schema.sql and db/seed.sql into that database"},
    {NULL, "SSL", "check sslmode and the certificates named in DATABASE_URL"},
    {NULL, "GSS", "check gssencmode in DATABASE_URL"},
    {NULL, "out of memory", "give this process more memory"},
    {NULL, "server closed the connection", "look into the database's own log for the reason"},
    {NULL, "no response", "is the database up there, and does no firewall drop what is sent to it?"},
    {NULL, "cannot resolve", "check the host name in DATABASE_URL"},
    {NULL, "connection to server",
     "is PostgreSQL running there? `db/local start` runs a private one and `db/local url` prints its "
     "DATABASE_URL"},
};

const char *pg_advice(const struct pg *pg)
{
    for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++) {
        const char *sqlstate = advices[i].sqlstate, *text = advices[i].text;
        if (sqlstate != NULL && pg->sqlstate[0] != '\0' &&
            strncmp(pg->sqlstate, sqlstate, strlen(sqlstate)) == 0)
            return advices[i].advice;
        if (text != NULL && pg->sqlstate[0] == '\0' && strstr(pg->error, text) != NULL)
            return advices[i].advice;
    }
    if (pg->sqlstate[0] != '\0')
        return "look into the database's own log for the reason";
    return "check DATABASE_URL, or PGHOST and its like when it is empty";
}
