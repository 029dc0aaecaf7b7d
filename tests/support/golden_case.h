/* One case of tests/golden/torch (README.md there): a torch.nn.LSTM, its input and its answers. */
#ifndef TESTS_SUPPORT_GOLDEN_CASE_H
#define TESTS_SUPPORT_GOLDEN_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model.h"
#include "tests/support/tensor_file.h"

/* The names of all cases, for tables of tests. */
#define GOLDEN_CASES(X)                                                                            \
    X(seed_simple)                                                                                 \
    X(seed_bidirectional)                                                                          \
    X(seed_stacked3_bidirectional)                                                                 \
    X(one_by_one)                                                                                  \
    X(no_bias)                                                                                     \
    X(batch_first)                                                                                 \
    X(single_step_states)                                                                          \
    X(deep_5)                                                                                      \
    X(projection)                                                                                  \
    X(wide_130)                                                                                    \
    X(saturated)                                                                                   \
    X(ragged)                                                                                      \
    X(ragged_bidirectional_stacked)

struct golden_case {
    char folder[128];
    size_t input_size, hidden_size, num_layers, proj_size;
    bool bias, bidirectional, batch_first;
    double bound; /* largest error allowed: twice PyTorch's own, at least 3e-7 */

    size_t steps, rows; /* T, B of the input */
    size_t cells;       /* layers times directions */
    size_t h_size;      /* P */
    size_t output_size; /* floats per step */
    float *input;       /* [T,B,I], or [B,T,I] when batch_first */
    float *h_0, *c_0;   /* [cells,B,P], [cells,B,H]; NULL when the case has none */
    int64_t *lengths;   /* [B], or NULL */
    struct tensor_file weights, io;
};

void golden_case_open(struct golden_case *golden, const char *name);
void golden_case_close(struct golden_case *golden);

/* The model's config: with every argument of torch.nn.LSTM given, or with all that can be read off
 * the weights left out. weights is the path as the config writes it. The caller's to free. */
char *golden_case_config(const struct golden_case *golden, bool infer, const char *weights);

/* The model built from that config through proto/, for this kernel. */
struct model *golden_case_model(const struct golden_case *golden, bool infer,
                                const struct kernel *kernel);

#endif
