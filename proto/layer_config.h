/* One layer of a model's config, checked for form only. proto/MODEL_CONFIG.md says what the keys
 * mean. */
#ifndef PROTO_LAYER_CONFIG_H
#define PROTO_LAYER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "core/activation.h"
#include "core/model.h"
#include "proto/config_json.h"
#include "proto/fault.h"

#define MODEL_PREFIX_MAX     200 /* with the NUL: leaves room for "weight_peephole_l0_reverse" */
#define MODEL_LAYER_NAME_MAX 128 /* with the NUL */
#define MODEL_SIZE_MAX       (1u << 24) /* the largest size, layer count or width a config may say */

enum layer_kind {
    LAYER_KIND_LSTM,
    LAYER_KIND_DENSE,
    LAYER_KIND_ACTIVATION,
    LAYER_KIND_DROPOUT,
    LAYER_KIND_EMBEDDING,
    LAYER_KIND_MASKING,
    LAYER_KIND_LAYER_NORM,
    LAYER_KIND_BATCH_NORM,
    LAYER_KIND_FLATTEN,
    LAYER_KIND_RESHAPE,
    LAYER_KIND_LAST_STEP,
    LAYER_KIND_REPEAT_VECTOR,
    LAYER_KIND_CONV1D,
    LAYER_KIND_MAX_POOL1D,
    LAYER_KIND_AVG_POOL1D,
    LAYER_KIND_GLOBAL_MAX_POOL1D,
    LAYER_KIND_GLOBAL_AVERAGE_POOL1D,
    LAYER_KINDS,
};

/* "lstm", "dense"... */
const char *layer_kind_name(enum layer_kind kind);

struct layer_config {
    enum layer_kind kind;
    char place[32];                  /* for error texts: "lstm", "layers[2]" */
    char name[MODEL_LAYER_NAME_MAX]; /* "": none */

    /* layers with weights: what stands before weight_ih_l0 or weight in the weight names, with its
     * dot; "" for none */
    char prefix[MODEL_PREFIX_MAX];
    bool weights_given; /* the layer itself says so */

    /* lstm: torch.nn.LSTM's arguments */
    struct optional_size input_size, hidden_size, num_layers, proj_size;
    struct optional_bool bidirectional;

    /* lstm: Keras' and ONNX' */
    bool reverse, go_backwards;
    bool return_sequences, return_state, zero_output_for_mask;
    enum lstm_merge merge;
    size_t activations_given; /* directions that have activations of their own: 0, 1 or 2 */
    struct lstm_activations activations[2];
    struct optional_bool peepholes;
    float clip; /* 0: none */
    bool input_forget;

    /* lstm, dense, conv1d */
    struct optional_bool bias;

    /* dense: units; conv1d: out_channels */
    struct optional_size units;

    /* dense, conv1d: "activation"; activation: the function itself */
    struct activation_function activation;

    /* embedding */
    struct optional_size num_embeddings, embedding_dim;
    bool mask_zero;

    float mask_value;   /* masking */
    double epsilon;     /* layer_norm, batch_norm */
    size_t repeats;     /* repeat_vector */
    size_t target_rank; /* reshape: 1 or 2 */
    size_t target[2];   /* reshape: the last are given; 0 for -1 */

    /* conv1d, pooling: kernel_size or pool_size; a pool's stride is 0 when it is not given */
    struct optional_size window_size;
    size_t stride, dilation;
    enum layer_padding {
        LAYER_PADDING_COUNT, /* so many steps at both ends; 0 is "valid" */
        LAYER_PADDING_SAME,
        LAYER_PADDING_CAUSAL,
    } padding;
    size_t padding_count;
};

/* What the layers of one model share while they are read. */
struct layer_reader {
    const char *prefix;               /* the model's own, "" for none */
    struct optional_bool batch_first; /* as said by the place that came first */
    struct fault *fault;
};

/* One element of "layers", with layer->place set beforehand. */
bool layer_config_read(struct layer_reader *reader, struct layer_config *layer,
                       const struct cJSON *object);

/* The short form's lstm, NULL where even nothing is said. */
bool layer_config_read_lstm(struct layer_reader *reader, struct layer_config *layer,
                            const struct cJSON *lstm);

/* All places that say batch_first must say the same. */
bool layer_config_batch_first(struct layer_reader *reader, const struct cJSON *object,
                              const char *place);

#endif
