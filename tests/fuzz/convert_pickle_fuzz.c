/* Whatever the bytes: a pickle that is refused says why and holds nothing; in one that is taken
 * every reference is to a value of the table, and what a tensor refers to is what a tensor has. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/convert/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_sizes(const struct pickle *pickle, pickle_ref ref)
{
    const struct pickle_value *tuple = pickle_get(pickle, ref);
    assert(tuple->type == PICKLE_TUPLE && tuple->as.items.count <= STATE_DICT_RANK_MAX);
    for (size_t i = 0; i < tuple->as.items.count; i++) {
        const struct pickle_value *item = pickle_get(pickle, tuple->as.items.refs[i]);
        assert(item->type == PICKLE_INT && item->as.integer >= 0);
    }
}

static void check_value(const struct pickle *pickle, const struct pickle_value *value,
                        const uint8_t *begin, const uint8_t *end)
{
    if (value->type == PICKLE_TEXT || value->type == PICKLE_LONG) {
        assert(value->as.text.bytes >= begin);
        assert(value->as.text.bytes + value->as.text.size <= end);
    } else if (value->type == PICKLE_UNKNOWN) {
        struct fault fault = {0};
        assert(value->as.unknown.module >= begin && value->as.unknown.name >= begin);
        assert(value->as.unknown.module + value->as.unknown.module_size <= end);
        assert(value->as.unknown.name + value->as.unknown.name_size <= end);
        assert(!pickle_refuse_unknown(value, &fault) && fault.status == 400);
    } else if (value->type == PICKLE_STORAGE) {
        assert(pickle_get(pickle, value->as.storage.key)->type == PICKLE_TEXT);
        assert(value->as.storage.type < ARRAY_TYPES);
    } else if (value->type == PICKLE_TENSOR) {
        assert(pickle_get(pickle, value->as.tensor.storage)->type == PICKLE_STORAGE);
        check_sizes(pickle, value->as.tensor.shape);
        check_sizes(pickle, value->as.tensor.strides);
    } else if (value->type == PICKLE_TUPLE || value->type == PICKLE_LIST ||
               value->type == PICKLE_DICT) {
        assert(value->type != PICKLE_DICT || value->as.items.count % 2 == 0);
        for (size_t i = 0; i < value->as.items.count; i++)
            assert(value->as.items.refs[i] < pickle->count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pickle pickle;
    struct fault fault = {0};
    if (!pickle_init(&pickle, data, size, &fault)) {
        assert(fault.status == 400 && fault.text[0] != '\0');
        assert(pickle.values == NULL && pickle.count == 0);
        return 0;
    }
    assert(pickle.size <= size && pickle.root < pickle.count);
    for (size_t i = 0; i < pickle.count; i++)
        check_value(&pickle, &pickle.values[i], data, data + size);
    pickle_lookup(&pickle, pickle_get(&pickle, pickle.root), "model_state_dict");
    pickle_fini(&pickle);
    return 0;
}
