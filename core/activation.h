/* The activation functions of the layers. These definitions are exact: every kernel computes the
 * same bits (core/MODEL.md derives the formulas and the bounds).
 *
 * For all of them: NaN in gives NaN out, +-Inf give the limits, no input traps or is slow. */
#ifndef CORE_ACTIVATION_H
#define CORE_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

enum activation {
    ACTIVATION_LINEAR,  /* x */
    ACTIVATION_RELU,    /* max(x, 0) */
    ACTIVATION_SIGMOID, /* 1 / (1 + exp(-x)) */
    ACTIVATION_TANH,
    ACTIVATION_HARD_SIGMOID, /* min(max(alpha x + beta, 0), 1) */
    ACTIVATION_SOFTSIGN,     /* x / (1 + |x|) */
    ACTIVATION_SOFTPLUS,     /* log(1 + exp(x)) */
    ACTIVATION_EXPONENTIAL,
    ACTIVATION_ELU,              /* x < 0: alpha (exp(x) - 1) */
    ACTIVATION_SELU,             /* 1.0507 (x < 0: 1.6733 (exp(x) - 1)) */
    ACTIVATION_SWISH,            /* x sigmoid(x) */
    ACTIVATION_RELU6,            /* min(max(x, 0), 6) */
    ACTIVATION_MISH,             /* x tanh(softplus(x)) */
    ACTIVATION_LOG_SIGMOID,      /* -softplus(-x) */
    ACTIVATION_HARD_SWISH,       /* x relu6(x + 3) / 6 */
    ACTIVATION_LEAKY_RELU,       /* x < 0: alpha x */
    ACTIVATION_THRESHOLDED_RELU, /* x > alpha ? x : 0 */
    ACTIVATION_CLIP,             /* min(max(x, alpha), beta) */
    ACTIVATION_GELU,             /* x (1 + erf(x / sqrt 2)) / 2 */
    ACTIVATION_GELU_TANH,        /* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
    ACTIVATION_AFFINE,           /* alpha x + beta */
    ACTIVATION_SCALED_TANH,      /* alpha tanh(beta x) */
    ACTIVATION_SOFTMAX,          /* over a whole vector, like the next one */
    ACTIVATION_LOG_SOFTMAX,
    ACTIVATIONS,
};

/* A kind and its parameters, which kinds without them ignore. All zeros: linear. */
struct activation_function {
    enum activation kind;
    float alpha, beta;
};

/* Largest error against the exact value, over all floats (`make exhaustive` tries each): tanh 2.4
 * units in the last place (9e-8), sigmoid 2.7 units (7.2e-8) while x > -20 and 4.5 below. Sigmoids
 * below 2^-126 may be flushed to 0. tanh(-0) is -0 and the tanh of a denormal is that denormal. */
float activation_sigmoid(float x);
float activation_tanh(float x);

/* Elementwise kinds. Those with an exponential beyond these two are computed in double and rounded
 * once: 0.51 units in the last place. */
float activation_apply(const struct activation_function *function, float x);

/* Is it a function of a whole vector rather than of each number? */
bool activation_is_vector(enum activation kind);
/* Those, in place, values[0, count). Sums are taken in double, in order. */
void activation_apply_vector(enum activation kind, float *values, size_t count);

/* How many parameters the kind has: none, alpha, or alpha and beta. */
int activation_parameters(enum activation kind);

/* The field's name ("relu"), and back, with the parameters it has by default; false when there is
 * no such activation. Two names mean a kind with other defaults: "silu" is swish, and
 * "hard_sigmoid_keras3" has alpha 1/6. */
const char *activation_name(enum activation kind);
bool activation_from_name(const char *name, struct activation_function *function);

#endif
