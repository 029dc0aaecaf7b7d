#include "deploy/convert/torch_storages.h"

#include <stdlib.h>
#include <string.h>

#include "core/checked.h"

void torch_storages_fini(struct torch_storages *storages)
{
    for (size_t i = 0; i < storages->count; i++)
        free(storages->list[i].owned);
    free(storages->list);
}

bool torch_storages_add(struct torch_storages *storages, const struct torch_storage *storage,
                        struct fault *fault)
{
    if (storages->count == storages->capacity) {
        const size_t capacity = storages->capacity == 0 ? 32 : storages->capacity * 2;
        struct torch_storage *list = realloc(storages->list, capacity * sizeof *list);
        if (list == NULL) {
            free(storage->owned);
            return fault_set(fault, 503, "out of memory for the list of storages");
        }
        storages->list = list;
        storages->capacity = capacity;
    }
    storages->list[storages->count++] = *storage;
    return true;
}

const struct torch_storage *torch_storages_find(const struct torch_storages *storages,
                                                const struct pickle_text *key)
{
    for (size_t i = 0; i < storages->count; i++)
        if (storages->list[i].key.size == key->size &&
            memcmp(storages->list[i].key.bytes, key->bytes, key->size) == 0)
            return &storages->list[i];
    return NULL;
}

bool torch_storage_size(const struct pickle_storage *storage, size_t *size, struct fault *fault)
{
    return checked_mul(storage->elements, array_type_size(storage->type), size) ||
           fault_set(fault, 400, "a storage of %zu elements is too large", storage->elements);
}

bool torch_storage_check(const struct torch_storage *found, const struct pickle_storage *said,
                         struct fault *fault)
{
    size_t size = 0;
    return torch_storage_size(said, &size, fault) &&
           (size == found->size ||
            fault_set(fault, 400, "its storage has %zu bytes, %zu expected", found->size, size));
}
