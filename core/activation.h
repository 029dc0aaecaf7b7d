/* The activation functions of the layers, one float at a time. These definitions are exact: every
 * kernel computes the same bits (core/MODEL.md derives the formulas and the bounds).
 *
 * For all of them: NaN in gives NaN out, +-Inf give the limits, no input traps or is slow. */
#ifndef CORE_ACTIVATION_H
#define CORE_ACTIVATION_H

#include <stdbool.h>

enum activation {
    ACTIVATION_LINEAR,  /* x */
    ACTIVATION_RELU,    /* max(x, 0) */
    ACTIVATION_SIGMOID, /* 1 / (1 + exp(-x)) */
    ACTIVATION_TANH,
};

/* Error of both against the exact value, over all floats: at most 3 units in the last place while
 * the result is at least 2^-126; smaller sigmoids may be flushed to 0. tanh(-0) is -0 and tanh of a
 * denormal is that denormal. */
float activation_sigmoid(float x);
float activation_tanh(float x);

float activation_apply(enum activation activation, float x);

/* The field's name ("relu"), and back; false when there is no such activation. */
const char *activation_name(enum activation activation);
bool activation_from_name(const char *name, enum activation *activation);

#endif
