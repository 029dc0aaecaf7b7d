/* One step of an LSTM cell that is not torch.nn.LSTM's: other activations, peepholes, clipping,
 * coupled gates. The sums are the kernel's, so their bits are those of any cell; what comes after
 * them is done number by number here, the same for every kernel:
 *
 *   a_i += P_i c,  a_f += P_f c   (one fma each)           where there are peepholes
 *   i = f(clip(a_i))   f = f(clip(a_f)), or 1 - i   g = g(clip(a_g))
 *   c' = fma(f, c, i * g)
 *   a_o += P_o c'      o = f(clip(a_o))      h' = o * h(c')                                     */
#ifndef CORE_LSTM_STEP_H
#define CORE_LSTM_STEP_H

#include <stddef.h>

#include "core/lstm.h"
#include "core/scratch.h"

enum { LSTM_PEEPHOLES = 3 };

struct lstm_step_scratch {
    float *recurrent;        /* [panels][row_count][32]: W_hh h and the biases; shared */
    size_t recurrent_stride; /* row_count * 32 */
    float **y;               /* [row_count] -> recurrent */
    float *gates;            /* [4][H rounded up]: one row's, gate by gate */
};

struct lstm_step_scratch lstm_step_scratch_cut(const struct lstm_cell *cell, size_t row_count,
                                               struct scratch *shared, struct scratch *own);

/* The same work as kernel->lstm_step(step) is for a plain cell, for which it gives the same bits.
 */
void lstm_step_run(const struct lstm_cell *cell, const struct kernel *kernel,
                   const struct kernel_lstm_step *step, const struct lstm_step_scratch *scratch);

#endif
