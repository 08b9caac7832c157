/* What an exchange wants next. In a header of its own because the handlers name it, too. */
#ifndef WB_STEP_H
#define WB_STEP_H

enum step {
    STEP_QUERY,   /* run exchange->query and resume with its result */
    STEP_RESPOND, /* send exchange->response */
};

#endif
