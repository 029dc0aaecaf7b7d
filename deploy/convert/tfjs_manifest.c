#include "deploy/convert/tfjs_manifest.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "deploy/convert/member_text.h"
#include "proto/excerpt.h"
#include "proto/half_float.h"
#include "proto/little_endian.h"

static bool fail(struct fault *fault, const char *text)
{
    return fault_set(fault, 400, "weightsManifest: %s", text);
}

static bool fail_memory(struct fault *fault)
{
    return fault_set(fault, 503, "not enough memory for the weights");
}

/* ---- entries ---- */

static size_t element_size(enum tfjs_type type)
{
    static const size_t sizes[] = {
        [TFJS_FLOAT32] = 4, [TFJS_FLOAT16] = 2, [TFJS_UINT8] = 1,
        [TFJS_UINT16] = 2,  [TFJS_INT32] = 4,
    };
    return sizes[type];
}

static bool type_from_name(const char *name, bool quantized, enum tfjs_type *type)
{
    static const struct {
        const char *name;
        bool quantized;
        enum tfjs_type type;
    } types[] = {
        {"float32", false, TFJS_FLOAT32}, {"int32", false, TFJS_INT32},
        {"float16", true, TFJS_FLOAT16},  {"uint8", true, TFJS_UINT8},
        {"uint16", true, TFJS_UINT16},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0 && types[i].quantized == quantized) {
            *type = types[i].type;
            return true;
        }
    return false;
}

static bool read_number(const cJSON *object, const char *key, double *value)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsNumber(found) || !isfinite(found->valuedouble))
        return false;
    *value = found->valuedouble;
    return true;
}

static bool read_type(struct tfjs_weight *weight, const cJSON *entry, struct fault *fault)
{
    const cJSON *quantization = cJSON_GetObjectItemCaseSensitive(entry, "quantization");
    const char *name = member_text(quantization != NULL ? quantization : entry, "dtype", "");
    if (!type_from_name(name, quantization != NULL, &weight->type))
        return fault_set(fault, 400,
                         "%s: float32, int32, or quantized float16, uint8 or uint16 "
                         "expected, got %s",
                         excerpt_of(weight->name).text, excerpt_of(name).text);
    const bool scaled = weight->type == TFJS_UINT8 || weight->type == TFJS_UINT16;
    return !scaled ||
           (read_number(quantization, "scale", &weight->scale) &&
            read_number(quantization, "min", &weight->min)) ||
           fault_set(fault, 400, "%s: scale and min expected in its quantization",
                     excerpt_of(weight->name).text);
}

static bool read_shape(struct tfjs_weight *weight, const cJSON *entry, struct fault *fault)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape"), *size;
    if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) > FLOAT_ARRAY_RANK_MAX)
        return fault_set(fault, 400, "%s: a shape of at most 4 dimensions expected",
                         excerpt_of(weight->name).text);
    weight->elements = 1;
    cJSON_ArrayForEach(size, shape)
    {
        if (!cJSON_IsNumber(size) || !(size->valuedouble >= 0 && size->valuedouble < 0x1p31) ||
            size->valuedouble != trunc(size->valuedouble) ||
            !checked_mul(weight->elements, (size_t)size->valuedouble, &weight->elements))
            return fault_set(fault, 400, "%s: its shape cannot be read",
                             excerpt_of(weight->name).text);
        weight->shape[weight->rank++] = (size_t)size->valuedouble;
    }
    return true;
}

/* The entry's bytes begin at *offset of the group, which moves behind them. */
static bool read_weight(struct tfjs_weight *weight, const cJSON *entry, size_t group,
                        size_t *offset, struct fault *fault)
{
    size_t bytes;
    *weight = (struct tfjs_weight){
        .name = member_text(entry, "name", ""), .group = group, .offset = *offset};
    return read_type(weight, entry, fault) && read_shape(weight, entry, fault) &&
           ((checked_mul(weight->elements, element_size(weight->type), &bytes) &&
             checked_add(*offset, bytes, offset)) ||
            fail(fault, "more bytes listed than there can be"));
}

/* ---- shards ---- */

static bool append(struct blob *blob, const struct blob *shard, struct fault *fault)
{
    size_t size;
    if (!checked_add(blob->size, shard->size, &size) || size > INPUT_SIZE_MAX)
        return fail(fault, "shards of at most 2 GiB expected");
    unsigned char *bytes = realloc(blob->bytes, size + 1);
    if (bytes == NULL)
        return fail_memory(fault);
    memcpy(bytes + blob->size, shard->bytes, shard->size);
    bytes[size] = '\0';
    *blob = (struct blob){bytes, size};
    return true;
}

