/* What the coroutine tests share. With -DPLAIN they need no cmocka, so that they cross-compile. */
#ifndef WB_CO_TEST_H
#define WB_CO_TEST_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef PLAIN
#include "cmocka_plain.h"
#else
#include <cmocka.h>
#endif

/*
 * Runs function() in a child process. Returns the signal that ended the child (0 if it came back) and
 * the first line that it wrote to stderr.
 */
static int die(void (*function)(void), char line[256])
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        /* The sanitizers and cmocka have handlers; the child shall really die. */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        function();
        _exit(0);
    }
    close(fds[1]);
    size_t len = 0;
    for (ssize_t n; len < 255 && (n = read(fds[0], line + len, 255 - len)) > 0;)
        len += (size_t)n;
    line[len] = '\0';
    line[strcspn(line, "\n")] = '\0';
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

#endif
