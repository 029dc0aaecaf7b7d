/* Reads the JSON answer of an infer request. Numbers are read by the C library's strtof, so that
 * what the daemon printed is held against a second opinion. */
#ifndef TESTS_SUPPORT_INFER_RESULT_H
#define TESTS_SUPPORT_INFER_RESULT_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "proto/sequence_id.h"

#define INFER_RESULT_TENSORS 32

struct infer_result_tensor {
    char name[64], datatype[16];
    size_t rank, shape[8];
    size_t elements; /* as many numbers as there were; equal to the shape's product */
    float *values;
};

struct infer_result {
    char model_name[128], model_version[32], id[300]; /* empty: not there */
    struct sequence_id sequence_id;                   /* kind NONE: not there */
    uint64_t steps;                                   /* of the sequence */
    bool is_part, final;                              /* of an answer in parts */
    uint64_t first_step;                              /* then */
    size_t tensor_count;
    struct infer_result_tensor tensors[INFER_RESULT_TENSORS]; /* in the answer's order */
};

/* body is NUL-terminated. Unknown keys, a shape that disagrees with the data and nested data are
 * faults. infer_result_fini in any case. */
bool infer_result_parse(struct infer_result *result, const char *body, size_t size,
                        struct fault *fault);
void infer_result_fini(struct infer_result *result);

/* NULL when there is none of that name. */
const struct infer_result_tensor *infer_result_find(const struct infer_result *result,
                                                    const char *name);

#endif
