/* Whatever the bytes: a request that is refused says why; one that is taken is valid JSON in all
 * but its tensors' data, keeps its promises about sizes, and its tensors either decode or say why
 * not. What was decoded is the same after being written and read again. */
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/infer_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct infer_input *input, const float *values)
{
    struct json_writer writer;
    struct infer_input again = *input;
    struct fault fault = {0};
    char *text;
    json_writer_init(&writer);
    json_floats(&writer, values, input->elements);
    assert(json_writer_take(&writer, &text, &again.data_size));
    again.data = text;
    float *back = malloc(again.elements * sizeof *back + 1);
    assert(back != NULL && infer_input_decode_f32(&again, back, &fault));
    for (size_t i = 0; i < again.elements; i++)
        assert(memcmp(&back[i], &values[i], sizeof *back) == 0 || isnan(values[i]));
    free(back);
    free(text);
}

static void check_input(const struct infer_input *input, const char *body, size_t size)
{
    struct fault fault = {0};
    assert(input->name[0] != '\0' && input->rank <= TENSOR_RANK_MAX);
    assert(input->data > body && input->data + input->data_size < body + size);
    assert(input->data[0] == '[' && input->data[input->data_size - 1] == ']');
    assert(input->elements < input->data_size);
    void *values = malloc(input->elements * sizeof(int64_t) + 1);
    assert(values != NULL);
    if (infer_input_decode_i64(input, values, &fault))
        assert(infer_input_decode_f32(input, values, &fault));
    fault.status = 0;
    if (infer_input_decode_f32(input, values, &fault))
        check_round_trip(input, values);
    else
        assert(fault.status == 400 && strncmp(fault.text, "input '", 7) == 0);
    free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct infer_request request;
    struct fault fault = {0};
    char *body = malloc(size + 1);
    assert(body != NULL);
    memcpy(body, data, size);
    body[size] = '\0';
    memset(&request, 0xa5, sizeof request);
    if (infer_request_parse(&request, body, size, &fault)) {
        assert(request.input_count <= INFER_TENSOR_MAX);
        assert(request.output_count <= INFER_TENSOR_MAX && strlen(request.id) < INFER_ID_MAX);
        for (size_t i = 0; i < request.input_count; i++)
            check_input(&request.inputs[i], body, size);
        for (size_t i = 0; i < request.output_count; i++)
            assert(request.outputs[i].name[0] != '\0');
    } else {
        assert(fault.status == 400 && fault.text[0] != '\0');
    }
    free(body);
    return 0;
}
