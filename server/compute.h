/* One request's tensors on their way through a model: sized, laid out in one block of memory,
 * decoded, computed, shown as an answer. The only file that has the core compute.
 *
 * Order of calls: compute_plan, then compute_place with memory of that size, then compute_decode
 * (or compute_clear), compute_run, compute_answer. */
#ifndef SERVER_COMPUTE_H
#define SERVER_COMPUTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model.h"
#include "proto/fault.h"
#include "proto/infer_message.h"
#include "proto/signature.h"
#include "server/pool.h"

/* T steps, B rows, S floats of state a row; all pointers go into the one block. */
struct compute {
    const struct model *model;
    const struct signature *signature;
    struct binding binding;
    size_t piece; /* steps that one call of the model takes */
    struct pool *pool;
    size_t team; /* workers that may share a call */

    float *input;                   /* [T,B,I] or [B,T,I] */
    size_t output_steps;            /* T', of the output */
    float *output;                  /* [T',B,O] or [B,T',O] */
    float *apart;                   /* [B,O], where the output's directions stand apart */
    int64_t *lengths;               /* [B] */
    float *h[SIGNATURE_STATES_MAX]; /* [cells,B,P]: first h_0, then h_n; NULL when neither is */
    float *c[SIGNATURE_STATES_MAX]; /* [cells,B,H] */
    float *states;                  /* [B][S], as the core wants them */
    struct model_row *rows;         /* [B] */
    void *scratch;
};

/* Keeps a copy of binding, whose pointers must stay good, and says how many bytes the block needs;
 * false when the number does not fit a size_t. pool: the workers compute_run will be called by one
 * of, so that idle ones can help it with large pieces; NULL when it is nobody's worker. */
bool compute_plan(struct compute *compute, const struct model *model,
                  const struct signature *signature, const struct binding *binding,
                  struct pool *pool, size_t *bytes);

/* block: of compute_plan's size, aligned to MODEL_SCRATCH_ALIGNMENT, the caller's throughout. */
void compute_place(struct compute *compute, void *block);

/* Reads the request's numbers into the block. The fault names tensor and element. */
bool compute_decode(struct compute *compute, struct fault *fault);
/* Instead of that: zeros everywhere, all rows of full length. */
void compute_clear(struct compute *compute);

/* false: given_up was seen to be true, and what there is of the answer is of no use. */
bool compute_run(struct compute *compute, const atomic_bool *given_up);

/* Names, shapes and data of the outputs, borrowed from the compute and its block. */
void compute_answer(const struct compute *compute, struct infer_answer *answer);

#endif
