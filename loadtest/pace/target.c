#include "target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_MS = 5000, SOURCES = 200 };

static bool is_loopback(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    return address->ss_family == AF_INET && ntohl(in->sin_addr.s_addr) >> 24 == 127;
}

/* 127.0.1.1, 127.0.1.2, ...; the port is chosen by connect(2), which knows that a port may serve several
 * addresses (ip(7), IP_BIND_ADDRESS_NO_PORT). */
static int bind_source(int fd, long number)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(0x7f000101u + (uint32_t)(number % SOURCES));
    int on = 1;
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0)
        return -errno;
    return bind(fd, (const struct sockaddr *)&source, sizeof source) != 0 ? -errno : 0;
}

int target_connect(const struct target *target, long number, int receive_buffer)
{
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1, error = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (receive_buffer > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (number >= 0 && target->is_loopback)
        error = bind_source(fd, number);
    if (error == 0 && connect(fd, (const struct sockaddr *)&target->address, target->len) != 0 &&
        errno != EINPROGRESS)
        error = -errno;
    if (error == 0)
        return fd;
    close(fd);
    return error;
}

/* Waits until the connection is there. 0 or a negative errno. */
static int await(int fd)
{
    struct pollfd wanted = {.fd = fd, .events = POLLOUT};
    if (poll(&wanted, 1, CONNECT_MS) == 0)
        return -ETIMEDOUT;
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 ? -errno : -error;
}

static int try(struct target *target, const struct addrinfo *found)
{
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->len = found->ai_addrlen;
    target->is_loopback = is_loopback(&target->address);
    char host[INET6_ADDRSTRLEN] = "?", port[8] = "?";
    getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(target->text, sizeof target->text, "%s port %s", host, port);
    int fd = target_connect(target, -1, 0);
    if (fd < 0)
        return fd;
    int error = await(fd);
    close(fd);
    return error;
}

int target_find(struct target *target, const char *host, const char *port, char *why, size_t size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all;
    int error = getaddrinfo(host, port, &hints, &all);
    if (error != 0) {
        snprintf(why, size, "%s: %s", host, error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
        return -1;
    }
    error = -EADDRNOTAVAIL;
    for (const struct addrinfo *found = all; found != NULL && error != 0; found = found->ai_next)
        error = try(target, found);
    freeaddrinfo(all);
    if (error == 0)
        return 0;
    snprintf(why, size, "cannot connect to %s: %s: is the server up, and is that its address?", target->text,
             strerror(-error));
    return -1;
}
