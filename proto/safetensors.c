#include "proto/safetensors.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "proto/excerpt.h"
#include "proto/half_float.h"
#include "proto/json_reader.h"
#include "proto/little_endian.h"

#define LENGTH_SIZE 8 /* bytes before the header */

/* The bytes behind the header, where data_offsets count from. */
struct data {
    const unsigned char *bytes;
    size_t size;
};

static const struct dtype {
    const char *name;
    enum safetensors_dtype dtype;
    unsigned bits;
} dtypes[] = {
    {"F64", SAFETENSORS_F64, 64},          {"F32", SAFETENSORS_F32, 32},
    {"F16", SAFETENSORS_F16, 16},          {"BF16", SAFETENSORS_BF16, 16},
    {"I64", SAFETENSORS_I64, 64},          {"I32", SAFETENSORS_I32, 32},
    {"I16", SAFETENSORS_OTHER, 16},        {"I8", SAFETENSORS_OTHER, 8},
    {"U64", SAFETENSORS_OTHER, 64},        {"U32", SAFETENSORS_OTHER, 32},
    {"U16", SAFETENSORS_OTHER, 16},        {"U8", SAFETENSORS_OTHER, 8},
    {"BOOL", SAFETENSORS_OTHER, 8},        {"C64", SAFETENSORS_OTHER, 64},
    {"F8_E5M2", SAFETENSORS_OTHER, 8},     {"F8_E4M3", SAFETENSORS_OTHER, 8},
    {"F8_E8M0", SAFETENSORS_OTHER, 8},     {"F8_E5M2FNUZ", SAFETENSORS_OTHER, 8},
    {"F8_E4M3FNUZ", SAFETENSORS_OTHER, 8}, {"F6_E2M3", SAFETENSORS_OTHER, 6},
    {"F6_E3M2", SAFETENSORS_OTHER, 6},     {"F4", SAFETENSORS_OTHER, 4},
};

/* ---- the header ---- */

static bool read_dtype(struct json_reader *reader, const struct dtype **dtype)
{
    char name[64];
    if (!json_read_string(reader, name, sizeof name))
        return false;
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(dtypes[i].name, name) == 0) {
            *dtype = &dtypes[i];
            return true;
        }
    return json_fail(reader, "dtype '%s' is unknown", excerpt_of(name).text);
}

static bool read_size(struct json_reader *reader, size_t *size)
{
    uint64_t value;
    if (!json_read_uint64(reader, &value))
        return false;
    if (value > SIZE_MAX)
        return json_fail(reader, "a number of at most %zu expected", SIZE_MAX);
    *size = (size_t)value;
    return true;
}

static bool read_shape(struct json_reader *reader, struct safetensors_tensor *tensor)
{
    tensor->rank = 0;
    tensor->elements = 1;
    if (!json_enter_array(reader))
        return false;
    while (json_next_element(reader)) {
        if (tensor->rank == SAFETENSORS_RANK_MAX)
            return json_fail(reader, "at most %d dimensions expected", SAFETENSORS_RANK_MAX);
        size_t *extent = &tensor->shape[tensor->rank++];
        if (!read_size(reader, extent))
            return false;
        if (!checked_mul(tensor->elements, *extent, &tensor->elements))
            return json_fail(reader, "shape has too many elements");
    }
    return !reader->failed;
}

static bool read_offsets(struct json_reader *reader, size_t offsets[2])
{
    size_t count = 0;
    if (!json_enter_array(reader))
        return false;
    for (; json_next_element(reader); count++) {
        if (count == 2)
            return json_fail(reader, "two data_offsets expected, got more");
        if (!read_size(reader, &offsets[count]))
            return false;
    }
    return !reader->failed && (count == 2 || json_fail(reader, "two data_offsets expected"));
}

/* What a tensor's object says, before it is held against itself. */
struct entry {
    const struct dtype *dtype;
    size_t offsets[2];
};

static bool read_members(struct json_reader *reader, struct safetensors_tensor *tensor,
                         struct entry *entry)
{
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    bool seen[3] = {false, false, false};
    char key[64];
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, key, sizeof key)) {
        size_t i = 0;
        while (i < 3 && strcmp(keys[i], key) != 0)
            i++;
        if (i == 3)
            return json_fail(reader, "key '%s' is unknown", excerpt_of(key).text);
        if (seen[i])
            return json_fail(reader, "%s given twice", keys[i]);
        seen[i] = true;
        if (!(i == 0   ? read_dtype(reader, &entry->dtype)
              : i == 1 ? read_shape(reader, tensor)
                       : read_offsets(reader, entry->offsets)))
            return false;
    }
    for (size_t i = 0; i < 3; i++)
        if (!seen[i])
            return json_fail(reader, "%s expected", keys[i]);
    return true;
}

