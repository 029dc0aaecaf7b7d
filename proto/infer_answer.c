#include <assert.h>
#include <string.h>

#include "core/checked.h"
#include "proto/float_text.h"
#include "proto/infer_message.h"
#include "proto/infer_parameters.h"
#include "proto/little_endian.h"
#include "proto/tensor_bytes.h"

enum stage { HEAD, TENSOR_HEAD, TENSOR_DATA, TAIL };

/* A byte of a string as JSON: "\u0001". */
#define ESCAPED_MAX 6

/* Beside names and numbers: keys, braces, and a shape and a size of at most 20 digits a number. */
#define HEAD_TEXT   256
#define TENSOR_TEXT (128 + (TENSOR_RANK_MAX + 1) * 21)

static size_t elements_of(const struct infer_answer_tensor *tensor)
{
    size_t elements = 0;
    const bool fits = infer_elements(tensor->shape, tensor->rank, &elements);
    assert(fits);
    return elements;
}

/* ---- size ---- */

static bool tensor_size(const struct infer_answer_tensor *tensor, size_t *bytes)
{
    const bool binary = tensor->form == TENSOR_BINARY;
    if (tensor->datatype == DATATYPE_BYTES) /* a string's length has room for its quotes, comma */
        return checked_mul(tensor->strings_size, binary ? 1 : ESCAPED_MAX, bytes);
    size_t elements;
    return infer_elements(tensor->shape, tensor->rank, &elements) &&
           checked_mul(elements, binary ? sizeof(float) : FLOAT_TEXT_MAX + 1, bytes);
}

static size_t text_size(const char *text)
{
    return text != NULL ? ESCAPED_MAX * strlen(text) : 0;
}

bool infer_answer_size(const struct infer_answer *answer, size_t *bytes)
{
    size_t sum = HEAD_TEXT + INFER_PARAMETERS_MAX + text_size(answer->model_name) +
                 text_size(answer->model_version) + text_size(answer->id);
    for (size_t i = 0; i < answer->output_count; i++) {
        const struct infer_answer_tensor *tensor = &answer->outputs[i];
        size_t data;
        if (!tensor_size(tensor, &data) || !checked_add(sum, data, &sum) ||
            !checked_add(sum, TENSOR_TEXT + text_size(tensor->name), &sum))
            return false;
    }
    *bytes = sum;
    return true;
}

static size_t binary_size(const struct infer_answer_tensor *tensor)
{
    return tensor->datatype == DATATYPE_BYTES ? tensor->strings_size
                                              : elements_of(tensor) * sizeof(float);
}

size_t infer_answer_tensors(const struct infer_answer *answer, size_t sizes[INFER_TENSOR_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < answer->output_count; i++)
        if (answer->outputs[i].form == TENSOR_BINARY)
            sizes[count++] = binary_size(&answer->outputs[i]);
    return count;
}

/* ---- JSON ---- */

static void write_head(struct json_writer *writer, const struct infer_answer *answer)
{
    json_open_object(writer);
    JSON_KEY(writer, "model_name");
    json_string(writer, answer->model_name);
    JSON_KEY(writer, "model_version");
    json_string(writer, answer->model_version);
    if (answer->id != NULL && answer->id[0] != '\0') {
        JSON_KEY(writer, "id");
        json_string(writer, answer->id);
    }
    if (infer_answer_has_parameters(answer))
        infer_answer_write_parameters(answer, writer);
    JSON_KEY(writer, "outputs");
    json_open_array(writer);
}

/* Everything before the first number; of a binary tensor everything. */
static void write_tensor_head(struct json_writer *writer, const struct infer_answer_tensor *tensor)
{
    json_open_object(writer);
    JSON_KEY(writer, "name");
    json_string(writer, tensor->name);
    JSON_KEY(writer, "datatype");
    json_string(writer, datatype_name(tensor->datatype));
    JSON_KEY(writer, "shape");
    json_open_array(writer);
    for (size_t i = 0; i < tensor->rank; i++)
        json_uint64(writer, tensor->shape[i]);
    json_close_array(writer);
    if (tensor->form == TENSOR_JSON) {
        JSON_KEY(writer, "data");
        json_open_array(writer);
        return;
    }
    JSON_KEY(writer, "parameters");
    json_open_object(writer);
    JSON_KEY(writer, "binary_data_size");
    json_uint64(writer, binary_size(tensor));
    json_close_object(writer);
    json_close_object(writer);
}

