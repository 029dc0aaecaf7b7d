/* What the wires serve: the models, and the means to run them. Made before the first thread that
 * uses it, gone after the last.
 *
 * Threads: draining is written by the thread that stops the server; the rest does not change. */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "server/access.h"
#include "server/budget.h"
#include "server/model_control.h"
#include "server/model_store.h"
#include "server/scheduler.h"
#include "server/sequences.h"
#include "server/status_counts.h"
#include "server/zmq_counts.h"

#define SERVICE_NAME "lstmd"

struct service {
    struct model_store *models;
    struct scheduler *scheduler;
    struct sequences *sequences;
    struct budget budget;
    const char *kernel; /* the name of what models are computed with */
    size_t workers;
    struct model_control *control; /* reloads */
    struct access *access;         /* who may do what; NULL: anyone may do everything */
    struct status_counts http_responses;
    struct zmq_counts zmq;
    atomic_bool draining; /* not ready any more */
};

#endif
