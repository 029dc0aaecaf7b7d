/* One request's tensors on their way through a model: sized, laid out in one block of memory,
 * decoded, cut into strands that ticks advance (server/tick.h), shown as an answer.
 *
 * Order of calls: compute_init, compute_plan, then compute_place with memory of that size, then
 * compute_decode until it is ready (or compute_clear), then ticks until no strand has steps left,
 * then compute_answer.
 *
 * Where outputs come step by step, the answer may be had in parts, a run of steps of all rows each:
 * compute_divide after compute_init; then strands stop at the part's end, and after its
 * compute_answer compute_next_part lets them go on. The memory for the output is that of one part.
 */
#ifndef SERVER_COMPUTE_H
#define SERVER_COMPUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model.h"
#include "proto/binding.h"
#include "proto/fault.h"
#include "proto/infer_message.h"

/* Consecutive rows that go through the model together, STRAND_ROWS at most. All have done the same
 * number of steps, but for those that were shorter. */
struct strand {
    struct strand *next; /* whoever holds it */
    struct compute *compute;
    size_t first_row, row_count;
    size_t done;    /* steps */
    size_t steps;   /* of its longest row */
    size_t longest; /* so many of them lie before the part's end */
    size_t live;    /* rows with steps left in the part; 0: the strand is finished, or waits for the
                     * next one */
    struct model_scratch scratch; /* where it must be computed, alone; no memory: wherever there is
                                   * scratch */
};

/* What compute_decode has come to. */
struct compute_progress {
    enum {
        READ_INPUT,
        READ_LENGTHS,
        TAKE_TOKENS,
        READ_STATES,
        BEGIN_STRANDS,
        END_EMPTY,
        DECODED
    } stage;
    size_t index;               /* of the stage's next thing: slice, state tensor, strand */
    bool reading;               /* in the middle of a tensor */
    struct infer_cursor cursor; /* then */
};

/* T steps, B rows, S floats of state a row; all pointers go into the one block. */
struct compute {
    const struct model *model;
    const struct signature *signature;
    struct binding binding;
    size_t output_steps; /* T': model_output_steps of T */
    size_t part_steps;   /* output steps in a part, the last one may have fewer; T': it is whole */
    size_t part_begin, part_end; /* the output steps of this part */
    size_t members;              /* that its strands' own scratch is for; 0: it is run alone only */
    bool alone;                  /* it may be run alone */
    size_t scratch_size, strand_scratch_size; /* bytes, of its own and of each strand's, or 0 */
    struct compute_progress progress;
    const float *initial; /* [B][S], set before anything is decoded: states to begin with; NULL:
                             zeros, where no h_0 and c_0 were sent */

    float *input;                   /* [T,B,I] or [B,T,I] */
    float *output;                  /* [T',B,O] or [B,T',O]: of this part */
    int64_t *tokens;                /* as input, where that is an embedding's */
    float *apart;                   /* [B,O], where the output's directions stand apart */
    int64_t *lengths;               /* [B] */
    int64_t *row_steps;             /* [B], of output, where rows came each for itself; else NULL */
    float *h[SIGNATURE_STATES_MAX]; /* [cells,B,P] or [B,cells,P]: first h_0, then h_n; NULL when
                                       neither is */
    float *c[SIGNATURE_STATES_MAX]; /* [cells,B,H] */
    float *states;                  /* [B][S], as the core wants them */
    struct strand *strands;         /* [strand_count], all rows in order */
    size_t strand_count;
    struct model_scratch scratch; /* for tick_run_alone, else no memory */
};

/* Keeps a copy of binding, whose pointers must stay good until it is decoded. compute_answer may be
 * asked from now on for all but the data. */
void compute_init(struct compute *compute, const struct model *model,
                  const struct signature *signature, const struct binding *binding);

/* Can the answer be had in parts? The model is causal, what comes out are steps, of any rows, and
 * the output is wanted. */
bool compute_is_divisible(const struct compute *compute);
/* Before compute_plan: parts of so many steps, at least 1. */
void compute_divide(struct compute *compute, size_t steps);
/* No steps come after this part. */
bool compute_is_last_part(const struct compute *compute);

/* Says how many bytes the block needs; false when the number does not fit a size_t. members:
 * workers that a tick may have at most, or 0 when there will be none but tick_run_alone's; alone:
 * there may be. */
bool compute_plan(struct compute *compute, size_t members, bool alone, size_t *bytes);

/* block: of compute_plan's size, aligned to MODEL_SCRATCH_ALIGNMENT, the caller's throughout. */
void compute_place(struct compute *compute, void *block);

/* Reads some of the request's numbers into the block, half a millisecond's work or so. The fault
 * names tensor and element. When all is decoded the strands are ready. */
enum compute_decoded { COMPUTE_MORE, COMPUTE_READY, COMPUTE_FAILED };
enum compute_decoded compute_decode(struct compute *compute, struct fault *fault);
/* Instead of that: zeros everywhere, all rows of full length. */
void compute_clear(struct compute *compute);

/* Steps its longest row has left in the part. */
size_t compute_strand_left(const struct strand *strand);
/* The next `steps` steps of the strand's live rows, or what they have left; returns how many rows
 * were written. */
size_t compute_strand_rows(const struct strand *strand, size_t steps, struct model_row *rows);
/* They were computed. The states of a strand that is finished are where the answer wants them. */
void compute_strand_advance(struct strand *strand, size_t steps);

/* When no strand has steps left, once: the outputs are where the answer wants them. */
void compute_finish(struct compute *compute);

/* From a part that is not the last to the next one. What was computed of the output is gone; some
 * strands may have nothing to do. */
void compute_next_part(struct compute *compute);

/* Names, shapes and data of the outputs, borrowed from the compute and its block. In the order of
 * the binding; in parts but the last the output alone. */
void compute_answer(const struct compute *compute, struct infer_answer *answer);
/* The same, but the largest that any part may be, without data. */
void compute_largest_answer(const struct compute *compute, struct infer_answer *answer);

#endif
