/* Whatever the bytes: a request that is refused says why; one that is taken is valid JSON in all
 * but its tensors' data, keeps its promises about sizes, and its tensors either decode or say why
 * not, the same in one go and in slices. What was decoded is the same after being written, as JSON
 * and as bytes, and read again.
 *
 * JSON up to the first NUL; the byte after it is the size of the first span behind the JSON, the
 * rest is the second span. */
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/infer_message.h"
#include "proto/tensor_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy that ends where its memory ends. */
static char *copy(const void *bytes, size_t size)
{
    char *out = malloc(size + (size == 0));
    assert(out != NULL);
    if (size > 0)
        memcpy(out, bytes, size);
    return out;
}

static void check_same(const struct infer_input *input, const float *values)
{
    struct fault fault = {0};
    float *back = malloc(input->elements * sizeof *back + 1);
    assert(back != NULL && infer_input_decode_f32(input, back, &fault));
    for (size_t i = 0; i < input->elements; i++)
        assert(memcmp(&back[i], &values[i], sizeof *back) == 0 || isnan(values[i]));
    free(back);
}

static void check_round_trips(const struct infer_input *input, const float *values)
{
    struct json_writer writer;
    struct infer_input again = *input;
    char *text;
    again.form = TENSOR_JSON;
    json_writer_init(&writer);
    json_floats(&writer, values, input->elements);
    assert(json_writer_take(&writer, &text, &again.data_size));
    again.data = text;
    check_same(&again, values);
    free(text);

    char *bytes = malloc(input->elements * sizeof(float) + 1);
    assert(bytes != NULL);
    tensor_bytes_write_f32(bytes, values, input->elements);
    again.form = TENSOR_BINARY;
    again.data = bytes;
    check_same(&again, values);
    free(bytes);
}

/* Slices of that many numbers end as the whole did, with the same numbers or the same fault. */
static void check_slices(const struct infer_input *input, size_t limit, const void *whole,
                         const struct fault *wanted)
{
    const bool floats = input->datatype == DATATYPE_FP32;
    const size_t width = floats ? sizeof(float) : sizeof(int64_t);
    struct infer_cursor cursor;
    struct fault fault = {0};
    void *values = malloc(input->elements * width + 1);
    bool good;
    assert(values != NULL);
    infer_cursor_init(&cursor, input);
    do {
        const size_t before = cursor.index;
        good = floats ? infer_cursor_read_f32(&cursor, values, limit, &fault)
                      : infer_cursor_read_i64(&cursor, values, limit, &fault);
        assert(!good || cursor.index == input->elements || cursor.index == before + limit);
    } while (good && cursor.index < input->elements);
    assert(good == (wanted->status == 0));
    assert(good || strcmp(fault.text, wanted->text) == 0);
    assert(!good || memcmp(values, whole, input->elements * width) == 0);
    free(values);
}

static void check_input(const struct infer_input *input, const char *json, size_t size)
{
    struct fault fault = {0};
    assert(input->name[0] != '\0' && input->rank <= TENSOR_RANK_MAX);
    const size_t width = datatype_size(input->datatype);
    if (input->form == TENSOR_JSON) {
        assert(input->data > json && input->data + input->data_size < json + size);
        assert(input->data[0] == '[' && input->data[input->data_size - 1] == ']');
        assert(input->elements < input->data_size);
    }
    if (width == 0)
        return;
    assert(input->form == TENSOR_JSON || input->elements * width == input->data_size);
    void *values = malloc(input->elements * sizeof(int64_t) + 1);
    assert(values != NULL);
    const bool floats = input->datatype == DATATYPE_FP32;
    const bool good = floats ? infer_input_decode_f32(input, values, &fault)
                             : infer_input_decode_i64(input, values, &fault);
    assert(good || (fault.status == 400 && strncmp(fault.text, "input '", 7) == 0));
    for (size_t limit = 1; limit <= 3; limit++)
        check_slices(input, limit, values, &fault);
    if (good && floats)
        check_round_trips(input, values);
    free(values);
}

static void check_request(const struct infer_request *request, const char *json, size_t size)
{
    assert(request->input_count <= INFER_TENSOR_MAX);
    assert(request->output_count <= INFER_TENSOR_MAX && strlen(request->id) < INFER_ID_MAX);
    assert(strlen(request->parameters.sequence_id.text) < SEQUENCE_ID_MAX);
    for (size_t i = 0; i < request->input_count; i++)
        check_input(&request->inputs[i], json, size);
    for (size_t i = 0; i < request->output_count; i++)
        assert(request->outputs[i].name[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct infer_request request;
    struct fault fault = {0};
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    const size_t json_size = nul != NULL ? (size_t)(nul - data) : size;
    const size_t rest = size - json_size > 2 ? size - json_size - 2 : 0;
    const size_t first = rest == 0 ? 0 : nul[1] < rest ? nul[1] : rest;
    char *json = copy(data, json_size);
    char *one = copy(rest > 0 ? nul + 2 : NULL, first);
    char *two = copy(rest > 0 ? nul + 2 + first : NULL, rest - first);
    const struct infer_span spans[] = {{one, first}, {two, rest - first}};
    const size_t count = rest == 0 ? 0 : first == rest ? 1 : 2;
    memset(&request, 0xa5, sizeof request);
    if (infer_request_parse(&request, json, json_size, spans, count, "m", &fault))
        check_request(&request, json, json_size);
    else
        assert(fault.status == 400 && fault.text[0] != '\0');
    free(json);
    free(one);
    free(two);
    return 0;
}
