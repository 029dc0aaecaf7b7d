/* Whatever the bytes: a predict request that is refused says why; one that is taken has rows within
 * its body, and its tensors either decode or say why not, the same in one go and in slices. What
 * was decoded is the same after being written as an answer and read again as a request.
 *
 * The first byte says which of the signatures, the rest is the body. */
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/v1_predict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Short rows beside a long one may claim any number of elements: a server's budget refuses them. */
enum { ELEMENTS_MAX = 1 << 16 };

#define INPUTS(rows_first)                                                                         \
    .input_count = 4, .inputs = {{.name = "x",                                                     \
                                  .rank = 3,                                                       \
                                  .shape = {-1, -1, 2},                                            \
                                  .rows_axis = (rows_first) ? 0 : 1,                               \
                                  .steps_axis = (rows_first) ? 1 : 0},                             \
                                 {.name = "h_0",                                                   \
                                  .role = ROLE_H,                                                  \
                                  .optional = true,                                                \
                                  .rank = 3,                                                       \
                                  .shape = {2, -1, 3},                                             \
                                  .rows_axis = 1,                                                  \
                                  .steps_axis = SIGNATURE_NO_AXIS},                                \
                                 {.name = "s",                                                     \
                                  .role = ROLE_H,                                                  \
                                  .optional = true,                                                \
                                  .rank = 2,                                                       \
                                  .shape = {-1, 3},                                                \
                                  .steps_axis = SIGNATURE_NO_AXIS},                                \
                                 {.name = "n",                                                     \
                                  .role = ROLE_LENGTHS,                                            \
                                  .datatype = DATATYPE_INT64,                                      \
                                  .optional = true,                                                \
                                  .rank = 1,                                                       \
                                  .shape = {-1},                                                   \
                                  .steps_axis = SIGNATURE_NO_AXIS}}
static const struct signature signatures[3] = {
    {.batch_first = false, INPUTS(false)},
    {.batch_first = true, INPUTS(true)},
    {.input_count = 1,
     .inputs =
         {{.name = "x", .datatype = DATATYPE_INT64, .rank = 2, .shape = {-1, -1}, .rows_axis = 1}}},
};

static bool read_slice(struct infer_cursor *cursor, void *out, size_t limit, struct fault *fault)
{
    return cursor->input->datatype == DATATYPE_FP32
               ? infer_cursor_read_f32(cursor, out, limit, fault)
               : infer_cursor_read_i64(cursor, out, limit, fault);
}

/* The input's numbers, zeros in the places left out, or NULL and the fault. */
static void *decode(const struct infer_input *input, size_t limit, struct fault *fault)
{
    struct infer_cursor cursor;
    void *out = calloc(input->elements + 1, sizeof(int64_t));
    assert(out != NULL);
    infer_cursor_init(&cursor, input);
    do {
        if (!read_slice(&cursor, out, limit, fault)) {
            free(out);
            return NULL;
        }
    } while (cursor.index < input->elements);
    assert(cursor.index == input->elements);
    return out;
}

/* A shape like the signature's, as binding_init makes sure of. */
static bool is_bound(const struct infer_input *input, const struct signature *signature)
{
    for (size_t i = 0; i < signature->input_count; i++) {
        const struct signature_tensor *tensor = &signature->inputs[i];
        if (strcmp(tensor->name, input->name) != 0)
            continue;
        bool good = tensor->rank == input->rank;
        for (size_t k = 0; good && k < input->rank; k++)
            good = tensor->shape[k] == -1 || (uint64_t)tensor->shape[k] == input->shape[k];
        return good && input->elements <= ELEMENTS_MAX;
    }
    return false;
}

/* Parses and indexes; the rows are the caller's to free. NULL: refused, or larger than wanted. */
static struct tensor_row *parse(struct v1_request *v1, struct infer_request *request,
                                const char *body, size_t size, const struct signature *signature)
{
    struct fault fault = {0};
    if (!v1_request_parse(v1, request, body, size, signature, &fault)) {
        assert(fault.status == 400 && fault.text[0] != '\0');
        return NULL;
    }
    assert(v1->row_count > 0 && v1->row_count <= size);
    struct tensor_row *rows = malloc(v1->row_count * sizeof *rows);
    assert(rows != NULL);
    v1_request_index(v1, request, rows);
    return rows;
}

