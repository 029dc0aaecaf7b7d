/* A safetensors file's tensors as a state_dict's arrays. */
#ifndef DEPLOY_CONVERT_SAFETENSORS_ARRAYS_H
#define DEPLOY_CONVERT_SAFETENSORS_ARRAYS_H

#include <stdbool.h>

#include "deploy/convert/state_dict.h"
#include "proto/fault.h"
#include "proto/safetensors.h"

/* Adds all tensors to dict, whose arrays are views of the file's bytes, and sorts it. Refused
 * (400): element types that no array has. */
bool safetensors_arrays(const struct safetensors *tensors, struct state_dict *dict,
                        struct fault *fault);

#endif
