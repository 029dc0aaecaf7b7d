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

#include "proto/fault.h"
#include "proto/layer_config.h"

#define MODEL_CONFIG_SIZE_MAX CONFIG_JSON_SIZE_MAX
#define MODEL_NAME_MAX        65 /* [A-Za-z0-9][A-Za-z0-9._-]{0,63} and the NUL */
#define MODEL_LAYERS_MAX      256
#define MODEL_TENSOR_NAME_MAX 120 /* with the NUL: leaves room for ".13" */
#define MODEL_STATES_MAX      14  /* LSTM layers that may have state tensors of their own */

/* Tensors that a config may name in its own way. */
enum model_tensor {
    MODEL_INPUT,
    MODEL_OUTPUT,
    MODEL_LENGTHS,
    MODEL_H_0,
    MODEL_C_0,
    MODEL_H_N,
    MODEL_C_N,
    MODEL_TENSORS,
};

/* Dimensions of `output`: T steps, B rows, F features; or these as D directions of H. */
enum output_layout { OUTPUT_BY_BATCH_FIRST, OUTPUT_TBF, OUTPUT_BTF, OUTPUT_TDBH, OUTPUT_BTDH };

/* The names of one kind of state tensor, of each LSTM layer its own. */
struct model_state_names {
    size_t count;                                        /* 0: one tensor for all, or as usual */
    char names[MODEL_STATES_MAX][MODEL_TENSOR_NAME_MAX]; /* "": not offered */
};

struct model_tensors {
    char names[MODEL_TENSORS][MODEL_TENSOR_NAME_MAX]; /* "": as usual */
    bool hidden[MODEL_TENSORS];                       /* not offered; never input */
    struct model_state_names each[MODEL_TENSORS];     /* of h_0, c_0, h_n, c_n */
    enum output_layout output_layout;
    bool states_batch_first; /* [B,L*D,H] rather than [L*D,B,H] */
};

struct model_config {
    char name[MODEL_NAME_MAX];
    char *weights; /* path as written, relative to the config's folder unless absolute */
    bool batch_first;
    size_t steps;      /* every request's T; 0: any */
    size_t input_size; /* floats of a step of the input; 0: the weights say */
    struct model_tensors tensors;
    bool bare_lstm; /* it was the short form: one torch.nn.LSTM, which returns its states */
    size_t layer_count;
    struct layer_config *layers;

    /* For those who serve the model. */
    size_t label_count;
    const char **labels; /* [label_count]: of the output's features; NULL without */
    uint64_t max_queue_delay_us;
    bool strict_sequences;
    uint64_t sequence_idle_timeout_ms; /* 0: the server's */
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
