#include "core/panels.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"

#define ALIGNMENT 64

/* Zeroed, so that lanes past the end are zeros whatever is packed. NULL on overflow too. */
static float *zeroed_floats(size_t count)
{
    size_t bytes;
    if (!checked_mul(count, sizeof(float), &bytes) || !checked_add(bytes, ALIGNMENT - 1, &bytes))
        return NULL;
    bytes -= bytes % ALIGNMENT;
    float *floats = aligned_alloc(ALIGNMENT, bytes);
    if (floats != NULL)
        memset(floats, 0, bytes);
    return floats;
}

static size_t round_up(size_t n, size_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

static bool panels_init(struct panels *panels, enum panels_layout layout, size_t columns,
                        size_t depth)
{
    assert(columns > 0 && depth > 0);
    size_t padded, count;
    if (!checked_add(columns, PANEL_WIDTH, &padded))
        return false;
    *panels = (struct panels){
        .columns = columns,
        .depth = depth,
        .panel_count = (columns + PANEL_WIDTH - 1) / PANEL_WIDTH,
        .layout = layout,
    };
    if (!checked_mul(panels->panel_count * PANEL_WIDTH, depth, &count))
        return false;
    panels->weights = zeroed_floats(count);
    panels->bias = zeroed_floats(panels->panel_count * PANEL_WIDTH);
    if (panels->weights != NULL && panels->bias != NULL)
        return true;
    panels_fini(panels);
    return false;
}

/* Writes source column `row` of the matrix to packed column `column`. */
static void pack_column(struct panels *panels, size_t column, const float *row)
{
    const struct panel_place place = panels_place(panels, column / PANEL_WIDTH);
    const size_t half = column % PANEL_WIDTH / PANEL_HALF;
    float *out = panels->weights + (place.weights - panels->weights) + half * place.second +
                 column % PANEL_HALF;
    for (size_t k = 0; k < panels->depth; k++)
        out[k * place.step] = row[k];
}

bool panels_pack_linear(struct panels *panels, enum panels_layout layout, const float *weight,
                        const float *bias, size_t columns, size_t depth)
{
    if (!panels_init(panels, layout, columns, depth))
        return false;
    for (size_t n = 0; n < columns; n++) {
        pack_column(panels, n, weight + n * depth);
        panels->bias[n] = bias == NULL ? 0.0f : bias[n];
    }
    return true;
}

static float sum_of_biases(const float *a, const float *b, size_t i)
{
    return (float)((a == NULL ? 0.0 : (double)a[i]) + (b == NULL ? 0.0 : (double)b[i]));
}

bool panels_pack_gates(struct panels *panels, enum panels_layout layout, const float *weight,
                       const float *bias_a, const float *bias_b, size_t hidden_size, size_t depth)
{
    size_t rows;
    if (!checked_mul(hidden_size, LSTM_GATES, &rows) || !checked_add(rows, PANEL_WIDTH, &rows))
        return false;
    if (!panels_init(panels, layout, round_up(hidden_size, PANEL_LANES) * LSTM_GATES, depth))
        return false;
    static const size_t gate_columns[LSTM_GATES] = {PANEL_I, PANEL_F, PANEL_G, PANEL_O};
    for (size_t gate = 0; gate < LSTM_GATES; gate++)
        for (size_t unit = 0; unit < hidden_size; unit++) {
            const size_t row = gate * hidden_size + unit;
            const size_t column =
                unit / PANEL_LANES * PANEL_WIDTH + gate_columns[gate] + unit % PANEL_LANES;
            pack_column(panels, column, weight + row * depth);
            panels->bias[column] = sum_of_biases(bias_a, bias_b, row);
        }
    return true;
}

void panels_fini(struct panels *panels)
{
    free(panels->weights);
    free(panels->bias);
    *panels = (struct panels){0};
}

size_t panels_memory(const struct panels *panels)
{
    return panels->panel_count * PANEL_WIDTH * (panels->depth + 1) * sizeof(float);
}
