/* The state_dict inside what was pickled: bare, or one entry of a training checkpoint beside the
 * optimizer's state, epoch numbers and the like, which are left alone. Where a checkpoint keeps a
 * dict for each module, {"encoder": {...}, "fc": {...}}, the tensors are named
 * "encoder.weight_ih_l0" and so on, as a module of those would name them. */
#ifndef DEPLOY_CONVERT_CHECKPOINT_H
#define DEPLOY_CONVERT_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/pickle.h"
#include "deploy/convert/state_dict.h"
#include "proto/fault.h"

/* Where the bytes of storages come from: bytes[size] of the storage, whose size is as it says, and
 * which stay until the caller of checkpoint_read gives them up. */
struct storage_source {
    bool (*get)(void *context, const struct pickle *pickle, const struct pickle_storage *storage,
                const unsigned char **bytes, size_t *size, struct fault *fault);
    void *context;
};

/* Adds the state_dict's tensors to dict, and sorts it. Refused (400): a pickle without one, tensors
 * that PyTorch marked as negated or conjugated views, dicts in dicts that take more steps to look
 * through than a pickle has items. */
bool checkpoint_read(const struct pickle *pickle, const struct storage_source *source,
                     struct state_dict *dict, struct fault *fault);

#endif
