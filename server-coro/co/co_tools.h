/*
 * What coroutines tell the tools that watch memory and threads: AddressSanitizer and ThreadSanitizer
 * (sanitizer/common_interface_defs.h, tsan_interface.h) and Valgrind. Nothing of it remains in an
 * ordinary build but Valgrind's client requests, a few rotations that do nothing, once for each stack.
 * Private to the coroutine runtime.
 */
#ifndef WB_CO_TOOLS_H
#define WB_CO_TOOLS_H

#include <stddef.h>

#ifndef __has_feature /* gcc before 14 */
#define __has_feature(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define CO_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define CO_TSAN 1
#include <sanitizer/tsan_interface.h>
#endif

#if __has_include(<valgrind/valgrind.h>)
#define CO_VALGRIND 1
#include <valgrind/valgrind.h>
#endif

static inline unsigned valgrind_stack_register(char *base, size_t size)
{
#ifdef CO_VALGRIND
    return VALGRIND_STACK_REGISTER(base, base + size - 1);
#else
    (void)base, (void)size;
    return 0;
#endif
}

static inline void valgrind_stack_deregister(unsigned id)
{
#ifdef CO_VALGRIND
    VALGRIND_STACK_DEREGISTER(id);
#else
    (void)id;
#endif
}

static inline void asan_unpoison(void *base, size_t size)
{
#ifdef CO_ASAN
    __asan_unpoison_memory_region(base, size);
#else
    (void)base, (void)size;
#endif
}

/* Right before a switch to `base`. `save` keeps the leaving context's fake stack; NULL if it ends. */
static inline void asan_switch_start(void **save, const void *base, size_t size)
{
#ifdef CO_ASAN
    __sanitizer_start_switch_fiber(save, base, size);
#else
    (void)save, (void)base, (void)size;
#endif
}

/* First thing after landing; says which stack was left. `saved` is NULL on the first landing. */
static inline void asan_switch_finish(void *saved, const void **left_base, size_t *left_size)
{
#ifdef CO_ASAN
    __sanitizer_finish_switch_fiber(saved, left_base, left_size);
#else
    (void)saved, (void)left_base, (void)left_size;
#endif
}

/*
 * A function that is entered and never left: as long as a stack is used again, each such entry would stay on
 * the stack that ThreadSanitizer keeps for the fiber.
 */
#ifdef CO_TSAN
#define tsan_ignores __attribute__((no_sanitize("thread")))
#else
#define tsan_ignores
#endif

/* A millisecond each, and more the more there have been: one for each stack, not for each coroutine. */
static inline void *tsan_fiber_new(void)
{
#ifdef CO_TSAN
    return __tsan_create_fiber(0);
#else
    return NULL;
#endif
}

static inline void tsan_fiber_free(void *fiber)
{
#ifdef CO_TSAN
    __tsan_destroy_fiber(fiber);
#else
    (void)fiber;
#endif
}

static inline void *tsan_fiber_running(void)
{
#ifdef CO_TSAN
    return __tsan_get_current_fiber();
#else
    return NULL;
#endif
}

/* Right before a switch. Inlined even at -O0: a function must not be left on another fiber than it was entered
 * on. */
static inline __attribute__((always_inline)) void tsan_fiber_switch(void *fiber)
{
#ifdef CO_TSAN
    __tsan_switch_to_fiber(fiber, 0);
#else
    (void)fiber;
#endif
}

#endif
