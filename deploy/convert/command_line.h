/* What stands behind `lstm-convert`. */
#ifndef DEPLOY_CONVERT_COMMAND_LINE_H
#define DEPLOY_CONVERT_COMMAND_LINE_H

#include "deploy/convert/input.h"
#include "proto/fault.h"
#include "proto/model_config.h"

struct command_line {
    const char *input;
    const char *out;    /* the folder to write into */
    const char *config; /* path of the architecture's file, or NULL */
    char
        name[MODEL_NAME_MAX]; /* the model's: --name, or the input's name without its last suffix */
    struct read_options read;
    bool help, version; /* asked for: the rest does not matter */
};

extern const char command_line_help[];

/* Texts point into argv. The fault's text names the option. */
bool command_line_parse(struct command_line *line, int argc, char **argv, struct fault *fault);

#endif
