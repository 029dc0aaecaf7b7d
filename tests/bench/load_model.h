/* What lstm-load must know of a model, asked of the server: its metadata over HTTP. */
#ifndef TESTS_BENCH_LOAD_MODEL_H
#define TESTS_BENCH_LOAD_MODEL_H

#include <stdbool.h>

#include "tests/bench/load_body.h"
#include "tests/bench/load_transport.h"

/* Ends the program, saying why, when the server does not answer or the model takes no FP32 input
 * [T,B,I]. states: h_0 and c_0 are wanted too. */
void load_model_fetch(struct load_model *model, const struct load_target *target, const char *name,
                      bool states);

/* The same from the text of the metadata. false, with *why, when it cannot be used. */
bool load_model_parse(struct load_model *model, const char *json, size_t size, bool states,
                      const char **why);

#endif
