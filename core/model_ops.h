/* What a model is made of, for the two files that know: model.c builds it, model_run.c computes
 * with it. Everybody else sees core/model.h. */
#ifndef CORE_MODEL_OPS_H
#define CORE_MODEL_OPS_H

#include "core/lstm.h"
#include "core/model.h"

enum op_type {
    OP_LSTM, /* one layer, one or two directions side by side */
    OP_DENSE,
    OP_COPY, /* carries an activation that has no operation before it */
};

struct op {
    enum op_type type;
    size_t input_size, output_size; /* floats per step */
    enum activation activation;     /* applied to what the operation wrote */
    size_t direction_count;
    struct lstm_cell cells[2];
    size_t state_offset; /* of cell 0's h in a row's state */
    struct panels dense;
};

struct model {
    const struct kernel *kernel;
    size_t op_count;
    struct op *ops;
    size_t lstm_count;
    struct model_lstm_state *lstms;
    size_t state_size;
    size_t memory; /* bytes held */
    size_t widest; /* floats per step between two operations, at most */
    bool causal;
    bool has_dense;
};

#endif
