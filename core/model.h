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

enum layer_type {
    LAYER_LSTM,
    LAYER_DENSE,
    LAYER_ACTIVATION,
};

/* One direction of one layer of torch.nn.LSTM, in PyTorch's layout: gate rows in the order i,f,g,o.
 * P is proj_size, or hidden_size H without projection. */
struct lstm_weights {
    const float *weight_ih; /* [4H, I]: I is input_size, for higher layers D*P */
    const float *weight_hh; /* [4H, P] */
    const float *bias_ih;   /* [4H], or NULL for zeros */
    const float *bias_hh;   /* [4H], or NULL for zeros */
    const float *weight_hr; /* [P, H]; NULL exactly when proj_size is 0 */
};

/* torch.nn.LSTM: num_layers layers, each of D = bidirectional ? 2 : 1 directions. */
struct lstm_spec {
    size_t input_size;
    size_t hidden_size;
    size_t num_layers;
    size_t proj_size; /* 0: none; else 0 < proj_size < hidden_size */
    bool bidirectional;
    const struct lstm_weights *weights; /* [num_layers * D]: l0, l0_reverse, l1, l1_reverse... */
};

/* y = activation(x W^T + bias), at every step. */
struct dense_spec {
    size_t in_features;
    size_t out_features;
    enum activation activation;
    const float *weight; /* [out_features, in_features] */
    const float *bias;   /* [out_features], or NULL for zeros */
};

struct activation_spec {
    size_t features;
    enum activation activation;
};

struct layer_spec {
    enum layer_type type;
    union {
        struct lstm_spec lstm;
        struct dense_spec dense;
        struct activation_spec activation;
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

size_t model_input_size(const struct model *model);  /* floats per step in */
size_t model_output_size(const struct model *model); /* floats per step out */
size_t model_memory(const struct model *model);      /* bytes held by the model */
bool model_is_causal(const struct model *model);     /* false: sequences must be given whole */
size_t model_output_steps(const struct model *model, size_t steps); /* that come out of so many */
double model_flops_per_step(const struct model *model); /* multiply and add count as two */

/* State of one row: for each LSTM layer in order, for each of its num_layers * D cells, h [P] then
 * c [H], without gaps. model_state_size is the number of floats of it all. */
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
    float *output;       /* the same for the answer; must not overlap any input or state */
    size_t input_stride; /* in floats, >= model_input_size */
    size_t output_stride;
    size_t steps; /* 0 is allowed: nothing is read or written */
    bool ends;    /* the sequence's last step is among these: what is computed only then is */
    float *state; /* [model_state_size]: the state before, replaced by the one after */
};

/* Bytes of scratch that model_run wants for row_count rows of at most max_steps steps each; false
 * when the number does not fit a size_t. */
bool model_scratch_size(const struct model *model, size_t row_count, size_t max_steps,
                        size_t *bytes);

/* Computes all rows. Cannot fail, takes no memory, no lock, makes no system call. scratch must be
 * aligned to MODEL_SCRATCH_ALIGNMENT and hold model_scratch_size(model, row_count, longest row);
 * its content before and after is meaningless. */
#define MODEL_SCRATCH_ALIGNMENT 64
void model_run(const struct model *model, const struct model_row *rows, size_t row_count,
               void *scratch);

/* How many of `available` members are worth having for such a call, once they are running: 1 when
 * meeting at every step would cost more than the others' help is worth. */
size_t model_team_size(const struct model *model, size_t row_count, size_t max_steps,
                       size_t available);

/* The same by a team: every member calls it with the same arguments but its own member number. When
 * it returns to a member, that member's work is done; the answer is complete when it has returned
 * to all. scratch holds model_team_scratch_size, and is shared. */
bool model_team_scratch_size(const struct model *model, size_t team_size, size_t row_count,
                             size_t max_steps, size_t *bytes);
void model_run_member(const struct model *model, const struct model_row *rows, size_t row_count,
                      void *scratch, const struct share *share);

#endif
