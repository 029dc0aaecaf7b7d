/* TensorFlow's SavedModel: a folder whose saved_model.pb holds a graph of TensorFlow's own
 * operators. It is not converted, only known, so that its refusal can say what to do instead. */
#ifndef DEPLOY_CONVERT_SAVED_MODEL_H
#define DEPLOY_CONVERT_SAVED_MODEL_H

#include <stdbool.h>

#include "deploy/convert/input.h"
#include "proto/fault.h"

/* Is this what stands in a saved_model.pb? */
bool saved_model_is_one(const struct blob *file);

/* Is the open folder one? */
bool saved_model_is_folder(int fd);

/* Refused (400). false. */
bool saved_model_refuse(struct fault *fault);

#endif
