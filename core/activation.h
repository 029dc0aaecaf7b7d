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

/* Largest error against the exact value, over all floats (`make exhaustive` tries each): tanh 2.4
 * units in the last place (9e-8), sigmoid 2.7 units (7.2e-8) while x > -20 and 4.5 below. Sigmoids
 * below 2^-126 may be flushed to 0. tanh(-0) is -0 and the tanh of a denormal is that denormal. */
float activation_sigmoid(float x);
float activation_tanh(float x);

float activation_apply(enum activation activation, float x);

/* The field's name ("relu"), and back; false when there is no such activation. */
const char *activation_name(enum activation activation);
bool activation_from_name(const char *name, enum activation *activation);

#endif
