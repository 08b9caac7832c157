/* The state of the process: /healthz, /readyz, /stats and /metrics. */
#ifndef WB_STATUS_H
#define WB_STATUS_H

#include "handler/step.h"

struct exchange;

enum step status_healthz(struct exchange *x);
enum step status_readyz(struct exchange *x);
enum step status_stats(struct exchange *x);
enum step status_metrics(struct exchange *x);

#endif
