/* What a model is made of, for the files that know: model_layers.c builds it, model_run.c walks it,
 * layer_*.c compute it. Everybody else sees core/model.h.
 *
 * A model is a list of operations; each turns a row's steps, input_size floats each, into steps of
 * output_size floats. A layer may be several operations (bidirectional LSTM, last step, merge), an
 * activation is a part of the operation before it, where there is one. */
#ifndef CORE_MODEL_OPS_H
#define CORE_MODEL_OPS_H

#include <stdint.h>

#include "core/longest_first.h"
#include "core/lstm.h"
#include "core/model.h"
#include "core/scratch.h"

enum op_type {
    OP_LSTM, /* one layer, one or two directions side by side */
    OP_DENSE,
    OP_COPY, /* carries an activation that has no operation before it */
    OP_EMBEDDING,
    OP_MASKING,
    OP_LAYER_NORM,
    OP_BATCH_NORM,
    OP_MERGE,     /* two halves of the features become one */
    OP_LAST_STEP, /* the row ends in a vector */
    OP_RESHAPE,
    OP_REPEAT,
    OP_CONV,
    OP_POOL,
};

struct op {
    enum op_type type;
    size_t input_size, output_size;        /* floats per step */
    struct activation_function activation; /* applied to what the operation wrote */
    bool masked;                           /* some of its input's steps may be masked */

    /* OP_LSTM */
    size_t direction_count;
    struct lstm_cell cells[2];
    size_t state_offset; /* of cell 0's h in a row's state */
    bool zero_masked;    /* outputs at masked steps are 0 */
    bool carries;        /* masked, and forward: a row's state says whether a step was seen */
    size_t seen_offset;  /* where: 1 or 0 */

    /* OP_DENSE, OP_CONV: depth is window.size * input_size */
    struct panels weight;

    /* OP_EMBEDDING */
    float *table; /* [vocabulary][output_size] */
    size_t vocabulary;

    /* OP_LAYER_NORM, OP_BATCH_NORM */
    double *norm; /* [3][features]: mean (batch norm), scale, shift */
    double epsilon;

    float mask_value;      /* OP_MASKING */
    bool makes_mask;       /* OP_EMBEDDING, OP_MASKING */
    enum lstm_merge merge; /* OP_MERGE */
    size_t from_first;     /* OP_LAST_STEP: these last features are those of step 0 */
    size_t steps;          /* OP_RESHAPE: fixed steps or 0; OP_REPEAT: n */
    struct window window;  /* OP_CONV, OP_POOL */
    enum pooling pooling;
    bool global;
};

struct model {
    const struct kernel *kernel;
    size_t op_count;
    struct op *ops;
    size_t lstm_count;
    struct model_lstm_state *lstms;
    size_t state_size;
    size_t memory;  /* bytes held */
    size_t widest;  /* floats per step between two operations of each step, at most; 0: none */
    bool causal;    /* every operation is either of each step or, at the end, of a vector */
    bool is_vector; /* what comes out is */
};

/* ---- building: model.c to model_layers.c ---- */

struct model_build {
    struct model *model;
    bool masked; /* there may be masked steps behind the last operation */
    bool vector; /* a row is one vector there */
};

/* Operations that the layer may need, at most. */
size_t model_layer_ops(const struct layer_spec *layer);

/* Adds the layer's operations to the model, for which there is room. false without memory; what the
 * operations hold is the model's either way. */
bool model_add_layer(struct model_build *build, const struct layer_spec *layer);

/* Frees what an operation holds. */
void op_fini(struct op *op);

/* ---- running: model_run.c to layer_*.c ---- */

/* A row at one operation of one chunk. */
struct view {
    const struct model_row *row;
    const float *input;
    float *output;
    size_t input_stride, output_stride;
    size_t steps, output_steps;
};

/* The masks of a chunk, written by the operation that makes them, read by those behind it. */
struct masks {
    uint32_t *times; /* [row_count][stride]: which steps are not masked, ascending */
    size_t *count;   /* [row_count]: how many */
    size_t stride;
};

/* One member's call of one operation. All members' rows are the same, longest first. */
struct op_call {
    const struct model *model;
    const struct op *op;
    const struct view *views; /* [row_count] */
    size_t row_count;
    const struct share *share;
    struct masks masks;         /* shared by the team */
    struct row_length *lengths; /* [row_count], and what follows: the member's own */
    struct lstm_span *spans;    /* [row_count] */
    const float **x;            /* [terms]: for products */
    float **y;
    float *windows;                  /* [CONV_WINDOWS][largest window] */
    void *cell_shared[2], *cell_own; /* lstm_cell_run's, one for each direction */
};

enum { CONV_WINDOWS = 32 }; /* computed at once */

/* Steps that come out of so many. Never fewer for more. */
size_t op_output_steps(const struct op *op, size_t steps);

/* Each does the member's part; the team meets afterwards. */
void layer_lstm_run(const struct op_call *call);
void layer_dense_run(const struct op_call *call);
void layer_embedding_run(const struct op_call *call);
void layer_masking_run(const struct op_call *call);
void layer_norm_run(const struct op_call *call);
void layer_copy_run(const struct op_call *call);
void layer_merge_run(const struct op_call *call);
void layer_last_step_run(const struct op_call *call);
void layer_reshape_run(const struct op_call *call);
void layer_repeat_run(const struct op_call *call);
void layer_conv_run(const struct op_call *call);
void layer_pool_run(const struct op_call *call);

#endif
