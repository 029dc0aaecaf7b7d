/* Options held against each other and against this machine: what is served, where and for whom. */
#ifndef SERVER_SETUP_H
#define SERVER_SETUP_H

#include <stdbool.h>

#include "core/kernel.h"
#include "proto/fault.h"
#include "server/http.h"
#include "server/model_loader.h"
#include "server/options.h"
#include "server/zmq_config.h"

struct setup {
    const struct options *options;
    const struct kernel *kernel;
    bool has_http, has_admin, has_sandbox;
    struct http_config http, admin;
    struct zmq_config zmq;
};

/* Reads ZeroMQ's key files, and raises the limit of open files to what is needed. options, whose
 * defaults are filled in, must outlive the set-up. On failure nothing is held: 400 what is wrong or
 * missing, 503 without memory; texts start with the option's key where it is about one. */
bool setup_init(struct setup *setup, const struct options *options, struct fault *fault);
void setup_fini(struct setup *setup);

/* Where the models are. */
struct model_places setup_places(const struct setup *setup);

#endif
