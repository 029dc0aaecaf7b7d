/* A model's JSON config as a struct: what the operator wrote, checked for form only. Whether it
 * agrees with the weights is model_builder's question.
 *
 * Unknown keys, duplicate keys and wrong types are refused with the key's place
 * ("layers[1].function: ..."). */
#ifndef PROTO_MODEL_CONFIG_H
#define PROTO_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/activation.h"
#include "proto/config_json.h"
#include "proto/fault.h"

#define MODEL_CONFIG_SIZE_MAX CONFIG_JSON_SIZE_MAX
#define MODEL_NAME_MAX        65  /* [A-Za-z0-9][A-Za-z0-9._-]{0,63} and the NUL */
#define MODEL_PREFIX_MAX      200 /* with the NUL: leaves room for "weight_ih_l0_reverse" */
#define MODEL_LAYERS_MAX      256
#define MODEL_DELAY_MAX_US    10000000u
#define MODEL_IDLE_MAX_MS     31536000000u /* a year */
#define MODEL_SIZE_MAX        (1u << 24) /* the largest size, layer count or width a config may say */

enum layer_kind {
    LAYER_KIND_LSTM,
    LAYER_KIND_DENSE,
    LAYER_KIND_ACTIVATION,
    LAYER_KIND_DROPOUT,
};

struct layer_config {
    enum layer_kind kind;
    char place[32]; /* for error texts: "lstm", "layers[2]" */

    /* lstm, dense: what stands before weight_ih_l0 or weight in the weight names, with its dot; ""
     * for none */
    char prefix[MODEL_PREFIX_MAX];

    /* lstm: torch.nn.LSTM's arguments */
    struct optional_size input_size, hidden_size, num_layers, proj_size;
    struct optional_bool bidirectional;

    /* lstm, dense */
    struct optional_bool bias;

    /* dense */
    struct optional_size units;

    /* dense, activation: "activation", "function" */
    enum activation activation;
};

struct model_config {
    char name[MODEL_NAME_MAX];
    char *weights; /* path as written, relative to the config's folder unless absolute */
    bool batch_first;
    uint64_t max_queue_delay_us; /* a request may wait so long for others to be computed with */
    bool strict_sequences;       /* to start a sequence that is alive is an error */
    uint64_t sequence_idle_timeout_ms; /* 0: the server's */
    size_t layer_count;
    struct layer_config *layers;
};

/* default_name is used when the config has no "name": the file's name without .json, whatever it
 * is; one that is no good name is refused like a bad "name". On success *config is owned by the
 * caller: model_config_fini. On failure nothing is held; the text starts with the key's place.
 * Status 400, or 503 when memory does not suffice. */
bool model_config_parse(struct model_config *config, const char *text, size_t size,
                        const char *default_name, struct fault *fault);
void model_config_fini(struct model_config *config);

/* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
bool model_name_is_valid(const char *name);

#endif