static bool read_shards(struct blob *blob, const cJSON *paths, const struct input *input,
                        struct fault *fault)
{
    const cJSON *path;
    if (!cJSON_IsArray(paths))
        return fail(fault, "a list of paths expected in each group");
    cJSON_ArrayForEach(path, paths)
    {
        struct blob shard;
        if (!cJSON_IsString(path))
            return fail(fault, "paths that are strings expected");
        if (!input->beside(input->context, path->valuestring, &shard, fault))
            return false;
        const bool appended = append(blob, &shard, fault);
        free(shard.bytes);
        if (!appended)
            return false;
    }
    return true;
}

/* ---- the manifest ---- */

static bool read_group(struct tfjs_manifest *manifest, const cJSON *group,
                       const struct input *input, struct fault *fault)
{
    const cJSON *entries = cJSON_GetObjectItemCaseSensitive(group, "weights"), *entry;
    struct blob *blob = &manifest->groups[manifest->group_count++];
    size_t size = 0;
    if (!cJSON_IsArray(entries))
        return fail(fault, "a list of weights expected in each group");
    cJSON_ArrayForEach(entry, entries)
    {
        if (!read_weight(&manifest->weights[manifest->weight_count++], entry,
                         manifest->group_count - 1, &size, fault))
            return false;
    }
    if (!read_shards(blob, cJSON_GetObjectItemCaseSensitive(group, "paths"), input, fault))
        return false;
    return blob->size == size ||
           fault_set(fault, 400, "weightsManifest: shards of %zu bytes expected, got %zu", size,
                     blob->size);
}

static size_t count_weights(const cJSON *groups)
{
    const cJSON *group;
    size_t count = 0;
    cJSON_ArrayForEach(group, groups)
    {
        const cJSON *weights = cJSON_GetObjectItemCaseSensitive(group, "weights");
        count += cJSON_IsArray(weights) ? (size_t)cJSON_GetArraySize(weights) : 0;
    }
    return count;
}

bool tfjs_manifest_read(struct tfjs_manifest *manifest, const struct cJSON *model_json,
                        const struct input *input, struct fault *fault)
{
    const cJSON *groups = cJSON_GetObjectItemCaseSensitive(model_json, "weightsManifest"), *group;
    *manifest = (struct tfjs_manifest){0};
    if (!cJSON_IsArray(groups))
        return fail(fault, "a list of groups expected");
    const size_t group_count = (size_t)cJSON_GetArraySize(groups);
    const size_t weight_count = count_weights(groups);
    if (group_count > TFJS_WEIGHTS_MAX || weight_count > TFJS_WEIGHTS_MAX)
        return fail(fault, "at most 4096 groups and weights expected");
    manifest->groups = calloc(group_count + 1, sizeof *manifest->groups);
    manifest->weights = calloc(weight_count + 1, sizeof *manifest->weights);
    bool read = (manifest->groups != NULL && manifest->weights != NULL) || fail_memory(fault);
    for (group = groups->child; read && group != NULL; group = group->next)
        read = read_group(manifest, group, input, fault);
    if (!read)
        tfjs_manifest_fini(manifest);
    return read;
}

void tfjs_manifest_fini(struct tfjs_manifest *manifest)
{
    for (size_t i = 0; i < manifest->group_count; i++)
        free(manifest->groups[i].bytes);
    free(manifest->groups);
    free(manifest->weights);
    *manifest = (struct tfjs_manifest){0};
}

/* ---- values ---- */

static float load(const struct tfjs_weight *weight, const unsigned char *bytes)
{
    switch (weight->type) {
    case TFJS_FLOAT16:
        return half_float_from_f16(little_endian_read_u16(bytes));
    case TFJS_UINT8:
        return (float)(weight->scale * bytes[0] + weight->min);
    case TFJS_UINT16:
        return (float)(weight->scale * little_endian_read_u16(bytes) + weight->min);
    default:
        return little_endian_read_f32(bytes);
    }
}

bool tfjs_manifest_array(const struct tfjs_manifest *manifest, const struct tfjs_weight *weight,
                         struct float_array *array, struct fault *fault)
{
    size_t bytes;
    if (weight->type == TFJS_INT32)
        return fault_set(fault, 400, "%s: float32 expected, got int32",
                         excerpt_of(weight->name).text);
    if (!checked_mul(weight->elements, sizeof(float), &bytes))
        return fail_memory(fault);
    *array = (struct float_array){
        .rank = weight->rank, .elements = weight->elements, .values = malloc(bytes + 1)};
    if (array->values == NULL)
        return fail_memory(fault);
    memcpy(array->shape, weight->shape, sizeof array->shape);
    const unsigned char *from = manifest->groups[weight->group].bytes + weight->offset;
    for (size_t i = 0; i < weight->elements; i++)
        array->values[i] = load(weight, from + i * element_size(weight->type));
    return true;
}
