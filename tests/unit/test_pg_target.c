/* Where DATABASE_URL and the environment say that the database is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "db/pg.h"

static void clear_environment(void)
{
    static const char *const names[] = {"PGHOST", "PGHOSTADDR", "PGPORT",    "PGDATABASE",
                                        "PGUSER", "PGPASSWORD", "PGSERVICE", "PGSSLMODE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

static void assert_target(const char *url, const char *host, const char *where)
{
    char error[256] = "";
    struct pg_target target;
    if (!pg_target_init(&target, url, "test", error))
        fail_msg("%s: %s", url, error);
    assert_string_equal(target.host, host);
    assert_string_equal(target.where, where);
}

static void a_target_is_what_libpq_would_take(void **state)
{
    (void)state;
    assert_target("postgresql://u:secret@db.example/app", "db.example", "db.example:5432/app");
    assert_target("postgresql://u:secret@127.0.0.1:15400/app", "", "127.0.0.1:15400/app");
    assert_target("postgresql://u@[::1]:15400/app", "", "[::1]:15400/app");
    assert_target("postgresql://u:secret@/app?host=/tmp/x&port=7", "", "/tmp/x:7/app");
    assert_target("host=db.example hostaddr=10.0.0.1 user=u", "", "db.example:5432/u");
    assert_target("hostaddr=10.0.0.1 dbname=app", "", "10.0.0.1:5432/app");
    assert_target("user=u host=@abstract", "", "@abstract:5432/u");
    assert_target("postgresql://u@/app", "", "local socket:5432/app");
    assert_target("postgresql://h/app?user=u@server", "h", "h:5432/app");
    assert_target("postgresql://u:%40%2f@h/app", "h", "h:5432/app");
    setenv("PGHOST", "from.env", 1);
    setenv("PGPORT", "99", 1);
    setenv("PGDATABASE", "envdb", 1);
    setenv("PGPASSWORD", "secret", 1);
    assert_target("", "from.env", "from.env:99/envdb");
    assert_target("host=db.example", "db.example", "db.example:99/envdb");
    assert_target("host='' user=u", "", "local socket:99/envdb");
    setenv("PGHOSTADDR", "10.0.0.2", 1);
    assert_target("host=db.example", "", "db.example:99/envdb");
    clear_environment();
}

static void assert_refused(const char *url, const char *sentence)
{
    char error[256] = "";
    struct pg_target target;
    assert_false(pg_target_init(&target, url, "test", error));
    if (strstr(error, sentence) == NULL || strstr(error, "secret") != NULL || strchr(error, '\n') != NULL)
        fail_msg("'%s' is not one line with '%s' and without the password", error, sentence);
}

static void a_malformed_target_is_refused_without_its_password(void **state)
{
    (void)state;
    assert_refused("postgresql://u:secret@a,b/app", "name one");
    assert_refused("host=a,b", "name one");
    assert_refused("service=app", "PGSERVICE");
    assert_refused("postgresql://u:secret@[::1/app", "DATABASE_URL is not a connection string");
    assert_refused("postgresql://u:secret@host:80:90@x/app?a=b", "DATABASE_URL");
    assert_refused("postgresql://u:secret%zz@host/app", "invalid percent-encoded token: \"...\"");
    assert_refused("host=x password=my secret", "missing \"=\" after \"...\"");
    assert_refused("postgresql://u:pa@secret@host/app", "percent-encode");
    assert_refused("postgresql://u:1/secret@host/app", "percent-encode");
    assert_refused("host=x port=secret", "the port in DATABASE_URL is not a number");
    assert_refused("host=x port=65536", "the port in DATABASE_URL is not a number");
    assert_refused("host=x port=0", "the port in DATABASE_URL is not a number");
    assert_refused("mysql://u:secret@host/app", "DATABASE_URL is not a connection string");
}

static int setup(void **state)
{
    (void)state;
    clear_environment();
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_is_what_libpq_would_take),
        cmocka_unit_test(a_malformed_target_is_refused_without_its_password),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
