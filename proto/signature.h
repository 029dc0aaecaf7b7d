/* The tensors a model takes and gives: names, datatypes, shapes. One place says it for the metadata
 * of every protocol and for checking requests.
 *
 * Tensors of an LSTM model (T steps, B rows, I inputs, D directions, P = proj_size or H):
 *   input    FP32 [T,B,I], batch_first [B,T,I]      required; of an embedding INT32 or INT64 [T,B],
 *                                                   [B,T]
 *   h_0, c_0 FP32 [L*D,B,P], [L*D,B,H]              optional, zeros when absent
 *   lengths  INT32 or INT64 [B], 0..T each          optional
 *   output   FP32 in the input's layout, O floats per step; [B,O] where a row comes out as a vector
 *   h_n, c_n FP32, shapes of h_0, c_0; where LSTM layers return their state, theirs alone, one
 *            [B,P] and [B,H] for each direction: h_n, c_n, or forward_h, forward_c, backward_h,
 *            backward_c
 * With several LSTM layers in a chain, all of one P and H, L*D counts all their cells in order.
 * When their sizes differ, or the config names tensors for each, each LSTM layer k has tensors of
 * its own: h_0.k, c_0.k, h_n.k, c_n.k by default.
 * The config may give other names and layouts (proto/MODEL_CONFIG.md). */
#ifndef PROTO_SIGNATURE_H
#define PROTO_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model.h"
#include "proto/fault.h"
#include "proto/infer_message.h"
#include "proto/model_config.h"

/* LSTM layers of different sizes in one model: 2 * 14 + 2 tensors. */
#define SIGNATURE_STATES_MAX MODEL_STATES_MAX
#define SIGNATURE_RANK_MAX   4
#define SIGNATURE_NO_AXIS    SIGNATURE_RANK_MAX

/* What a tensor is to the model. */
enum tensor_role {
    ROLE_INPUT,
    ROLE_LENGTHS,
    ROLE_OUTPUT,
    ROLE_H, /* h_0 as an input, h_n as an output */
    ROLE_C,
};

struct signature_tensor {
    char name[TENSOR_NAME_MAX];
    enum datatype datatype; /* INT64 where INT32 is taken too */
    enum tensor_role role;
    bool optional; /* of inputs */
    bool returned; /* of outputs: the network itself returns it, as its framework would; else it is
                      a state that its layers keep to themselves */
    size_t state;  /* ROLE_H, ROLE_C: which of signature.states */
    size_t cell;   /* the same, of rank 2: which of that state's cells; its [B,n] alone */
    size_t rank;
    int64_t shape[SIGNATURE_RANK_MAX]; /* -1: any */
    size_t rows_axis;                  /* which dimension is B */
    size_t steps_axis;                 /* which is T; or SIGNATURE_NO_AXIS */
};

/* A group of LSTM cells that share one pair of state tensors. */
struct signature_state {
    size_t offset; /* floats in a row's state (core/model.h) before cell 0's h */
    size_t cells;
    size_t h_size, c_size;
};

struct signature {
    const struct model *model;
    bool batch_first;               /* input's memory is [B][T][input_size] rather than [T][B] */
    bool output_batch_first;        /* the same of output, with its own number of steps */
    bool output_apart;              /* output is [T,D,B,H], D > 1: signature_set_apart */
    bool states_batch_first;        /* h_0, c_0, h_n, c_n are [B,cells,n] */
    size_t input_size, output_size; /* floats per step */
    size_t vocabulary;              /* input's numbers are whole and in 0..vocabulary-1; 0: any */
    bool vector;                    /* output is [B,output_size] */
    size_t state_count;
    struct signature_state states[SIGNATURE_STATES_MAX];
    const char *const *labels; /* [output's last dimension], or NULL; borrowed */
    size_t label_count;
    size_t input_count, output_count;
    struct signature_tensor inputs[INFER_TENSOR_MAX], outputs[INFER_TENSOR_MAX];
};

/* Of config, the layout, the tensors, the labels and what its layers return are looked at; the
 * model is the one built of it and must outlive the signature, and so must the labels. Fails (400)
 * for a model with more than SIGNATURE_STATES_MAX LSTM layers of different sizes, for two tensors
 * of one name, for names of another number of LSTM layers, for an output layout that the output
 * does not have, where no output is left, and for another number of labels than output's last
 * dimension has. */
bool signature_init(struct signature *signature, const struct model *model,
                    const struct model_config *config, struct fault *fault);

/* By name; NULL when there is none of it. */
const struct signature_tensor *signature_input(const struct signature *signature, const char *name);
const struct signature_tensor *signature_output(const struct signature *signature,
                                                const char *name);

/* What the network reads: every model has it. */
const struct signature_tensor *signature_main_input(const struct signature *signature);

/* shape[rank] of an output for T steps in of B rows. */
void signature_output_shape(const struct signature *signature,
                            const struct signature_tensor *output, size_t steps, size_t rows,
                            uint64_t *shape);

/* With output_apart: from the memory that rows are computed in, [T'][B][D*H], to [T'][D][B][H], in
 * place. T' is the output's own number of steps; scratch holds B * output_size floats. */
void signature_set_apart(const struct signature *signature, size_t output_steps, size_t rows,
                         float *output, float *scratch);

#endif
