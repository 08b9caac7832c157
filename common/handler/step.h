/* The next step of an exchange. A header of its own, since exchange.h includes headers of handlers that name
 * it.
 */
#ifndef WB_STEP_H
#define WB_STEP_H

enum step {
    STEP_QUERY,   /* run exchange->query and resume with its result */
    STEP_WAIT,    /* let exchange->wait_ms pass, which no database connection is held for */
    STEP_RESPOND, /* send exchange->response */
};

#endif
