/* Weight matrices packed for the kernels.
 *
 * A matrix of [columns] outputs by [depth] inputs is cut into panels of 32 columns, and a panel
 * into halves of 16: for each k = 0..depth-1 a half has its 16 weights w[column][k] side by side, a
 * cache line. Columns past the end have weight and bias 0. In which order the lines lie is up to
 * the kernel that reads them.
 *
 * In gate panels (LSTM) the 32 columns are 8 hidden units' i, g, f and o, so that everything a cell
 * needs comes together: column 32p + 8q + j is the q-th of these gates of unit 8p + j. */
#ifndef CORE_PANELS_H
#define CORE_PANELS_H

#include <stdbool.h>
#include <stddef.h>

enum {
    PANEL_LANES = 8, /* hidden units in a gate panel; floats in a vector of AVX2 */
    PANEL_HALF = 16,
    PANEL_SHALLOW = 128, /* a panel as deep fills half of a first-level cache */
    PANEL_WIDTH = 32,    /* columns in a full panel */
    LSTM_GATES = 4,
};

/* PANELS_BY_HALVES: panels one after the other. The halves of a shallow panel alternate, line by
 * line, so that both are read front to back; those of a deeper one lie one after the other, so that
 * either is.
 *
 * PANELS_BY_PAIRS: panels 2n and 2n + 1 are a pair, of which the four lines of each k lie side by
 * side, so that four halves are read front to back. A last panel without its other has two. */
enum panels_layout { PANELS_BY_HALVES, PANELS_BY_PAIRS };

/* Where a gate's 8 units begin among a gate panel's columns. */
enum panel_gate { PANEL_I = 0, PANEL_G = 8, PANEL_F = 16, PANEL_O = 24 };

struct panels {
    size_t columns;     /* N; for gate panels 32 * ceil(H / 8) */
    size_t depth;       /* K */
    size_t panel_count; /* ceil(columns / 32) */
    enum panels_layout layout;
    float *weights; /* 64-byte aligned */
    float *bias;    /* [panel_count * 32], zeros where there is none */
};

/* Of panel p's 32 columns, those that the matrix has. */
static inline size_t panels_columns(const struct panels *panels, size_t p)
{
    const size_t left = panels->columns - p * PANEL_WIDTH;
    return left < PANEL_WIDTH ? left : PANEL_WIDTH;
}

/* Where a panel's weights are, in floats. */
struct panel_place {
    const float *weights; /* the first half's, of k = 0 */
    size_t step;          /* from one k to the next */
    size_t second;        /* from the first half to the second */
};

static inline struct panel_place panels_place(const struct panels *panels, size_t p)
{
    const size_t panel = PANEL_WIDTH * panels->depth;
    if (panels->layout == PANELS_BY_PAIRS) {
        const bool paired = p % 2 == 1 || p + 1 < panels->panel_count;
        return (struct panel_place){panels->weights + p / 2 * 2 * panel + p % 2 * PANEL_WIDTH,
                                    paired ? 2 * PANEL_WIDTH : PANEL_WIDTH, PANEL_HALF};
    }
    const bool shallow = panels->depth <= PANEL_SHALLOW;
    return (struct panel_place){panels->weights + p * panel, shallow ? PANEL_WIDTH : PANEL_HALF,
                                shallow ? PANEL_HALF : PANEL_HALF * panels->depth};
}

/* weight [columns, depth] row-major; bias [columns] or NULL. false (nothing held) when memory does
 * not suffice or a size overflows. */
bool panels_pack_linear(struct panels *panels, enum panels_layout layout, const float *weight,
                        const float *bias, size_t columns, size_t depth);

/* weight [4H, depth] with gate rows i,f,g,o. bias_a, bias_b [4H] or NULL: their sum, taken in
 * double and rounded once, is the bias. */
bool panels_pack_gates(struct panels *panels, enum panels_layout layout, const float *weight,
                       const float *bias_a, const float *bias_b, size_t hidden_size, size_t depth);

void panels_fini(struct panels *panels);

size_t panels_memory(const struct panels *panels); /* bytes held */

#endif
