/* An array of floats as a trained file holds it, row-major, on its way into a network's tensor. */
#ifndef DEPLOY_CONVERT_FLOAT_ARRAY_H
#define DEPLOY_CONVERT_FLOAT_ARRAY_H

#include <stddef.h>
#include <stdlib.h>

#define FLOAT_ARRAY_RANK_MAX 4

struct float_array {
    size_t rank;
    size_t shape[FLOAT_ARRAY_RANK_MAX];
    size_t elements; /* product of shape */
    float *values;   /* [elements], from malloc; NULL in an array that holds nothing */
};

static inline void float_array_fini(struct float_array *array)
{
    free(array->values);
    *array = (struct float_array){0};
}

#endif
