#include "tests/bench/lstm_case.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench_numbers.h"
#include "tests/support/die.h"

enum { CACHE_LINE = 64 };

static float *allocate_floats(size_t count)
{
    const size_t bytes = count * sizeof(float);
    float *floats = aligned_alloc(CACHE_LINE, (bytes / CACHE_LINE + 1) * CACHE_LINE);
    if (floats == NULL)
        die("no memory for %zu floats", count);
    memset(floats, 0, bytes);
    return floats;
}

static float *random_floats(size_t count, uint32_t stream, float scale)
{
    float *floats = allocate_floats(count);
    bench_numbers_fill(floats, count, stream, scale);
    return floats;
}

static struct lstm_weights random_weights(const struct lstm_shape *shape, size_t cell)
{
    const size_t gate_rows = 4 * shape->hidden_size;
    const size_t in = lstm_shape_layer_input(shape, cell / shape->directions);
    const uint32_t stream = (uint32_t)cell * BENCH_STREAM_CELL;
    const float scale = 1.0f / sqrtf((float)shape->hidden_size);
    return (struct lstm_weights){
        .weight_ih = random_floats(gate_rows * in, stream + BENCH_STREAM_WEIGHT_IH, scale),
        .weight_hh =
            random_floats(gate_rows * shape->hidden_size, stream + BENCH_STREAM_WEIGHT_HH, scale),
        .bias_ih = random_floats(gate_rows, stream + BENCH_STREAM_BIAS_IH, scale),
        .bias_hh = random_floats(gate_rows, stream + BENCH_STREAM_BIAS_HH, scale),
    };
}

struct lstm_case *lstm_case_create(const struct lstm_shape *shape)
{
    struct lstm_case *lstm = must_allocate(sizeof *lstm);
    const size_t cells = shape->layers * shape->directions;
    const size_t states = lstm_shape_state_count(shape);
    *lstm = (struct lstm_case){
        .shape = *shape,
        .weights = must_allocate_zeros(cells, sizeof *lstm->weights),
        .input = random_floats(lstm_shape_input_count(shape), BENCH_STREAM_INPUT, 1.0f),
        .h_0 = random_floats(states, BENCH_STREAM_H_0, 1.0f),
        .c_0 = random_floats(states, BENCH_STREAM_C_0, 1.0f),
        .output = allocate_floats(lstm_shape_output_count(shape)),
        .h_n = allocate_floats(states),
        .c_n = allocate_floats(states),
    };
    for (size_t cell = 0; cell < cells; cell++)
        lstm->weights[cell] = random_weights(shape, cell);
    return lstm;
}

/* struct lstm_weights looks at weights that somebody owns; here that is the case. */
static void free_weight(const float *weight)
{
    free((void *)(uintptr_t)weight);
}

void lstm_case_destroy(struct lstm_case *lstm)
{
    for (size_t cell = 0; cell < lstm->shape.layers * lstm->shape.directions; cell++) {
        free_weight(lstm->weights[cell].weight_ih);
        free_weight(lstm->weights[cell].weight_hh);
        free_weight(lstm->weights[cell].bias_ih);
        free_weight(lstm->weights[cell].bias_hh);
    }
    free(lstm->weights);
    free(lstm->input);
    free(lstm->h_0);
    free(lstm->c_0);
    free(lstm->output);
    free(lstm->h_n);
    free(lstm->c_n);
    free(lstm);
}

void lstm_case_write(const struct lstm_case *lstm, const char *path)
{
    const size_t outputs = lstm_shape_output_count(&lstm->shape);
    const size_t states = lstm_shape_state_count(&lstm->shape);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        die("%s: %s", path, strerror(errno));
    const bool written = fwrite(lstm->output, sizeof(float), outputs, file) == outputs &&
                         fwrite(lstm->h_n, sizeof(float), states, file) == states &&
                         fwrite(lstm->c_n, sizeof(float), states, file) == states;
    if (fclose(file) != 0 || !written)
        die("%s: cannot be written", path);
}
