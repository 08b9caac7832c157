/* What an exchange needs next. A header of its own, since exchange.h includes headers of handlers that name it.
 */
#ifndef WB_STEP_H
#define WB_STEP_H

enum step {
    STEP_QUERY,   /* run exchange->query and resume with its result */
    STEP_RESPOND, /* send exchange->response */
};

#endif
