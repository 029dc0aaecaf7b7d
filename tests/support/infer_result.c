#include "tests/support/infer_result.h"

#include <stdlib.h>
#include <string.h>

#include "proto/json_reader.h"
#include "tests/support/die.h"

static bool read_shape(struct json_reader *reader, struct infer_result_tensor *tensor)
{
    if (!json_enter_array(reader))
        return false;
    while (json_next_element(reader)) {
        uint64_t n = 0;
        if (tensor->rank == sizeof tensor->shape / sizeof tensor->shape[0])
            return json_fail(reader, "shape of too many dimensions");
        if (!json_read_uint64(reader, &n))
            return false;
        tensor->shape[tensor->rank++] = (size_t)n;
    }
    return !reader->failed;
}

/* text: "[1.0,2.5]" */
static bool read_numbers(struct json_reader *reader, struct infer_result_tensor *tensor,
                         const char *text, size_t size)
{
    const char *at = text + 1, *const end = text + size - 1;
    tensor->values = must_allocate_zeros(size / 2 + 1, sizeof(float));
    while (at < end) {
        char *behind;
        tensor->values[tensor->elements++] = strtof(at, &behind);
        if (behind == at || behind > end || (*behind != ',' && behind != end))
            return json_fail(reader, "tensor '%s', number %zu", tensor->name, tensor->elements);
        at = behind + 1;
    }
    return true;
}

static bool read_data(struct json_reader *reader, struct infer_result_tensor *tensor)
{
    const char *text = NULL;
    size_t size = 0;
    if (json_peek(reader) != JSON_ARRAY)
        return json_fail(reader, "data is not an array");
    return json_skip(reader, &text, &size) && read_numbers(reader, tensor, text, size);
}

static bool read_tensor_member(struct json_reader *reader, const char *key,
                               struct infer_result_tensor *tensor)
{
    if (strcmp(key, "name") == 0)
        return json_read_string(reader, tensor->name, sizeof tensor->name);
    if (strcmp(key, "datatype") == 0)
        return json_read_string(reader, tensor->datatype, sizeof tensor->datatype);
    if (strcmp(key, "shape") == 0)
        return read_shape(reader, tensor);
    if (strcmp(key, "data") == 0)
        return read_data(reader, tensor);
    return json_fail(reader, "unknown key '%s' in an output", key);
}

static bool read_tensor(struct json_reader *reader, struct infer_result_tensor *tensor)
{
    char key[64];
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, key, sizeof key))
        if (!read_tensor_member(reader, key, tensor))
            return false;

    size_t wanted = 1;
    for (size_t i = 0; i < tensor->rank; i++)
        wanted *= tensor->shape[i];
    if (!reader->failed && tensor->elements != wanted)
        return json_fail(reader, "tensor '%s' has %zu numbers, its shape %zu", tensor->name,
                         tensor->elements, wanted);
    return !reader->failed;
}

static bool read_outputs(struct json_reader *reader, struct infer_result *result)
{
    if (!json_enter_array(reader))
        return false;
    while (json_next_element(reader)) {
        if (result->tensor_count == INFER_RESULT_TENSORS)
            return json_fail(reader, "too many outputs");
        if (!read_tensor(reader, &result->tensors[result->tensor_count++]))
            return false;
    }
    return !reader->failed;
}

static bool read_sequence_id(struct json_reader *reader, struct sequence_id *id)
{
    char text[SEQUENCE_ID_MAX];
    uint64_t number;
    if (json_peek(reader) == JSON_STRING)
        return json_read_string(reader, text, sizeof text) &&
               (sequence_id_of_text(text, id) || json_fail(reader, "a bad id"));
    if (!json_read_uint64(reader, &number))
        return false;
    *id = sequence_id_of_number(number);
    return true;
}

static bool read_parameter(struct json_reader *reader, const char *key, struct infer_result *result)
{
    if (strcmp(key, "sequence_id") == 0)
        return read_sequence_id(reader, &result->sequence_id);
    if (strcmp(key, "steps") == 0)
        return json_read_uint64(reader, &result->steps);
    if (strcmp(key, "first_step") == 0)
        return json_read_uint64(reader, &result->first_step);
    if (strcmp(key, "final") != 0)
        return json_fail(reader, "unknown parameter '%s'", key);
    result->is_part = true;
    return json_read_bool(reader, &result->final);
}

static bool read_parameters(struct json_reader *reader, struct infer_result *result)
{
    char key[32];
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, key, sizeof key))
        if (!read_parameter(reader, key, result))
            return false;
    return !reader->failed;
}

static bool read_member(struct json_reader *reader, const char *key, struct infer_result *result)
{
    if (strcmp(key, "model_name") == 0)
        return json_read_string(reader, result->model_name, sizeof result->model_name);
    if (strcmp(key, "model_version") == 0)
        return json_read_string(reader, result->model_version, sizeof result->model_version);
    if (strcmp(key, "id") == 0)
        return json_read_string(reader, result->id, sizeof result->id);
    if (strcmp(key, "parameters") == 0)
        return read_parameters(reader, result);
    if (strcmp(key, "outputs") == 0)
        return read_outputs(reader, result);
    return json_fail(reader, "unknown key '%s'", key);
}

bool infer_result_parse(struct infer_result *result, const char *body, size_t size,
                        struct fault *fault)
{
    struct json_reader reader;
    char key[64];
    *result = (struct infer_result){0};
    json_reader_init(&reader, body, size, fault);
    reader.words = true;
    if (json_enter_object(&reader))
        while (json_next_member(&reader, key, sizeof key))
            if (!read_member(&reader, key, result))
                return false;
    return json_finish(&reader);
}

void infer_result_fini(struct infer_result *result)
{
    for (size_t i = 0; i < result->tensor_count; i++)
        free(result->tensors[i].values);
}

const struct infer_result_tensor *infer_result_find(const struct infer_result *result,
                                                    const char *name)
{
    for (size_t i = 0; i < result->tensor_count; i++)
        if (strcmp(result->tensors[i].name, name) == 0)
            return &result->tensors[i];
    return NULL;
}
