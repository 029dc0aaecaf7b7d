/* The process that converts: a child that can do nothing but read its input and write to three
 * files that its parent opened, so that a file made to break a library breaks that child alone. */
#ifndef DEPLOY_CONVERT_CONFINED_H
#define DEPLOY_CONVERT_CONFINED_H

#include <stdbool.h>
#include <stdio.h>

#include "deploy/convert/command_line.h"
#include "proto/fault.h"

/* Empty files without a name, written by the child. */
struct products {
    FILE *config, *weights, *summary;
};

/* Runs it to its end. A refusal is the child's own fault; a crash, or the end of its time or
 * memory, is told as such. No other thread may be running. */
bool confined_convert(const struct command_line *line, const struct products *products,
                      struct fault *fault);

#endif
