/* A network ready to compute: a chain of layers with packed, immutable weights.
 *
 * Threads: model_run only reads the model, so any number of threads may run one model at once, each
 * with rows and scratch of its own.
 *
 * Rows: the unit of work is a row, one sequence with its own length, buffers and state. Rows of one
 * call may belong to different requests. What a row's answer is, to the bit, depends on nothing but
 * its input, its state and the model: not on the other rows, nor on how a sequence is cut into
 * calls (except that models that are not causal must be given whole sequences). */
#ifndef CORE_MODEL_H
#define CORE_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/activation.h"
#include "core/kernel.h"
#include "core/team.h"
#include "core/window.h"

enum layer_type {
    LAYER_LSTM,
    LAYER_DENSE,
    LAYER_ACTIVATION,
    LAYER_EMBEDDING,
    LAYER_MASKING,
    LAYER_LAYER_NORM,
    LAYER_BATCH_NORM,
    LAYER_LAST_STEP,
    LAYER_RESHAPE, /* and flatten */
    LAYER_REPEAT_VECTOR,
    LAYER_CONV1D,
    LAYER_POOL1D,
};

/* One direction of one layer of torch.nn.LSTM, in PyTorch's layout: gate rows in the order i,f,g,o.
 * P is proj_size, or hidden_size H without projection. */
struct lstm_weights {
    const float *weight_ih;       /* [4H, I]: I is input_size, for higher layers D*P */
    const float *weight_hh;       /* [4H, P] */
    const float *bias_ih;         /* [4H], or NULL for zeros */
    const float *bias_hh;         /* [4H], or NULL for zeros */
    const float *weight_hr;       /* [P, H]; NULL exactly when proj_size is 0 */
    const float *weight_peephole; /* [3H], of i, o and f (ONNX' order), or NULL for none */
};

/* ONNX' f, g and h. */
struct lstm_activations {
    struct activation_function gates;     /* i, f, o: sigmoid */
    struct activation_function candidate; /* g: tanh */
    struct activation_function hidden;    /* h = o * this of c: tanh */
};

/* How the outputs of two directions become one (Keras' Bidirectional). */
enum lstm_merge { LSTM_CONCAT, LSTM_SUM, LSTM_MUL, LSTM_AVE };

/* torch.nn.LSTM: num_layers layers, each of D = bidirectional ? 2 : 1 directions. What follows the
 * weights is Keras' and ONNX'; zeros there mean torch.nn.LSTM. */
struct lstm_spec {
    size_t input_size;
    size_t hidden_size;
    size_t num_layers;
    size_t proj_size; /* 0: none; else 0 < proj_size < hidden_size */
    bool bidirectional;
    const struct lstm_weights *weights; /* [num_layers * D]: l0, l0_reverse, l1, l1_reverse... */
    bool reverse;      /* D = 1: from each row's last step to its first, outputs at their steps */
    bool go_backwards; /* D = 1: the same, outputs in the order they were computed */
    bool last_only;    /* one vector: each direction's output after the last step it walks */
    bool zero_masked;  /* outputs at masked steps are 0, not those of the step before; not with
                        * last_only */
    enum lstm_merge merge;                      /* num_layers 1 unless LSTM_CONCAT */
    const struct lstm_activations *activations; /* [D], or NULL for sigmoid, tanh, tanh */
    float clip;                                 /* > 0: gates' pre-activations stay in +-clip */
    bool input_forget;                          /* f = 1 - i */
};

/* y = activation(x W^T + bias), at every step. */
struct dense_spec {
    size_t in_features;
    size_t out_features;
    struct activation_function activation;
    const float *weight; /* [out_features, in_features] */
    const float *bias;   /* [out_features], or NULL for zeros */
};

struct activation_spec {
    size_t features;
    struct activation_function activation;
};

/* The first layer only: a step's input is one float, a whole number in 0..num_embeddings-1. */
struct embedding_spec {
    size_t num_embeddings; /* V <= MODEL_VOCABULARY_MAX */
    size_t embedding_dim;
    bool mask_zero;      /* steps with number 0 are masked */
    const float *weight; /* [V, embedding_dim] */
};
#define MODEL_VOCABULARY_MAX ((size_t)1 << 24) /* whole numbers that a float holds */

/* Steps all of whose features equal mask_value are masked, and their features become 0. */
struct masking_spec {
    size_t features;
    float mask_value;
};

/* (x - mean) / sqrt(variance + epsilon) * weight + bias: of each step's features, or, with mean and
 * variance given, of each feature by the trained statistics. */
struct norm_spec {
    size_t features;
    double epsilon;
    const float *weight, *bias;              /* [features], or NULL for ones and zeros */
    const float *running_mean, *running_var; /* [features], LAYER_BATCH_NORM only */
};

struct last_step_spec {
    size_t features;
};

/* Row-major: the floats of `steps` steps, in_features each, cut anew by out_features. */
struct reshape_spec {
    size_t in_features, out_features;
    size_t steps; /* shorter rows are filled with zeros, longer ones must not be given; 0: any,
                   * each step is cut for itself: in_features is a multiple of out_features */
    bool vector;  /* out: one step, which is a vector (flatten) */
};

struct repeat_vector_spec {
    size_t features;
    size_t n;
};

struct conv1d_spec {
    size_t in_channels, out_channels;
    struct window window;
    struct activation_function activation;
    const float *weight; /* [out_channels, in_channels, window.size] */
    const float *bias;   /* [out_channels], or NULL for zeros */
};

enum pooling { POOLING_MAX, POOLING_AVERAGE };

