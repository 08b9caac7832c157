#include "db/pg_needs.h"

#include <stdio.h>
#include <string.h>

enum { OLDEST = 14 /* has client_connection_check_interval (handler/statements.c) */ };

bool pg_meets_needs(const PGconn *conn, char error[256])
{
    int release = PQserverVersion(conn) / 10000;
    if (release != 0 && release < OLDEST) {
        snprintf(error, 256, "PostgreSQL %d is too old: waitbench needs %d or later", release, OLDEST);
        return false;
    }
    /*
     * Items have any text. LATIN1 has no room for most of it, and SQL_ASCII does not know what its bytes
     * mean: it counts them in place of characters.
     */
    const char *encoding = PQparameterStatus(conn, "server_encoding");
    if (encoding != NULL && strcmp(encoding, "UTF8") != 0) {
        snprintf(error, 256, "the encoding of the database is %s: waitbench needs UTF8", encoding);
        return false;
    }
    return true;
}
