/* One layer of a Keras model, its config read and checked: what it computes, in Keras' terms. A
 * layer or an option that cannot be expressed is refused by name. */
#ifndef DEPLOY_CONVERT_KERAS_LAYER_H
#define DEPLOY_CONVERT_KERAS_LAYER_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/keras_function.h"
#include "deploy/convert/keras_version.h"
#include "proto/fault.h"

struct cJSON;

enum keras_kind {
    KERAS_IDLE, /* InputLayer, Dropout and whatever else does nothing to a trained model */
    KERAS_LSTM,
    KERAS_EMBEDDING,
    KERAS_MASKING,
    KERAS_DENSE,
    KERAS_ACTIVATION,
    KERAS_LAYER_NORM,
    KERAS_BATCH_NORM,
    KERAS_NORMALIZATION,
    KERAS_LAST_STEP, /* x[:, -1, :] */
    KERAS_FLATTEN,
    KERAS_RESHAPE,
    KERAS_SQUEEZE, /* the model's last layer: the numbers stay, the shape loses a 1 */
    KERAS_REPEAT_VECTOR,
    KERAS_CONV1D,
    KERAS_POOL1D,
    KERAS_GLOBAL_POOL1D,
};

/* LSTM and CuDNNLSTM, alone or in a Bidirectional, and an RNN of an LSTMCell. */
struct keras_lstm {
    size_t units;
    bool use_bias;
    bool bidirectional;
    const char *merge_mode; /* "concat", "sum", "mul" or "ave" */
    bool go_backwards;      /* false when bidirectional */
    bool return_sequences;
    bool return_state;
    bool zero_output_for_mask;
    bool stateful;
    struct keras_function activation, recurrent_activation;
};

struct keras_layer {
    enum keras_kind kind;
    const char *class_name; /* "Bidirectional"; borrowed from the config, as is name */
    const char *name;
    const char *inner_name; /* of the layer in a Bidirectional or TimeDistributed; else NULL */
    bool trainable;
    bool time_distributed; /* what a TimeDistributed holds; class_name and name are its own */
    bool ends_masks;       /* where the served layer may pass them on */
    union {
        struct keras_lstm lstm;
        struct {
            size_t input_dim, output_dim;
            bool mask_zero;
        } embedding;
        struct {
            double value;
        } masking;
        struct {
            size_t units;
            bool use_bias;
            struct keras_function activation;
        } dense;
        struct {
            struct keras_function function;
            long axis; /* of Softmax; else -1 */
            bool softmax_layer;
        } activation;
        struct {
            long axis; /* counted as Keras does: the batch is 0, -1 the last */
            double epsilon;
            bool center, scale;
        } norm;
        struct {
            long axis;   /* as above; -1 where of_all */
            bool of_all; /* the same two numbers at every feature */
            bool invert;
            const struct cJSON *mean, *variance; /* the config's; NULL where they are weights */
        } normalization;
        struct {
            size_t rank; /* 1 or 2 */
            long target_shape[2];
            bool of_vector; /* and of nothing else */
        } reshape;
        struct {
            size_t n;
        } repeat_vector;
        struct {
            size_t filters, kernel_size, stride, dilation;
            const char *padding; /* "valid", "same" or "causal" */
            bool use_bias;
            struct keras_function activation;
        } conv1d;
        struct {
            bool average;
            size_t pool_size, stride;
            const char *padding; /* "valid" or "same" */
        } pool1d;
        struct {
            bool average;
            bool of_all_steps; /* the masked ones too */
        } global_pool1d;
    } as;
};

/* json is a layer of a model's config: {"class_name", "config", ...}; it must outlive the layer. */
bool keras_layer_parse(struct keras_layer *layer, const struct cJSON *json,
                       const struct keras_version *version, struct fault *fault);

/* Those that keras_layer_parse calls for LSTM and CuDNNLSTM, for RNN, which is one when it holds an
 * LSTMCell, and for Bidirectional; config is the object "config". class_name, name and trainable
 * are set. */
bool keras_lstm_parse(struct keras_layer *layer, const struct cJSON *config,
                      const struct keras_version *version, struct fault *fault);
bool keras_rnn_parse(struct keras_layer *layer, const struct cJSON *config,
                     const struct keras_version *version, struct fault *fault);
bool keras_bidirectional_parse(struct keras_layer *layer, const struct cJSON *config,
                               const struct keras_version *version, struct fault *fault);

/* "class_name", which must be a class of Keras' own, and "config"."name" (or "name") of a layer's
 * JSON; both are set where the class is another's. */
bool keras_layer_names(const struct cJSON *json, const char **class_name, const char **name,
                       struct fault *fault);

/* Is it where masks begin? */
bool keras_layer_makes_masks(const struct keras_layer *layer);

/* One weight of a layer. */
struct keras_slot {
    const char *role; /* "kernel": the last part of its name from Keras 2 on */
    bool trainable;   /* not a statistic */
    bool backward;    /* of a Bidirectional's second LSTM */
};

/* The layer's weights in the order Keras keeps them; how many there are. */
#define KERAS_SLOTS_MAX 6
size_t keras_layer_slots(const struct keras_layer *layer, struct keras_slot *slots);

#endif
