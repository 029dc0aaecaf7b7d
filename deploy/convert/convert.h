/* One input turned into the daemon's two files and the summary, all in this process. */
#ifndef DEPLOY_CONVERT_CONVERT_H
#define DEPLOY_CONVERT_CONVERT_H

#include <stdbool.h>

#include "deploy/convert/input.h"
#include "proto/fault.h"

struct converted {
    struct blob config;  /* NAME.json */
    struct blob weights; /* NAME.safetensors */
    struct blob summary; /* text: the layers, their output shapes and parameters */
};

/* On success *converted is the caller's (converted_fini), and the daemon's own code has built the
 * model from it. On failure nothing is held. */
bool convert(const struct input *input, const char *name, struct converted *converted,
             struct fault *fault);
void converted_fini(struct converted *converted);

#endif
