/* Memory that new clients may not take, on made-up control groups and under a real limit of address space. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "made_up_files.h"
#include "server/headroom.h"

enum { MIB = 1024 * 1024 };

static struct headroom headroom;
static uint64_t now_ms;

static int set_up(void **state)
{
    (void)state;
    now_ms = 1000;
    return make_root();
}

static void put_mib(const char *name, unsigned mib)
{
    char text[32];
    snprintf(text, sizeof text, "%llu\n", (unsigned long long)mib * MIB);
    put(name, text);
}

/* A group of version 2 with this limit; 0: none. */
static void begin(unsigned limit_mib)
{
    char line[256];
    snprintf(line, sizeof line, "31 30 0:28 / %s/tree rw shared:9 - cgroup2 cgroup2 rw\n", root);
    put("mountinfo", line);
    put("cgroup", "0::/a\n");
    put_mib("tree/a/memory.current", 1);
    if (limit_mib != 0)
        put_mib("tree/a/memory.max", limit_mib);
    else
        put("tree/a/memory.max", "max\n");
    headroom_init(&headroom, root);
}

/* What is short when it looks again. */
static enum limit short_later(void)
{
    now_ms += HEADROOM_MS;
    const struct limit_failure *failure = headroom_short_of(&headroom, now_ms);
    if (failure == NULL)
        return LIMIT_UNKNOWN;
    assert_non_null(failure->call);
    return failure->met.limit;
}

static void a_client_needs_8_mib_below_the_limit(void **state)
{
    (void)state;
    begin(100);
    assert_int_equal(short_later(), LIMIT_UNKNOWN);
    put_mib("tree/a/memory.current", 92);
    assert_int_equal(short_later(), LIMIT_UNKNOWN);
    put_mib("tree/a/memory.current", 93);
    assert_int_equal(short_later(), LIMIT_GROUP_MEMORY);
    put("tree/a/memory.stat", "inactive_file 1048576\n"); /* the kernel drops them */
    assert_int_equal(short_later(), LIMIT_UNKNOWN);
}

static void of_a_large_limit_it_needs_a_sixteenth(void **state)
{
    (void)state;
    begin(1600);
    put_mib("tree/a/memory.current", 1500);
    assert_int_equal(short_later(), LIMIT_UNKNOWN);
    put_mib("tree/a/memory.current", 1501);
    assert_int_equal(short_later(), LIMIT_GROUP_MEMORY);
    put_mib("tree/a/memory.max", 2000); /* it was raised */
    assert_int_equal(short_later(), LIMIT_UNKNOWN);
}

static void a_client_that_is_inside_may_have_half_of_it(void **state)
{
    (void)state;
    begin(100);
    put_mib("tree/a/memory.current", 96);
    assert_null(headroom_short_inside(&headroom, now_ms));
    assert_non_null(headroom_short_of(&headroom, now_ms));
    put_mib("tree/a/memory.current", 97);
    const struct limit_failure *failure = headroom_short_inside(&headroom, now_ms + HEADROOM_MS);
    assert_non_null(failure);
    assert_int_equal(failure->met.limit, LIMIT_GROUP_MEMORY);
}

static void it_looks_once_for_some_clients_or_some_time(void **state)
{
    (void)state;
    begin(100);
    assert_null(headroom_short_of(&headroom, now_ms));
    put_mib("tree/a/memory.current", 99);
    for (int i = 1; i < HEADROOM_CLIENTS; i++)
        assert_null(headroom_short_of(&headroom, now_ms));
    assert_non_null(headroom_short_of(&headroom, now_ms));
    put_mib("tree/a/memory.current", 1);
    assert_non_null(headroom_short_of(&headroom, now_ms + HEADROOM_MS - 1));
    assert_null(headroom_short_of(&headroom, now_ms + HEADROOM_MS));
}

static void without_a_limit_at_the_start_it_reads_nothing(void **state)
{
    (void)state;
    begin(0);
    put_mib("tree/a/memory.max", 100);
    put_mib("tree/a/memory.current", 99);
    assert_int_equal(short_later(), LIMIT_UNKNOWN);
}

static void a_client_needs_8_mib_that_can_be_mapped(void **state)
{
    (void)state;
    struct rlimit before, none;
    headroom_init(&headroom, root);
    assert_null(headroom_short_of(&headroom, now_ms));
    getrlimit(RLIMIT_AS, &before);
    none = (struct rlimit){HEADROOM_BYTES, before.rlim_max};
    setrlimit(RLIMIT_AS, &none);
    const struct limit_failure *failure = headroom_short_of(&headroom, now_ms + HEADROOM_MS);
    setrlimit(RLIMIT_AS, &before);
    assert_non_null(failure);
    assert_string_equal(failure->call, "mmap");
    assert_int_equal(failure->error, ENOMEM);
    assert_int_equal(failure->bytes, HEADROOM_BYTES);
    assert_null(headroom_short_of(&headroom, now_ms + 2 * HEADROOM_MS));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_needs_8_mib_below_the_limit),          TEST(of_a_large_limit_it_needs_a_sixteenth),
        TEST(a_client_that_is_inside_may_have_half_of_it),   TEST(it_looks_once_for_some_clients_or_some_time),
        TEST(without_a_limit_at_the_start_it_reads_nothing), TEST(a_client_needs_8_mib_that_can_be_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
