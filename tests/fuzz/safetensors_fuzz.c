/* Whatever the bytes: a file that is refused says why and holds nothing; in one that is taken the
 * tensors tile the data, are found by name, and no number read from them is anything but finite. */
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_values(const struct safetensors_tensor *tensor)
{
    struct fault fault = {0};
    if (tensor->elements > 1 << 20)
        return;
    float *values = malloc(tensor->elements * sizeof *values + 1);
    assert(values != NULL);
    if (safetensors_read_f32(tensor, values, &fault)) {
        for (size_t i = 0; i < tensor->elements; i++)
            assert(isfinite(values[i]));
    } else {
        assert(fault.status == 400 && fault.text[0] != '\0');
    }
    free(values);
}

static void check_tensors(const struct safetensors *st, const uint8_t *end)
{
    assert(st->count <= SAFETENSORS_TENSORS_MAX);
    for (size_t i = 0; i < st->count; i++) {
        const struct safetensors_tensor *tensor = &st->tensors[i];
        char shape[SAFETENSORS_SHAPE_TEXT_MAX];
        assert(tensor->rank <= SAFETENSORS_RANK_MAX);
        assert(tensor->bytes + tensor->size == (i + 1 < st->count ? tensor[1].bytes : end));
        assert(safetensors_find(st, tensor->name) == tensor);
        safetensors_shape_text(tensor, shape, sizeof shape);
        assert(shape[strlen(shape) - 1] == ']');
        check_values(tensor);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct safetensors st;
    struct fault fault = {0};
    if (safetensors_init(&st, data, size, &fault)) {
        assert(fault.status == 0);
        check_tensors(&st, data + size);
        safetensors_fini(&st);
    } else {
        assert(fault.status == 400 && fault.text[0] != '\0');
        assert(st.tensors == NULL && st.by_name == NULL && st.count == 0);
    }
    return 0;
}
