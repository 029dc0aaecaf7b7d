/* A kernel's cells, each given its pre-activations and its c. */
#ifndef TESTS_SUPPORT_CELLS_H
#define TESTS_SUPPORT_CELLS_H

#include <assert.h>
#include <stdlib.h>

#include "core/kernel.h"

struct cell_case {
    float i, f, g, o, c;
};

/* One step of `count` units whose recurrent matrix is zeros, which adds nothing to the gates.
 * c, h: [count], written. */
static inline void cells_run(const struct kernel *kernel, const struct cell_case *cases,
                             size_t count, float *c, float *h)
{
    struct panels panels;
    float *const zeros = calloc(count, LSTM_GATES * sizeof *zeros);
    assert(zeros != NULL);
    assert(panels_pack_gates(&panels, kernel->layout, zeros, NULL, NULL, count, 1));
    float *const gates = calloc(panels.panel_count, PANEL_WIDTH * sizeof *gates);
    assert(gates != NULL);
    for (size_t u = 0; u < count; u++) {
        float *const gate = gates + u / PANEL_LANES * PANEL_WIDTH + u % PANEL_LANES;
        gate[PANEL_I] = cases[u].i;
        gate[PANEL_F] = cases[u].f;
        gate[PANEL_G] = cases[u].g;
        gate[PANEL_O] = cases[u].o;
        c[u] = cases[u].c;
    }
    const float *const h_before = zeros;
    kernel->lstm_step(&(struct kernel_lstm_step){
        .recurrent = &panels,
        .gates = gates,
        .gates_stride = PANEL_WIDTH,
        .h_before = &h_before,
        .c = &c,
        .h_after = &h,
        .hidden_size = count,
        .row_count = 1,
        .end_panel = panels.panel_count,
    });
    free(gates);
    panels_fini(&panels);
    free(zeros);
}

#endif
