/* The header of a .npy array: a Python dict of three entries, read as what it must be and not as
 * Python. */
#ifndef DEPLOY_CONVERT_NPY_H
#define DEPLOY_CONVERT_NPY_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/input.h"
#include "deploy/convert/state_dict.h"
#include "proto/fault.h"

#define NPY_HEADER_MAX 65536

/* Sets the array's type, rank, shape and strides, and *data to where its elements begin. Refused
 * (400): pickled objects, records, big-endian and other types, versions but 1 to 3, a header that
 * says anything twice or more than it must. */
bool npy_parse(const struct blob *file, struct array *array, size_t *data, struct fault *fault);

#endif