/* Up to limit further strings from byte *at on; how many. */
static size_t write_strings(struct json_writer *writer, const struct infer_answer_tensor *tensor,
                            size_t *at, size_t limit)
{
    size_t count = 0;
    for (; count < limit && *at < tensor->strings_size; count++) {
        const size_t size = little_endian_read_u32(tensor->strings + *at);
        json_string_n(writer, tensor->strings + *at + sizeof(uint32_t), size);
        *at += sizeof(uint32_t) + size;
    }
    return count;
}

static size_t write_numbers(struct json_writer *writer, const struct infer_answer_tensor *tensor,
                            size_t *at, size_t limit)
{
    const size_t left = elements_of(tensor) - *at, count = left < limit ? left : limit;
    if (count > 0)
        json_float_elements(writer, tensor->data + *at, count);
    *at += count;
    return count;
}

/* ---- binary ---- */

static size_t write_bytes(struct json_writer *writer, const struct infer_answer_tensor *tensor,
                          size_t *at, size_t limit)
{
    const bool strings = tensor->datatype == DATATYPE_BYTES;
    const size_t all = strings ? tensor->strings_size : elements_of(tensor);
    const size_t count = all - *at < limit ? all - *at : limit;
    if (count == 0)
        return 0;
    char *bytes = json_extend(writer, strings ? count : count * sizeof(float));
    if (bytes != NULL && strings)
        memcpy(bytes, tensor->strings + *at, count);
    else if (bytes != NULL)
        tensor_bytes_write_f32(bytes, tensor->data + *at, count);
    *at += count;
    return count;
}

/* ---- slices ---- */

void infer_answer_begin(struct infer_answer_cursor *cursor)
{
    *cursor = (struct infer_answer_cursor){.stage = HEAD};
}

static void next_tensor(struct infer_answer_cursor *cursor, enum stage stage)
{
    cursor->output++;
    cursor->element = 0;
    cursor->stage = stage;
}

static void close_json(struct infer_answer_cursor *cursor, struct json_writer *writer)
{
    json_close_array(writer);
    json_close_object(writer);
    cursor->json_size = writer->size;
    cursor->output = 0;
    cursor->stage = TAIL;
}

/* One stage of one tensor, as far as limit allows; returns the numbers written. */
static size_t write_json_stage(struct infer_answer_cursor *cursor, struct json_writer *writer,
                               const struct infer_answer_tensor *tensor, size_t limit)
{
    if (cursor->stage == TENSOR_HEAD) {
        write_tensor_head(writer, tensor);
        if (tensor->form == TENSOR_JSON)
            cursor->stage = TENSOR_DATA;
        else
            next_tensor(cursor, TENSOR_HEAD);
        return 0;
    }
    const bool strings = tensor->datatype == DATATYPE_BYTES;
    const size_t count =
        (strings ? write_strings : write_numbers)(writer, tensor, &cursor->element, limit);
    if (count < limit) { /* TENSOR_DATA ends when a slice was not filled */
        json_close_array(writer);
        json_close_object(writer);
        next_tensor(cursor, TENSOR_HEAD);
    }
    return count;
}

static size_t write_tail_stage(struct infer_answer_cursor *cursor, struct json_writer *writer,
                               const struct infer_answer_tensor *tensor, size_t limit)
{
    size_t count = 0;
    if (tensor->form == TENSOR_BINARY)
        count = write_bytes(writer, tensor, &cursor->element, limit);
    if (count < limit)
        next_tensor(cursor, TAIL);
    return count;
}

bool infer_answer_write(struct infer_answer_cursor *cursor, struct json_writer *writer,
                        const struct infer_answer *answer, size_t limit, size_t *json_size)
{
    assert(limit > 0);
    if (cursor->stage == HEAD) {
        assert(writer->size == 0);
        write_head(writer, answer);
        cursor->stage = TENSOR_HEAD;
    }
    while (limit > 0 && !writer->failed) {
        const struct infer_answer_tensor *tensor = &answer->outputs[cursor->output];
        if (cursor->output < answer->output_count)
            limit -= (cursor->stage == TAIL ? write_tail_stage : write_json_stage)(cursor, writer,
                                                                                   tensor, limit);
        else if (cursor->stage != TAIL)
            close_json(cursor, writer);
        else
            break;
    }
    *json_size = cursor->json_size;
    return writer->failed || (cursor->stage == TAIL && cursor->output == answer->output_count);
}
