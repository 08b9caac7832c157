/* What a server advises when the database cannot be had, by what libpq 15 and 17 and PostgreSQL say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "db/pg_advice.h"

#define HOST "connection to server at \"127.0.0.1\", port 5432 failed: "

static const struct {
    const char *error, *sqlstate, *advice;
} failures[] = {
    {"prepared statement \"ping\" already exists", "42P05", "pool_mode=session"},
    {"prepared statement \"ping\" does not exist", "26000", "pool_mode=session"},
    {"relation \"world\" does not exist", "42P01", "load db/schema.sql"},
    {"column \"hits\" does not exist", "42703", "load db/schema.sql"},
    {"permission denied for schema public", "42501", "grant this user"},
    {HOST "FATAL: 42704: unrecognized configuration parameter \"nonsense\"", "42704", "PGOPTIONS"},
    {HOST "FATAL: 42601: invalid command-line argument for server process: x", "42601", "PGOPTIONS"},
    {HOST "FATAL: 22023: invalid value for parameter \"work_mem\": \"abc\"", "22023", "PGOPTIONS"},
    {HOST "FATAL: 55P02: parameter \"shared_buffers\" cannot be changed", "55P02", "PGOPTIONS"},
    {HOST "FATAL: 42501: permission denied to set parameter \"log_statement\"", "42501", "PGOPTIONS"},
    {HOST "FATAL: 42501: permission denied for database \"d\"", "42501", "grant this user"},
    {HOST "FATAL: 28000: no pg_hba.conf entry for host \"::1\", user \"u\", no encryption", "28000",
     "sslmode in DATABASE_URL and the entries in the server's pg_hba.conf"},
    {HOST "FATAL: 28P01: password authentication failed", "28P01", "user and password"},
    {HOST "FATAL: 3D000: database \"d\" does not exist", "3D000", "create that database"},
    {HOST "FATAL: 55000: database \"template0\" is not currently accepting connections", "55000",
     "name another database"},
    {HOST "FATAL: 53300: too many connections for role \"u\"", "53300", "or that of the user"},
    {HOST "FATAL: 57P03: the database system is starting up", "57P03", "try again in a moment"},
    {HOST "FATAL: 08P01: no such database: d", "08P01", "or of the pooler before it"},

    {HOST "root certificate file \"/root/.postgresql/root.crt\" does not exist", "", "sslrootcert"},
    {HOST "server certificate for \"a\" (and 1 other name) does not match host name \"b\"", "",
     "name the host in DATABASE_URL as its certificate does"},
    {HOST "SSL error: certificate verify failed", "", "has the server's certificate expired"},
    {HOST "private key file \"/key\" has group or world access", "", "sslkey"},
    {HOST "could not open certificate file \"/c\": Permission denied", "", "the certificates named in"},
    {HOST "server does not support SSL, but SSL was required", "", "sslmode=prefer"},
    {HOST "SSL error: tlsv1 alert protocol version", "", "check sslmode"},
    {HOST "weak sslmode \"prefer\" may not be used with sslnegotiation=direct", "", "check DATABASE_URL"},
    {HOST "channel binding required, but SSL not in use", "", "check channel_binding"},
    {HOST "authentication method requirement \"scram-sha-256\" failed: server requested a "
          "cleartext password",
     "", "check require_auth"},
    {HOST "fe_sendauth: no password supplied", "", "user and password"},
    {HOST "GSSAPI encryption required but was impossible", "", "gssencmode"},
    {HOST "session is read-only", "", "target_session_attrs"},
    {HOST "session is not read-only", "", "target_session_attrs"},
    {HOST "server is not in hot standby mode", "", "target_session_attrs"},
    {HOST "received invalid response to SSL negotiation: H", "", "is not PostgreSQL"},
    {HOST "expected authentication request from server, but received H", "", "is not PostgreSQL"},
    {HOST "Connection refused", "", "is PostgreSQL running there?"},
    {HOST "No route to host", "", "firewall"},
    {HOST "Network is unreachable", "", "firewall"},
    {HOST "could not receive data from server: Connection timed out", "", "firewall"},
    {HOST "could not receive data from server: Connection reset by peer", "", "look into the log"},
    {HOST "could not create socket: Too many open files", "", "ulimit -n"},
    {HOST "invalid integer value \"x\" for connection option \"keepalives_idle\"", "", "check DATABASE_URL"},
    {"connection to server on socket \"/s/.s.PGSQL.5432\" failed: Permission denied", "",
     "unix_socket_permissions"},
    {"connection to server on socket \"/s/.s.PGSQL.5432\" failed: No such file or directory", "",
     "is PostgreSQL running there?"},
    {"invalid sslmode value: \"foo\"", "", "check DATABASE_URL"},
};

static void a_failure_has_advice_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        struct pg pg = {0};
        snprintf(pg.error, sizeof pg.error, "%s", failures[i].error);
        snprintf(pg.sqlstate, sizeof pg.sqlstate, "%s", failures[i].sqlstate);
        if (strstr(pg_advice(&pg), failures[i].advice) == NULL)
            fail_msg("'%s': '%s' is not '%s'", pg.error, pg_advice(&pg), failures[i].advice);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_has_advice_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
