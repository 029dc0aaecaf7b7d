/* Weight matrices packed for the kernels: the one layout all of them read.
 *
 * A matrix of [columns] outputs by [depth] inputs is cut into panels of 32 columns, and a panel
 * into halves of 16: for each k = 0..depth-1 a half has its 16 weights w[column][k] side by side, a
 * cache line. The halves of a shallow panel alternate, line by line, so that both are read front to
 * back; those of a deeper one lie one after the other, so that either is. Columns past the end have
 * weight and bias 0.
 *
 * In gate panels (LSTM) the 32 columns are 8 hidden units' i, g, f and o, so that everything a cell
 * needs comes together: column 32p + 8q + j is the q-th of these gates of unit 8p + j. */
#ifndef CORE_PANELS_H
#define CORE_PANELS_H

#include <stdbool.h>
#include <stddef.h>

enum {
    PANEL_LANES = 8, /* floats in a vector, hidden units in a gate panel */
    PANEL_HALF = 16,
    PANEL_SHALLOW = 128, /* a panel as deep fills half of a first-level cache */
    PANEL_WIDTH = 32,    /* columns in a full panel */
    LSTM_GATES = 4,
};

/* Where a gate's 8 units begin among a gate panel's columns. */
enum panel_gate { PANEL_I = 0, PANEL_G = 8, PANEL_F = 16, PANEL_O = 24 };

struct panels {
    size_t columns;     /* N; for gate panels 32 * ceil(H / 8) */
    size_t depth;       /* K */
    size_t panel_count; /* ceil(columns / 32) */
    size_t step;        /* floats from one k to the next in a half: 32, or 16 in deep panels */
    size_t second;      /* floats from the first half to the second: 16, or 16 * depth */
    float *weights;     /* 64-byte aligned; panel p starts at p * 32 * depth */
    float *bias;        /* [panel_count * 32], zeros where there is none */
};

/* Of panel p's 32 columns, those that the matrix has. */
static inline size_t panels_columns(const struct panels *panels, size_t p)
{
    const size_t left = panels->columns - p * PANEL_WIDTH;
    return left < PANEL_WIDTH ? left : PANEL_WIDTH;
}

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
