/* A file format that can be converted. Which one an input is shows in its bytes: names lie
 * (a seq2seq.h5 may be a PyTorch checkpoint). */
#ifndef DEPLOY_CONVERT_READER_H
#define DEPLOY_CONVERT_READER_H

#include <stdbool.h>

#include "deploy/convert/input.h"
#include "deploy/convert/network.h"
#include "proto/fault.h"

struct reader {
    const char *format; /* for texts: "PyTorch zip" */

    /* Do the bytes begin like this format (for a zip: does it hold such entries)? At most one
     * reader may say yes to a file. */
    bool (*recognises)(const struct input *input);

    /* Fills network, which is initialised and empty; what it holds when false is returned does not
     * matter, it is the caller's to fini. What the network has and the config cannot express is
     * refused (400): the text names layer, option and value. */
    bool (*read)(const struct input *input, struct network *network, struct fault *fault);

    /* What on the command line is for it. bare_weights: the file holds named weights and no
     * network, so --prefix, --layers, --lstm-only, --gate-columns and --batch-first. */
    bool bare_weights, takes_config, takes_subgraph;
};

/* All of them; ended by NULL. */
extern const struct reader *const reader_table[];

/* The one that recognises the input; NULL with a fault (400) that names the formats there are. */
const struct reader *reader_find(const struct input *input, struct fault *fault);

/* Refused (400): an option on the command line that a file of this kind has no use for. */
bool reader_check_options(const struct reader *reader, const struct input *input,
                          struct fault *fault);

#endif