/* Do the bytes lie in the file, and are they as many as dtype and shape say? */
static bool place_tensor(struct safetensors_tensor *tensor, const struct entry *entry,
                         struct data data, struct fault *fault)
{
    const size_t begin = entry->offsets[0], end = entry->offsets[1];
    size_t bits;
    if (begin > end || end > data.size)
        return fault_set(fault, 400, "data_offsets [%zu,%zu] are not in order within %zu bytes",
                         begin, end, data.size);
    if (!checked_mul(tensor->elements, entry->dtype->bits, &bits) || bits % 8 != 0 ||
        bits / 8 != end - begin) {
        char shape[SAFETENSORS_SHAPE_TEXT_MAX];
        safetensors_shape_text(tensor, shape, sizeof shape);
        return fault_set(fault, 400, "%s %s does not fill data_offsets [%zu,%zu]",
                         entry->dtype->name, shape, begin, end);
    }
    tensor->dtype = entry->dtype->dtype;
    tensor->dtype_name = entry->dtype->name;
    tensor->size = end - begin;
    tensor->bytes = data.bytes + begin;
    return true;
}

static bool read_tensor(struct json_reader *reader, struct safetensors_tensor *tensor,
                        struct data data)
{
    struct entry entry;
    if (read_members(reader, tensor, &entry) && place_tensor(tensor, &entry, data, reader->fault))
        return true;
    return fault_prefix(reader->fault, "tensor '%s'", excerpt_of(tensor->name).text);
}

/* Strings by name, read over. */
static bool skip_metadata(struct json_reader *reader)
{
    char key[SAFETENSORS_NAME_MAX];
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, key, sizeof key)) {
        if (json_peek(reader) != JSON_STRING)
            return json_fail(reader, "__metadata__: a string expected");
        if (!json_skip(reader, NULL, NULL))
            return false;
    }
    return !reader->failed;
}

/* Room for one more tensor, zeroed; NULL with a fault when there is none. */
static struct safetensors_tensor *next_tensor(struct safetensors *st, size_t *capacity,
                                              struct fault *fault)
{
    if (st->count == SAFETENSORS_TENSORS_MAX) {
        fault_set(fault, 400, "at most %d tensors expected", SAFETENSORS_TENSORS_MAX);
        return NULL;
    }
    if (st->count == *capacity) {
        const size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
        struct safetensors_tensor *tensors = realloc(st->tensors, wanted * sizeof *tensors);
        if (tensors == NULL) {
            fault_set(fault, 503, "not enough memory for the list of tensors");
            return NULL;
        }
        st->tensors = tensors;
        *capacity = wanted;
    }
    struct safetensors_tensor *tensor = &st->tensors[st->count++];
    memset(tensor, 0, sizeof *tensor);
    return tensor;
}

static bool read_header(struct safetensors *st, struct json_reader *reader, struct data data)
{
    char name[SAFETENSORS_NAME_MAX];
    size_t capacity = 0;
    bool metadata = false;
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, name, sizeof name)) {
        if (strcmp(name, "__metadata__") == 0) {
            if (metadata)
                return json_fail(reader, "__metadata__ given twice");
            metadata = true;
            if (!skip_metadata(reader))
                return false;
            continue;
        }
        struct safetensors_tensor *tensor = next_tensor(st, &capacity, reader->fault);
        if (tensor == NULL)
            return false;
        memcpy(tensor->name, name, sizeof name);
        if (!read_tensor(reader, tensor, data))
            return false;
    }
    return json_finish(reader);
}

/* ---- the whole ---- */

/* By place in the file; of tensors at one place the empty ones first, then by name, so that a bad
 * file has one error text. */
