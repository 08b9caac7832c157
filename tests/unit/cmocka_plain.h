/* The few names of cmocka that the coroutine tests use, for machines that have no cmocka (qemu-user). */
#ifndef WB_CMOCKA_PLAIN_H
#define WB_CMOCKA_PLAIN_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct CMUnitTest {
    const char *name;
    void (*function)(void **state);
};

#define assert_true(condition)                                                                                 \
    ((condition) ? (void)0                                                                                     \
                 : (printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition), fflush(stdout), abort()))
#define assert_false(condition)         assert_true(!(condition))
#define assert_null(pointer)            assert_true((pointer) == NULL)
#define assert_non_null(pointer)        assert_true((pointer) != NULL)
#define assert_int_equal(a, b)          assert_true((intmax_t)(a) == (intmax_t)(b))
#define assert_ptr_equal(a, b)          assert_true((a) == (b))
#define assert_memory_equal(a, b, size) assert_true(memcmp((a), (b), (size)) == 0)
#define cmocka_unit_test(function)                                                                             \
    {                                                                                                          \
#function, function                                                                                    \
    }

#define cmocka_run_group_tests(tests, setup, teardown)                                                         \
    ({                                                                                                         \
        int count = (int)(sizeof(tests) / sizeof *(tests));                                                    \
        for (int i = 0; i < count; i++) {                                                                      \
            (tests)[i].function(NULL);                                                                         \
            printf("ok %s\n", (tests)[i].name);                                                                \
        }                                                                                                      \
        printf("all %d passed\n", count);                                                                      \
        0;                                                                                                     \
    })

#endif
