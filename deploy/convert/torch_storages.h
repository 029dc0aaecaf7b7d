/* The storages of a PyTorch file: byte blocks with a key, of which tensors are views. */
#ifndef DEPLOY_CONVERT_TORCH_STORAGES_H
#define DEPLOY_CONVERT_TORCH_STORAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "deploy/convert/pickle.h"
#include "proto/fault.h"

/* One that was found in the file. */
struct torch_storage {
    struct pickle_text key; /* in the pickle */
    unsigned char *owned;   /* NULL where the bytes are in the file */
    const unsigned char *bytes;
    size_t size;
};

struct torch_storages {
    struct torch_storage *list;
    size_t count, capacity;
};

void torch_storages_fini(struct torch_storages *storages);

/* Takes storage's owned bytes over, on failure too. */
bool torch_storages_add(struct torch_storages *storages, const struct torch_storage *storage,
                        struct fault *fault);

/* NULL when there is none of that key. */
const struct torch_storage *torch_storages_find(const struct torch_storages *storages,
                                                const struct pickle_text *key);

/* The bytes that the pickle says a storage has. */
bool torch_storage_size(const struct pickle_storage *said, size_t *size, struct fault *fault);

/* Are they as many as it has in the file? */
bool torch_storage_check(const struct torch_storage *found, const struct pickle_storage *said,
                         struct fault *fault);

#endif