static int compare_places(const void *a, const void *b)
{
    const struct safetensors_tensor *const x = a, *const y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int compare_names(const void *a, const void *b)
{
    const struct safetensors_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* Sorts the tensors; each must begin where the one before it ends. */
static bool check_tiling(struct safetensors *st, struct data data, struct fault *fault)
{
    size_t end = 0;
    if (st->count > 0)
        qsort(st->tensors, st->count, sizeof *st->tensors, compare_places);
    for (size_t i = 0; i < st->count; i++) {
        const struct safetensors_tensor *tensor = &st->tensors[i];
        const size_t begin = (size_t)(tensor->bytes - data.bytes);
        if (begin != end)
            return fault_set(fault, 400, "tensor '%s': to begin at %zu expected, got %zu: %s",
                             excerpt_of(tensor->name).text, end, begin,
                             begin > end ? "a gap" : "an overlap");
        end += tensor->size;
    }
    if (end != data.size)
        return fault_set(fault, 400, "%zu bytes of tensors expected behind the header, got %zu",
                         end, data.size);
    return true;
}

static bool index_names(struct safetensors *st, struct fault *fault)
{
    if (st->count == 0)
        return true;
    st->by_name = malloc(st->count * sizeof *st->by_name);
    if (st->by_name == NULL)
        return fault_set(fault, 503, "not enough memory for the list of tensors");
    for (size_t i = 0; i < st->count; i++)
        st->by_name[i] = &st->tensors[i];
    qsort(st->by_name, st->count, sizeof *st->by_name, compare_names);
    for (size_t i = 1; i < st->count; i++)
        if (strcmp(st->by_name[i - 1]->name, st->by_name[i]->name) == 0)
            return fault_set(fault, 400, "tensor '%s': given twice",
                             excerpt_of(st->by_name[i]->name).text);
    return true;
}

/* What is named instead of one, by its first bytes: none of them is a header's length. */
static bool is_another_format(const unsigned char *file, struct fault *fault)
{
    static const struct {
        const char *begins, *what;
    } formats[] = {
        {"PK\3\4", "a zip archive, as PyTorch, Keras and NumPy write"},
        {"\x89HDF", "an HDF5 file, as Keras writes"},
        {"\x80\2", "a pickle, as PyTorch wrote"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (memcmp(file, formats[i].begins, strlen(formats[i].begins)) == 0) {
            fault_set(fault, 400,
                      "a safetensors file expected, got %s: lstm-convert makes a model of it",
                      formats[i].what);
            return true;
        }
    return false;
}

/* Finds header and data in the file. */
static bool split_file(const unsigned char *file, size_t size, size_t *header_size,
                       struct data *data, struct fault *fault)
{
    if (size < LENGTH_SIZE)
        return fault_set(fault, 400, "a safetensors file of at least %d bytes expected, got %zu",
                         LENGTH_SIZE, size);
    const uint64_t length = little_endian_read_u64(file);
    if (length > SAFETENSORS_HEADER_MAX && is_another_format(file, fault))
        return false;
    if (length > SAFETENSORS_HEADER_MAX)
        return fault_set(fault, 400, "a safetensors header of at most %u bytes expected, got %ju",
                         SAFETENSORS_HEADER_MAX, (uintmax_t)length);
    if (length > size - LENGTH_SIZE)
        return fault_set(fault, 400, "header of %ju bytes does not fit the file of %zu",
                         (uintmax_t)length, size);
    if (length == 0 || file[LENGTH_SIZE] != '{')
        return fault_set(fault, 400, "header does not begin with '{'");
    *header_size = (size_t)length;
    data->bytes = file + LENGTH_SIZE + *header_size;
    data->size = size - LENGTH_SIZE - *header_size;
    return true;
}

bool safetensors_init(struct safetensors *st, const void *file, size_t size, struct fault *fault)
{
    struct json_reader reader;
    struct data data = {0};
    size_t header_size = 0;
    *st = (struct safetensors){0};
    if (!split_file(file, size, &header_size, &data, fault))
        return false;
    json_reader_init(&reader, (const char *)file + LENGTH_SIZE, header_size, fault);
    if (read_header(st, &reader, data) && check_tiling(st, data, fault) && index_names(st, fault))
        return true;
    safetensors_fini(st);
    return false;
}

void safetensors_fini(struct safetensors *st)
{
    free(st->by_name);
    free(st->tensors);
    *st = (struct safetensors){0};
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *st, const char *name)
{
    size_t low = 0, high = st->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(name, st->by_name[middle]->name);
        if (order == 0)
            return st->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- values ---- */

static float value_of_f64(const unsigned char *bytes)
{
    return (float)little_endian_read_f64(bytes);
}

static float value_of_f32(const unsigned char *bytes)
{
    return little_endian_read_f32(bytes);
}

static float value_of_f16(const unsigned char *bytes)
{
    return half_float_from_f16(little_endian_read_u16(bytes));
}

static float value_of_bf16(const unsigned char *bytes)
{
    return half_float_from_bf16(little_endian_read_u16(bytes));
}

bool safetensors_read_f32(const struct safetensors_tensor *tensor, float *out, struct fault *fault)
{
    static float (*const value_of[])(const unsigned char *) = {
        [SAFETENSORS_F64] = value_of_f64,
        [SAFETENSORS_F32] = value_of_f32,
        [SAFETENSORS_F16] = value_of_f16,
        [SAFETENSORS_BF16] = value_of_bf16,
    };
    static const unsigned char element_size[] = {[SAFETENSORS_F64] = 8,
                                                 [SAFETENSORS_F32] = 4,
                                                 [SAFETENSORS_F16] = 2,
                                                 [SAFETENSORS_BF16] = 2};
    if (tensor->dtype > SAFETENSORS_BF16)
        return fault_set(fault, 400, "tensor '%s': F32, F16, BF16 or F64 expected, got %s",
                         excerpt_of(tensor->name).text, tensor->dtype_name);
    for (size_t i = 0; i < tensor->elements; i++) {
        out[i] = value_of[tensor->dtype](tensor->bytes + i * element_size[tensor->dtype]);
        if (!isfinite(out[i]))
            return fault_set(fault, 400, "tensor '%s': element %zu is not a finite float32",
                             excerpt_of(tensor->name).text, i);
    }
    return true;
}

void safetensors_shape_text(const struct safetensors_tensor *tensor, char *out, size_t capacity)
{
    assert(capacity > 0);
    char text[SAFETENSORS_SHAPE_TEXT_MAX];
    size_t used = 0;
    text[used++] = '[';
    for (size_t i = 0; i < tensor->rank; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%zu", i > 0 ? "," : "",
                                 tensor->shape[i]);
    text[used++] = ']';
    text[used] = '\0';
    snprintf(out, capacity, "%s", text);
}
