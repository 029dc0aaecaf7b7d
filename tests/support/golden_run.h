/* The golden cases computed in this process, and held against their answers. */
#ifndef TESTS_SUPPORT_GOLDEN_RUN_H
#define TESTS_SUPPORT_GOLDEN_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/model.h"
#include "tests/support/golden_case.h"

/* What a model answered, in the shapes of the case's own answers. */
struct golden_answer {
    size_t output_elements, h_elements, c_elements;
    float *output, *h_n, *c_n;
};

/* How the rows go to model_run: in one call or one after the other, whole or in pieces. */
struct golden_plan {
    size_t chunk; /* steps in a piece; 0: the whole sequence */
    bool row_by_row;
};

void golden_run(const struct golden_case *golden, const struct model *model,
                const struct golden_plan *plan, struct golden_answer *answer);
void golden_answer_fini(struct golden_answer *answer);

/* Largest absolute difference from the case's float64 answers, over output, h_n and c_n; infinite
 * when a value is not a number. */
double golden_error(const struct golden_case *golden, const struct golden_answer *answer);

/* Are all three tensors the same bits? */
bool golden_same_bits(const struct golden_answer *a, const struct golden_answer *b);

#endif
