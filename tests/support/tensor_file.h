/* A safetensors file opened as a whole: the golden cases' weights, inputs and answers. */
#ifndef TESTS_SUPPORT_TENSOR_FILE_H
#define TESTS_SUPPORT_TENSOR_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/safetensors.h"

struct tensor_file {
    char *bytes;
    struct safetensors tensors;
};

/* Dies when there is no such file or it is not a good one. */
void tensor_file_open(struct tensor_file *file, const char *path);
void tensor_file_close(struct tensor_file *file);

bool tensor_file_has(const struct tensor_file *file, const char *name);

/* All elements of a tensor that must be there, in memory of the caller's (free). A float64 tensor
 * is read as what it is, not rounded. */
float *tensor_file_f32(const struct tensor_file *file, const char *name);
double *tensor_file_f64(const struct tensor_file *file, const char *name);
int64_t *tensor_file_i64(const struct tensor_file *file, const char *name);

/* The same of numbers that stand there as the one or the other, whole ones. */
float *tensor_file_any_f32(const struct tensor_file *file, const char *name);
int64_t *tensor_file_any_i64(const struct tensor_file *file, const char *name);

#endif
