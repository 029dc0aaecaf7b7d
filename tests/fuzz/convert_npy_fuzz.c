/* Whatever the bytes: an array's header that is taken begins its data within the file, and the
 * array's elements, when they lie within it, can all be read. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/convert/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_elements(const struct array *array)
{
    struct fault fault = {0};
    float *values = malloc(array->elements * sizeof(float) + 1);
    assert(values != NULL);
    assert(array_read(array, values, &fault) == (array->type <= ARRAY_BF16));
    free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    struct array array = {.name = "w"};
    struct state_dict dict = {0};
    struct fault fault = {0};
    size_t begin;
    assert(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    const struct blob file = {.bytes = copy, .size = size};
    if (!npy_parse(&file, &array, &begin, &fault)) {
        assert(fault.status == 400 && fault.text[0] != '\0');
    } else {
        assert(begin <= size && array.rank <= STATE_DICT_RANK_MAX);
        if (state_dict_add(&dict, &array, copy + begin, size - begin, 0, &fault)) {
            assert(dict.arrays[0].elements <= size);
            read_elements(&dict.arrays[0]);
        }
    }
    state_dict_fini(&dict);
    free(copy);
    return 0;
}
