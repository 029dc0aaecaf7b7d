/* One direction of one layer of an LSTM over the rows of a batch: what model_run.c chains together.
 *
 * Rows come sorted, longest first, so that the rows still running at a step are always the first
 * few: ragged batches cost what their steps cost, nothing is padded. A reverse cell walks each row
 * from its own last step to its first (packed-sequence semantics). Where steps are masked a row is
 * the list of the others. */
#ifndef CORE_LSTM_H
#define CORE_LSTM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/kernel.h"
#include "core/model.h"
#include "core/team.h"

struct lstm_cell {
    size_t input_size;
    size_t hidden_size;
    size_t output_size; /* P: proj_size, or hidden_size */
    bool projected;
    bool reverse;
    bool as_computed;        /* reverse, but outputs stand in the order they were computed */
    bool plain;              /* torch.nn.LSTM's cell: all of it is done by the kernel's lstm_step */
    struct panels input;     /* weight_ih, gate panels, no bias */
    struct panels recurrent; /* weight_hh and the biases, gate panels */
    struct panels projection; /* weight_hr, where projected */

    /* What a cell that is not plain does otherwise (core/lstm_step.h). */
    struct lstm_activations activations;
    float clip; /* 0: none */
    bool input_forget;
    float *peephole; /* [3H] of i, o, f; NULL: none */
};

/* Direction d of one layer of spec, with the layer's own weights and input_size, for kernels of
 * that layout. false (nothing held) when memory does not suffice. */
bool lstm_cell_init(struct lstm_cell *cell, enum panels_layout layout, const struct lstm_spec *spec,
                    size_t d, const struct lstm_weights *weights, size_t input_size);
void lstm_cell_fini(struct lstm_cell *cell);
size_t lstm_cell_memory(const struct lstm_cell *cell);

/* A row's piece of work at one layer. */
struct lstm_span {
    const float *input; /* step t at input + t * input_stride: [input_size] */
    float *output;      /* step t at output + t * output_stride: [output_size] */
    size_t input_stride, output_stride;
    size_t steps;          /* to be walked */
    size_t length;         /* steps there are: as many, unless some are masked */
    const uint32_t *times; /* [steps], ascending: which they are; NULL: all */
    float *h;              /* [output_size], replaced by the state after the last step; */
    float *c;              /* [hidden_size], likewise. With steps 0 both stay. */
};

/* Scratch is in two parts, each aligned to MODEL_SCRATCH_ALIGNMENT: one that all members of the
 * team share, and one that each has for itself. */
struct lstm_scratch_size {
    size_t shared, own; /* bytes */
};

/* What lstm_cell_run wants; false when it does not fit a size_t. Never less for more rows or steps.
 */
bool lstm_cell_scratch(const struct lstm_cell *cell, size_t row_count, size_t max_steps,
                       struct lstm_scratch_size *size);

/* Spans are sorted by steps, longest first. All members of the team call this; when it returns, the
 * member's own part is done: the team must meet before outputs or states are read. */
void lstm_cell_run(const struct lstm_cell *cell, const struct kernel *kernel,
                   const struct lstm_span *spans, size_t row_count, void *shared, void *own,
                   const struct share *share);

#endif
