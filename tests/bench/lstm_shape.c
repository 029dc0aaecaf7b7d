#include "tests/bench/lstm_shape.h"

#include <errno.h>
#include <stdlib.h>

#include "core/checked.h"

/* A number of at least 1 and the character behind it, one of ends. */
static bool parse_size(const char **text, char end, size_t *size)
{
    if (**text < '0' || **text > '9')
        return false;
    char *rest;
    errno = 0;
    const unsigned long long value = strtoull(*text, &rest, 10);
    if (errno != 0 || value == 0 || value > LSTM_SHAPE_TENSOR_MAX || *rest != end)
        return false;
    *text = rest + 1;
    *size = (size_t)value;
    return true;
}

static bool tensor_fits(size_t a, size_t b, size_t c)
{
    size_t count;
    return checked_mul(a, b, &count) && checked_mul(count, c, &count) &&
           count <= LSTM_SHAPE_TENSOR_MAX;
}

static bool tensors_fit(const struct lstm_shape *shape)
{
    const size_t width = shape->directions * shape->hidden_size;
    return tensor_fits(shape->steps, shape->batch, shape->input_size) &&
           tensor_fits(shape->steps, shape->batch, width) &&
           tensor_fits(shape->layers, shape->batch, width) &&
           tensor_fits(4, shape->hidden_size, shape->input_size) &&
           tensor_fits(4, shape->hidden_size, width) &&
           tensor_fits(shape->layers, shape->directions, 4 * shape->hidden_size);
}

bool lstm_shape_parse(const char *text, struct lstm_shape *shape)
{
    return parse_size(&text, ',', &shape->steps) && parse_size(&text, ',', &shape->batch) &&
           parse_size(&text, ',', &shape->input_size) &&
           parse_size(&text, ',', &shape->hidden_size) && parse_size(&text, ',', &shape->layers) &&
           parse_size(&text, '\0', &shape->directions) && shape->directions <= 2 &&
           tensors_fit(shape);
}

size_t lstm_shape_layer_input(const struct lstm_shape *shape, size_t layer)
{
    return layer == 0 ? shape->input_size : shape->directions * shape->hidden_size;
}

size_t lstm_shape_input_count(const struct lstm_shape *shape)
{
    return shape->steps * shape->batch * shape->input_size;
}

size_t lstm_shape_output_count(const struct lstm_shape *shape)
{
    return shape->steps * shape->batch * shape->directions * shape->hidden_size;
}

size_t lstm_shape_state_count(const struct lstm_shape *shape)
{
    return shape->layers * shape->directions * shape->batch * shape->hidden_size;
}

double lstm_shape_flops(const struct lstm_shape *shape)
{
    double depth = 0;
    for (size_t layer = 0; layer < shape->layers; layer++)
        depth += (double)(lstm_shape_layer_input(shape, layer) + shape->hidden_size);
    const double gate_rows = 4.0 * (double)(shape->directions * shape->hidden_size);
    return 2.0 * gate_rows * depth * (double)(shape->steps * shape->batch);
}
