#include "errors.h"

#include <errno.h>
#include <stddef.h>

static const struct {
    const char *name, *advice;
} kinds[ERROR_KINDS] = {
    [ERROR_CONNECT] = {"connect", "could not connect: is the address right, and can it be reached from here?"},
    [ERROR_REFUSED] = {"refused", "the server refused a connection: has it ended, or is its backlog full?"},
    [ERROR_RESET] = {"reset", "the server reset a connection: see its log"},
    [ERROR_CLOSED] = {"closed",
                      "the server closed a connection before the whole response had come: see its log"},
    [ERROR_TIMEOUT] = {"timeout", "no response within --timeout: does the server hang?"},
    [ERROR_STATUS] = {"status", "a response had another status than --expect-status"},
    [ERROR_LENGTH] = {"length",
                      "a response had another length than expected, or bytes came that nobody asked for"},
    [ERROR_PARSE] = {"parse", "a response was not HTTP/1.1"},
    [ERROR_DESCRIPTORS] = {"descriptors", "pace may open no more files: raise the limit (ulimit -n)"},
    [ERROR_PORTS] = {"ports",
                     "every local port is in use: fewer connections, more requests per connection, or a wider"
                     " net.ipv4.ip_local_port_range"},
    [ERROR_WRITE] = {"write", "a connection failed while bytes were sent or received"},
};

const char *error_name(enum error_kind kind)
{
    return kinds[kind].name;
}

const char *error_advice(enum error_kind kind)
{
    return kinds[kind].advice;
}

enum error_kind error_of_connect(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return ERROR_REFUSED;
    case ECONNRESET:
        return ERROR_RESET;
    case EMFILE:
    case ENFILE:
        return ERROR_DESCRIPTORS;
    case EADDRNOTAVAIL:
        return ERROR_PORTS;
    default:
        return ERROR_CONNECT;
    }
}

enum error_kind error_of_transfer(int error)
{
    return error == ECONNRESET || error == EPIPE ? ERROR_RESET : ERROR_WRITE;
}
