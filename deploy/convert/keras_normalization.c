#include "deploy/convert/keras_normalization.h"

#include <cjson/cJSON.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/excerpt.h"

#define VARIANCE_MIN 1e-14f /* the square of keras.config.epsilon(), which no file says */

static bool fail(const struct keras_layer *layer, const char *text, struct fault *fault)
{
    return fault_set(fault, 400, "%.48s %s: %s", layer->class_name, excerpt_of(layer->name).text,
                     text);
}

/* ---- options ---- */

/* The row of [[[1, 2]]], a number alone as it is: arrays of the shape that Keras broadcasts. */
static const cJSON *row_of(const cJSON *numbers)
{
    while (cJSON_GetArraySize(numbers) == 1)
        numbers = numbers->child;
    return numbers;
}

/* No axis is kept: the same two numbers everywhere. */
static bool is_of_all(const cJSON *axis, const cJSON *mean)
{
    if (mean != NULL)
        return !cJSON_IsArray(row_of(mean));
    return cJSON_IsArray(axis) && axis->child == NULL;
}

bool keras_normalization_parse(struct keras_layer *layer, const struct keras_options *options,
                               const struct keras_version *version, struct fault *fault)
{
    const cJSON *axis = keras_options_find(options, "axis", NULL);
    const cJSON *mean = keras_options_find(options, "mean", NULL);
    const cJSON *variance = keras_options_find(options, "variance", NULL);
    layer->kind = KERAS_NORMALIZATION;
    layer->ends_masks = version->major < 3;
    layer->as.normalization.axis = -1;
    if (axis == NULL)
        return keras_options_refuse(options, "axis", NULL, "the last one (-1), or none ([])",
                                    fault);
    if ((mean == NULL) != (variance == NULL))
        return keras_options_refuse(options, mean == NULL ? "mean" : "variance", NULL,
                                    "mean and variance, or neither,", fault);
    layer->as.normalization.of_all = is_of_all(axis, mean);
    layer->as.normalization.mean = mean;
    layer->as.normalization.variance = variance;
    return keras_options_bool(options, "invert", NULL, &layer->as.normalization.invert, fault) &&
           ((cJSON_IsArray(axis) && axis->child == NULL) ||
            keras_options_integer(options, "axis", &layer->as.normalization.axis, fault));
}

/* ---- numbers ---- */

static bool read_number(const cJSON *number, float *value)
{
    /* Not a NaN, nor what is infinite as a float. */
    if (!cJSON_IsNumber(number) || !(fabs(number->valuedouble) <= (double)FLT_MAX))
        return false;
    *value = (float)number->valuedouble;
    return true;
}

static bool read_numbers(const struct keras_layer *layer, const cJSON *numbers, const char *key,
                         struct float_array *array, struct fault *fault)
{
    const cJSON *row = row_of(numbers);
    const size_t count = cJSON_IsArray(row) ? (size_t)cJSON_GetArraySize(row) : 1;
    const cJSON *number = cJSON_IsArray(row) ? row->child : row;
    *array = (struct float_array){.rank = 1, .shape = {count}, .elements = count};
    array->values = calloc(count + 1, sizeof *array->values);
    if (array->values == NULL)
        return fault_set(fault, 503, "not enough memory for a layer's numbers");
    for (size_t i = 0; i < count; i++, number = number->next)
        if (!read_number(number, &array->values[i])) {
            float_array_fini(array);
            return fault_set(fault, 400, "%.48s %s.%s: a number, or one for each feature, expected",
                             layer->class_name, excerpt_of(layer->name).text, key);
        }
    return true;
}

bool keras_normalization_given(const struct keras_layer *layer, struct float_array *mean,
                               struct float_array *variance, struct fault *fault)
{
    if (!read_numbers(layer, layer->as.normalization.mean, "mean", mean, fault))
        return false;
    if (!read_numbers(layer, layer->as.normalization.variance, "variance", variance, fault)) {
        float_array_fini(mean);
        return false;
    }
    if (mean->elements == variance->elements && mean->elements > 0)
        return true;
    float_array_fini(mean);
    float_array_fini(variance);
    return fail(layer, "as many numbers in variance as in mean expected", fault);
}

bool keras_normalization_raise(const struct keras_layer *layer, const struct keras_version *version,
                               struct float_array *variance, struct fault *fault)
{
    for (size_t i = 0; i < variance->elements; i++) {
        float *value = &variance->values[i];
        if (!(*value >= 0))
            return fail(layer, "variances of at least 0 expected", fault);
        if (*value >= VARIANCE_MIN)
            continue;
        if (version->major == 2 && version->minor < 5)
            return fail(layer, "variances above 1e-14 expected of a Keras before 2.5", fault);
        *value = VARIANCE_MIN;
    }
    return true;
}

/* ---- what becomes of it ---- */

static void set_affine(struct network *network, size_t at, double alpha, double beta)
{
    network_set_string(network, at, "function", "affine");
    network_set_number(network, at, "alpha", alpha);
    network_set_number(network, at, "beta", beta);
}

/* The same two numbers at every feature, of which nobody says how many there are. Two layers, for
 * one would have rounded x / deviation before the mean's share is taken off. */
static void build_affine(const struct keras_layer *layer, float mean, float variance,
                         struct network *network, size_t at)
{
    const double deviation = sqrt((double)variance);
    if (layer->as.normalization.invert) {
        set_affine(network, at, deviation, (double)mean);
        return;
    }
    set_affine(network, at, 1, -(double)mean);
    set_affine(network, network_add_layer(network, "activation", layer->name, ""), 1 / deviation,
               0);
}

static bool add_vector(struct network *network, size_t at, const char *name,
                       const struct float_array *values, struct fault *fault)
{
    float *out = network_add_tensor(network, at, name, 1, &values->elements, fault);
    if (out != NULL)
        memcpy(out, values->values, values->elements * sizeof *out);
    return out != NULL;
}

/* x deviation + mean, as what is done to a mean of 0 and a variance of 1. */
static bool build_inverse(const struct float_array *mean, const struct float_array *variance,
                          struct network *network, size_t at, struct fault *fault)
{
    const size_t count = mean->elements;
    float *one, *weight;
    if (network_add_tensor(network, at, "running_mean", 1, &count, fault) == NULL ||
        (one = network_add_tensor(network, at, "running_var", 1, &count, fault)) == NULL ||
        (weight = network_add_tensor(network, at, "weight", 1, &count, fault)) == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        one[i] = 1;
        weight[i] = sqrtf(variance->values[i]);
    }
    return add_vector(network, at, "bias", mean, fault);
}

bool keras_normalization_build(const struct keras_layer *layer, const struct float_array *mean,
                               const struct float_array *variance, struct network *network,
                               size_t at, struct fault *fault)
{
    if (layer->as.normalization.of_all) {
        build_affine(layer, mean->values[0], variance->values[0], network, at);
        return true;
    }
    network_set_number(network, at, "epsilon", 0);
    if (layer->as.normalization.invert)
        return build_inverse(mean, variance, network, at, fault);
    return add_vector(network, at, "running_mean", mean, fault) &&
           add_vector(network, at, "running_var", variance, fault);
}