static void check_round_trip(const struct infer_input *input, const float *values, bool columns,
                             const struct signature *signature)
{
    static struct infer_request again;
    struct v1_request v1;
    struct fault fault = {0};
    struct v1_answer_cursor cursor;
    struct json_writer writer;
    char *text;
    size_t size, bound;
    int64_t *steps = calloc(input->shape[input->row_axis] + 1, sizeof *steps);
    assert(steps != NULL);
    for (size_t b = 0; b < input->shape[input->row_axis]; b++)
        steps[b] = (int64_t)input->rows[b].steps;
    struct infer_answer answer = {.output_count = 1};
    answer.outputs[0] = (struct infer_answer_tensor){
        .name = input->name,
        .rank = input->rank,
        .data = values,
        .row_axis = input->row_axis,
        .row_steps = steps,
    };
    memcpy(answer.outputs[0].shape, input->shape, sizeof input->shape);
    json_writer_init(&writer);
    v1_answer_begin(&cursor);
    while (!v1_answer_write(&cursor, &writer, &answer, columns, 3))
        ;
    assert(json_writer_take(&writer, &text, &size));
    assert(v1_answer_size(&answer, &bound) && size <= bound);

    const char *key = columns ? " {\"inputs\":" : "  {\"instances\":";
    memcpy(text, key, strlen(key)); /* in place of outputs, predictions */
    struct tensor_row *rows = parse(&v1, &again, text, size, signature);
    assert(rows != NULL && v1.columns == columns && again.input_count == 1);
    assert(again.inputs[0].elements == input->elements);
    float *back = decode(&again.inputs[0], 5, &fault);
    assert(back != NULL);
    for (size_t i = 0; i < input->elements; i++)
        assert(memcmp(&back[i], &values[i], sizeof *back) == 0 || isnan(values[i]));
    free(back);
    free(rows);
    free(text);
    free(steps);
}

static void check_input(const struct infer_input *input, const struct signature *signature)
{
    struct fault fault = {0}, sliced = {0};
    void *whole = decode(input, SIZE_MAX, &fault);
    assert(whole != NULL || (fault.status == 400 && strncmp(fault.text, "input '", 7) == 0));
    for (size_t limit = 1; limit <= 4; limit++) {
        void *slices = decode(input, limit, &sliced);
        assert((slices != NULL) == (whole != NULL) && strcmp(sliced.text, fault.text) == 0);
        if (slices != NULL)
            assert(memcmp(slices, whole, input->elements * datatype_size(input->datatype)) == 0);
        free(slices);
    }
    if (whole != NULL && strcmp(input->name, "x") == 0 && input->datatype == DATATYPE_FP32) {
        check_round_trip(input, whole, false, signature);
        check_round_trip(input, whole, true, signature);
    }
    free(whole);
}

static void check_rows(const struct infer_input *input, const char *body, size_t size)
{
    assert(input->form == TENSOR_ROWS && input->rank >= 1 && input->rank <= TENSOR_RANK_MAX);
    for (size_t b = 0; b < input->shape[input->row_axis]; b++) {
        const struct tensor_row *row = &input->rows[b];
        assert(row->size > 0 && row->text > body && row->text + row->size < body + size);
        assert(row->steps <= row->size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct infer_request request;
    struct v1_request v1;
    if (size == 0)
        return 0;
    const struct signature *signature = &signatures[data[0] % 3];
    char *body = malloc(size - 1 + (size == 1)); /* ends where its memory ends */
    assert(body != NULL);
    memcpy(body, data + 1, size - 1);
    memset(&request, 0xa5, sizeof request);
    struct tensor_row *rows = parse(&v1, &request, body, size - 1, signature);
    for (size_t i = 0; rows != NULL && i < request.input_count; i++) {
        check_rows(&request.inputs[i], body, size);
        if (is_bound(&request.inputs[i], signature))
            check_input(&request.inputs[i], signature);
    }
    free(rows);
    free(body);
    return 0;
}
