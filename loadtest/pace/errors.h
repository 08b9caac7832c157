/* The kinds of errors, each counted under its own name. A run with errors is unsound. */
#ifndef PACE_ERRORS_H
#define PACE_ERRORS_H

enum error_kind {
    ERROR_CONNECT,     /* any other failure of connect(2), or of what comes before it */
    ERROR_REFUSED,     /* ECONNREFUSED: nobody listens */
    ERROR_RESET,       /* ECONNRESET or EPIPE */
    ERROR_CLOSED,      /* closed before the whole response had come */
    ERROR_TIMEOUT,     /* no response within --timeout */
    ERROR_STATUS,      /* another status than is expected */
    ERROR_LENGTH,      /* another length of the body, or bytes that nobody asked for */
    ERROR_PARSE,       /* no HTTP/1.1 */
    ERROR_DESCRIPTORS, /* EMFILE or ENFILE */
    ERROR_PORTS,       /* EADDRNOTAVAIL: every local port is in use */
    ERROR_WRITE,       /* any other failure of send(2) or recv(2) */
    ERROR_KINDS,
    ERROR_NONE = ERROR_KINDS,
};

/* As in the result: "connect" and so on; what it means; and what to do. Constants. */
const char *error_name(enum error_kind kind);
const char *error_advice(enum error_kind kind);

/* The kind of an errno of connect(2), or of a call before it; and of one of send(2) or recv(2). */
enum error_kind error_of_connect(int error);
enum error_kind error_of_transfer(int error);

#endif
