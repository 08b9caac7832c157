/* Where the load goes, and the local addresses from which it comes. */
#ifndef PACE_TARGET_H
#define PACE_TARGET_H

#include <stdbool.h>
#include <sys/socket.h>

struct target {
    struct sockaddr_storage address;
    socklen_t len;
    bool is_loopback; /* in 127.0.0.0/8, all of which are addresses of this machine */
    char text[80];    /* "127.0.0.1 port 8080" */
};

/*
 * Resolves the name and finds the first of its addresses that accepts a connection, which is closed again.
 * Blocks, for at most 5 s for each address. 0; or -1 and a sentence in `why`.
 */
int target_find(struct target *target, const char *host, const char *port, char *why, size_t size);

/*
 * Begins a connection that does not block: the socket, or a negative errno. `number` counts connections, and
 * chooses a local address where there are many (loopback): each has some 28,000 ports. A negative one leaves it
 * to the kernel. `receive_buffer` in bytes; 0 leaves it to the kernel.
 */
int target_connect(const struct target *target, long number, int receive_buffer);

#endif