/* Steps outside of the row count for nothing. */
struct pool1d_spec {
    size_t features;
    enum pooling pooling;
    bool global; /* the whole row, a vector comes out; an average leaves masked steps out */
    struct window window; /* when not global; dilation 1, each pad less than size */
};

struct layer_spec {
    enum layer_type type;
    union {
        struct lstm_spec lstm;
        struct dense_spec dense;
        struct activation_spec activation;
        struct embedding_spec embedding;
        struct masking_spec masking;
        struct norm_spec norm;
        struct last_step_spec last_step;
        struct reshape_spec reshape;
        struct repeat_vector_spec repeat_vector;
        struct conv1d_spec conv1d;
        struct pool1d_spec pool1d;
    } as;
};

struct model;

/* Packs the layers for the kernel. The specs and their weights are read, never kept. All sizes must
 * be at least 1 and each layer must take what the one before it gives (asserted: the caller checks
 * what comes from outside). NULL when memory does not suffice or a size overflows. */
struct model *model_create(const struct layer_spec *layers, size_t layer_count,
                           const struct kernel *kernel);

/* NULL is allowed. No call may be running the model. */
void model_destroy(struct model *model);

size_t model_input_size(const struct model *model);     /* floats per step in */
size_t model_output_size(const struct model *model);    /* floats per step out */
size_t model_memory(const struct model *model);         /* bytes held by the model */
double model_flops_per_step(const struct model *model); /* multiply and add count as two */
const struct kernel *model_kernel(const struct model *model);

/* Calls visit once for each array of packed weights, the large ones of which are read again and
 * again: for whoever can see to it that memory is held in pages that suit that. */
void model_visit_weights(const struct model *model,
                         void (*visit)(void *context, const float *weights, size_t bytes),
                         void *context);

/* V of a model that begins with an embedding: every input must be a whole number in 0..V-1 (the
 * caller checks what comes from outside). 0: it does not. */
size_t model_vocabulary(const struct model *model);

/* May a sequence be cut into calls? Otherwise each row must be a whole sequence. */
bool model_is_causal(const struct model *model);

/* Steps a row of `steps` steps comes out with: as many, or fewer or more where layers pool,
 * convolve or repeat; 1 where what comes out is a vector. Never fewer for more steps. A row of no
 * steps at all comes out as zeros. */
size_t model_output_steps(const struct model *model, size_t steps);

/* D where what comes out are D directions of an LSTM, side by side at every step; else 0. */
size_t model_output_directions(const struct model *model);

/* One vector a row rather than steps: causal models write it in the call that `ends` the row. */
bool model_output_is_vector(const struct model *model);

/* State of one row: for each LSTM layer in order, for each of its num_layers * D cells, h [P] then
 * c [H], without gaps; then what else the model must remember. model_state_size is the number of
 * floats of it all. A sequence begins with zeros, but for h and c where others are given. */
size_t model_state_size(const struct model *model);

/* One LSTM layer's place in that state. Cell j of the layer has its h at offset + j * (P + H), its
 * c right behind its h. */
struct model_lstm_state {
    size_t offset; /* floats before cell 0's h */
    size_t cells;  /* num_layers * D */
    size_t h_size; /* P */
    size_t c_size; /* H */
};
size_t model_lstm_count(const struct model *model);
struct model_lstm_state model_lstm_state(const struct model *model, size_t lstm_index);

/* One sequence, or the next piece of one. */
struct model_row {
    const float *input;  /* step t's floats at input + t * input_stride, model_input_size of them */
    float *output;       /* the same for the answer, model_output_steps of them; must not overlap
                          * any input or state */
    size_t input_stride; /* in floats, >= model_input_size */
    size_t output_stride;
    size_t steps; /* 0 is allowed */
    bool ends;    /* the sequence ends with these steps (or, with steps 0, has none at all): what is
                   * computed only then is. Models that are not causal take it for true. */
    float *state; /* [model_state_size]: the state before, replaced by the one after */
};

/* Bytes of scratch that model_run wants for row_count rows of at most max_steps steps each, enough
 * for fewer and shorter ones too; false when the number does not fit a size_t. */
bool model_scratch_size(const struct model *model, size_t row_count, size_t max_steps,
                        size_t *bytes);

/* Aligned to MODEL_SCRATCH_ALIGNMENT; what is in it before and after is meaningless. */
#define MODEL_SCRATCH_ALIGNMENT 64
struct model_scratch {
    void *memory;
    size_t size; /* bytes */
};

/* Computes all rows. Cannot fail, takes no memory, no lock, makes no system call. The scratch is of
 * model_scratch_size(model, row_count, longest row), which is checked. */
void model_run(const struct model *model, const struct model_row *rows, size_t row_count,
               struct model_scratch scratch);

/* How many of `available` members are worth having for such a call, once they are running: 1 when
 * meeting at every step would cost more than the others' help is worth. */
size_t model_team_size(const struct model *model, size_t row_count, size_t max_steps,
                       size_t available);

/* The same by a team: every member calls it with the same arguments but its own member number. When
 * it returns to one of them the answer is complete, and the others, still on their way out, read
 * nothing more of the model, the rows or the scratch, only their share and its team. scratch holds
 * model_team_scratch_size, and is shared. */
bool model_team_scratch_size(const struct model *model, size_t team_size, size_t row_count,
                             size_t max_steps, size_t *bytes);
void model_run_member(const struct model *model, const struct model_row *rows, size_t row_count,
                      struct model_scratch scratch, const struct share *share);

#endif
