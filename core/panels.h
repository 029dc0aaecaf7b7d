/* Weight matrices packed for the kernels: the one layout all of them read.
 *
 * A matrix of [columns] outputs by [depth] inputs is cut into panels of 32 columns. A panel holds,
 * for k = 0..depth-1, its 32 weights w[column][k] side by side, so that a kernel walks it front to
 * back with four vectors of eight. The last panel is narrower, in whole vectors of 8; columns past
 * the end have weight and bias 0.
 *
 * In gate panels (LSTM) the 32 columns are 8 hidden units' i, f, g and o: column 32p + 8q + j is
 * gate q of unit 8p + j, so that a kernel ends with everything a cell needs in registers. Gate
 * panels are always 32 wide; units past hidden_size are zeros. */
#ifndef CORE_PANELS_H
#define CORE_PANELS_H

#include <stdbool.h>
#include <stddef.h>

enum {
    PANEL_LANES = 8,  /* floats in a vector, hidden units in a gate panel */
    PANEL_WIDTH = 32, /* columns in a full panel */
    LSTM_GATES = 4,
};

struct panels {
    size_t columns;     /* N; for gate panels 32 * ceil(H / 8) */
    size_t depth;       /* K */
    size_t panel_count; /* ceil(columns / 32) */
    float *weights;     /* 64-byte aligned; panel p starts at p * 32 * depth */
    float *bias;        /* [panel_count * 32], zeros where there is none */
};

/* Columns panel p really holds, rounded up to whole vectors: 8, 16, 24 or 32. */
size_t panels_width(const struct panels *panels, size_t p);

/* weight [columns, depth] row-major; bias [columns] or NULL. false (nothing held) when memory does
 * not suffice or a size overflows. */
bool panels_pack_linear(struct panels *panels, const float *weight, const float *bias,
                        size_t columns, size_t depth);

/* weight [4H, depth] with gate rows i,f,g,o. bias_a, bias_b [4H] or NULL: their sum, taken in
 * double and rounded once, is the bias. */
bool panels_pack_gates(struct panels *panels, const float *weight, const float *bias_a,
                       const float *bias_b, size_t hidden_size, size_t depth);

void panels_fini(struct panels *panels);

size_t panels_memory(const struct panels *panels); /* bytes held */

#endif
