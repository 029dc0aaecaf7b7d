/* What a model's layers are, for people: the table that Keras' model.summary() prints. */
#ifndef PROTO_MODEL_SUMMARY_H
#define PROTO_MODEL_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/fault.h"
#include "proto/json_writer.h"
#include "proto/model_config.h"
#include "proto/safetensors.h"

struct layer_summary {
    char name[MODEL_PREFIX_MAX]; /* the config's; else the weights' prefix, else the type */
    const char *type;            /* "lstm"; lives for ever */
    size_t rank;                 /* 3, or 2 for a vector */
    int64_t shape[3];            /* [B,T,F] or [B,F], -1: any; batch first as Keras has it */
    uint64_t parameters;         /* numbers in the layer's tensors, trained or not */
};

struct model_summary {
    size_t layer_count; /* one for each layer of the config */
    struct layer_summary *layers;
    uint64_t parameters; /* of all of them */
};

/* Refuses (400) what model_build refuses but for bad numbers, 503 without memory; then nothing is
 * held. Nothing of config and weights is kept. */
bool model_summary_init(struct model_summary *summary, const struct model_config *config,
                        const struct safetensors *weights, struct fault *fault);
void model_summary_fini(struct model_summary *summary);

/* "[-1,17,7]"; MODEL_SUMMARY_SHAPE_MAX bytes hold any. */
#define MODEL_SUMMARY_SHAPE_MAX 72
void model_summary_shape_text(const struct layer_summary *layer, char *out, size_t capacity);

/* The table as text, a line for each layer under a heading, the sum at the end; in memory of the
 * caller's (free), NULL without memory. */
char *model_summary_text(const struct model_summary *summary);

/* [{"name":"lstm","type":"lstm","shape":[-1,-1,7],"parameters":504},...]. Memory failures are the
 * writer's to report. */
void model_summary_write(const struct model_summary *summary, struct json_writer *writer);

#endif
