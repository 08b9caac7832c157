/*
 * Listening, and what an event of the listening socket means: the same in all three servers. Nothing here
 * accepts or sends: a server calls accept4(2) and asks what to do with what came of it.
 *
 *     for (;;) {
 *         fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC...);
 *         switch (acceptor_step(acceptor, fd < 0 ? -errno : fd)) {
 *         case ACCEPT_SERVE:  serve the client at fd; if that cannot be done, acceptor_refuse() and
 *                             ACCEPT_REFUSE
 *         case ACCEPT_REFUSE: acceptor_turn_away(fd)
 *         case ACCEPT_AGAIN:  nothing to do
 *         case ACCEPT_DONE:   no client waits: return to wait until acceptor->fd is readable
 *         case ACCEPT_PAUSE:  descriptors or memory have run out: the same, but after TIMEOUT_RETRY
 *         }
 *     }
 */
#ifndef WB_LISTEN_H
#define WB_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/response.h"
#include "server/app.h"
#include "server/headroom.h"

enum { LISTEN_ACCEPTS_PER_TURN = 64 /* so that a flood of connections does not keep clients waiting */ };

/*
 * A non-blocking listening socket on HOST:PORT, or -1 with the reason logged ("port 8080 is in use:
 * ..."). With `shared`, several sockets of this process may listen there (SO_REUSEPORT); a server of
 * another process that listens there is found all the same. From the main thread alone.
 */
int listen_open(const struct app *app, bool shared);

/*
 * Makes the kernel drop what would become a new connection, so that the backlog can be accepted to its
 * last client before the socket is closed: without this, between the last accept(2) and close(2) a client
 * could still connect, and was reset (in 6 to 20 of 100 stops under connecting clients). A client whose
 * packet is dropped tries again after a second and is told that nothing listens any more.
 * https://www.kernel.org/doc/html/latest/networking/filter.html
 */
void listen_stop(int fd);

/* "listening on http://127.0.0.1:8080 (pool 16, up to 9000 connections: RLIMIT_NOFILE 20000)" */
void listen_log_ready(const struct app *app);

/* One listening socket. */
struct acceptor {
    const struct app *app;
    struct counters *counters;
    int fd;

    /* private to listen.c */
    int spare_fd;       /* given up to accept, and refuse, a client when no other descriptor is free */
    bool spare_is_lent; /* the next client that is accepted has its place */
    struct limit_failure no_descriptor; /* why none was free */

    struct headroom headroom; /* for the thread that accepts */
};

enum accept_step { ACCEPT_SERVE, ACCEPT_REFUSE, ACCEPT_AGAIN, ACCEPT_DONE, ACCEPT_PAUSE };

/* Takes over `fd`. Does not fail: without a spare descriptor it pauses where it would refuse. */
void acceptor_init(struct acceptor *acceptor, const struct app *app, struct counters *counters, int fd);

/*
 * `result`: what accept4(2) gave, or a negative errno. After ACCEPT_SERVE the client counts as open, until
 * counters_connection_closed() or acceptor_refuse().
 */
enum accept_step acceptor_step(struct acceptor *acceptor, int result);

/*
 * The client that acceptor_step() said to serve cannot be served, because of this failure: it does not count as
 * accepted. Refuse it as after ACCEPT_REFUSE.
 */
void acceptor_refuse(struct acceptor *acceptor, const struct limit_failure *failure);

/*
 * Names the limit that a failure has met, in one line of the log at most once per second, for all listening
 * sockets together:
 *
 *     1500 connections are open, new ones get a 503; limit met: kernel.pid_max, 32468 of 32768 in use
 *     (pthread_create: Resource temporarily unavailable)
 *
 * For what was not tried, since it would fail soon, "refused before it fails" stands for the error. Only a call
 * that logs takes the time of limit_find(). For a client that is inside, and whose request gets a 503 because
 * of the failure; acceptor_refuse() does it itself.
 */
void acceptor_log_limit(const struct acceptor *acceptor, const struct limit_failure *failure);

/*
 * Sends a 503 to a client, if its socket takes that without waiting, and closes it. Inline, so that it belongs
 * to the servers: nothing in the archive of common/ refers to send(2).
 */
static inline void acceptor_turn_away(int fd)
{
    struct iovec response = response_overloaded();
    if (send(fd, response.iov_base, response.iov_len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        shutdown(fd, SHUT_WR);
    close(fd);
}

/* Closes its descriptors. */
void acceptor_close(struct acceptor *acceptor);

#endif
