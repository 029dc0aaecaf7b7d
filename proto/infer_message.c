#include "proto/infer_message.h"

#include <assert.h>
#include <string.h>

#include "core/checked.h"
#include "proto/excerpt.h"
#include "proto/tensor_bytes.h"

static const struct {
    const char *name;
    enum datatype datatype;
} datatypes[] = {
    {"FP32", DATATYPE_FP32},    {"INT32", DATATYPE_INT32},  {"INT64", DATATYPE_INT64},
    {"BYTES", DATATYPE_BYTES},  {"BOOL", DATATYPE_OTHER},   {"UINT8", DATATYPE_OTHER},
    {"UINT16", DATATYPE_OTHER}, {"UINT32", DATATYPE_OTHER}, {"UINT64", DATATYPE_OTHER},
    {"INT8", DATATYPE_OTHER},   {"INT16", DATATYPE_OTHER},  {"FP16", DATATYPE_OTHER},
    {"BF16", DATATYPE_OTHER},   {"FP64", DATATYPE_OTHER},
};

bool datatype_from_name(const char *name, enum datatype *datatype)
{
    for (size_t i = 0; i < sizeof datatypes / sizeof *datatypes; i++) {
        if (strcmp(datatypes[i].name, name) == 0) {
            *datatype = datatypes[i].datatype;
            return true;
        }
    }
    return false;
}

const char *datatype_name(enum datatype datatype)
{
    for (size_t i = 0; i < sizeof datatypes / sizeof *datatypes; i++)
        if (datatypes[i].datatype == datatype && datatype != DATATYPE_OTHER)
            return datatypes[i].name;
    return "other";
}

size_t datatype_size(enum datatype datatype)
{
    switch (datatype) {
    case DATATYPE_FP32:
    case DATATYPE_INT32:
        return 4;
    case DATATYPE_INT64:
        return 8;
    case DATATYPE_BYTES:
    case DATATYPE_OTHER:
        break;
    }
    return 0;
}

bool infer_elements(const uint64_t *shape, size_t rank, size_t *elements)
{
    size_t product = 1;
    bool fits = true, empty = false;
    for (size_t i = 0; i < rank; i++) {
        empty |= shape[i] == 0;
        fits = fits && checked_mul(product, shape[i], &product);
    }
    *elements = empty ? 0 : product;
    return fits || empty;
}

enum tensor_form infer_output_form(const struct infer_request *request, size_t index)
{
    if (index < request->output_count && request->outputs[index].form_given)
        return request->outputs[index].form;
    return request->parameters.binary_data_output ? TENSOR_BINARY : TENSOR_JSON;
}

uint32_t infer_output_classification(const struct infer_request *request, size_t index)
{
    return index < request->output_count ? request->outputs[index].classification : 0;
}

/* ---- reading numbers ---- */

static void begin_text(struct infer_cursor *cursor, const struct infer_input *input)
{
    const struct tensor_text text = {
        .text = input->data,
        .size = input->data_size,
        .shape = input->shape,
        .rank = input->rank,
        .elements = input->elements,
    };
    tensor_text_begin(&cursor->at.text, &text);
}

static void begin_rows(struct infer_cursor *cursor, const struct infer_input *input)
{
    const struct tensor_rows rows = {
        .rows = input->rows,
        .shape = input->shape,
        .rank = input->rank,
        .axis = input->row_axis,
        .elements = input->elements,
    };
    assert(input->rows != NULL);
    tensor_rows_begin(&cursor->at.rows, &rows);
}

void infer_cursor_init(struct infer_cursor *cursor, const struct infer_input *input)
{
    assert(datatype_size(input->datatype) != 0);
    cursor->index = 0;
    cursor->input = input;
    if (input->form == TENSOR_JSON)
        begin_text(cursor, input);
    else if (input->form == TENSOR_ROWS)
        begin_rows(cursor, input);
}

/* Of a binary tensor: the next numbers' place and, in *count, how many they are. */
static const char *next_bytes(struct infer_cursor *cursor, size_t limit, size_t *count)
{
    const struct infer_input *input = cursor->input;
    const size_t left = input->elements - cursor->index;
    const char *bytes = input->data + cursor->index * datatype_size(input->datatype);
    *count = left < limit ? left : limit;
    cursor->index += *count;
    return bytes;
}

static bool add_input_name(const struct infer_input *input, struct fault *fault)
{
    return fault_prefix(fault, "input '%s'", excerpt_of(input->name).text);
}

static void read_bytes_f32(struct infer_cursor *cursor, float *out, size_t limit)
{
    size_t count;
    float *place = out + cursor->index;
    const char *bytes = next_bytes(cursor, limit, &count);
    tensor_bytes_read_f32(bytes, place, count);
}

static void read_bytes_i64(struct infer_cursor *cursor, int64_t *out, size_t limit)
{
    size_t count;
    int64_t *place = out + cursor->index;
    const char *bytes = next_bytes(cursor, limit, &count);
    if (cursor->input->datatype == DATATYPE_INT32)
        tensor_bytes_read_i32(bytes, place, count);
    else
        tensor_bytes_read_i64(bytes, place, count);
}

bool infer_cursor_read_f32(struct infer_cursor *cursor, float *out, size_t limit,
                           struct fault *fault)
{
    assert(cursor->input->datatype == DATATYPE_FP32);
    bool good = true;
    switch (cursor->input->form) {
    case TENSOR_BINARY:
        read_bytes_f32(cursor, out, limit);
        break;
    case TENSOR_JSON:
        good = tensor_text_read_f32(&cursor->at.text, out, limit, fault);
        cursor->index = cursor->at.text.index;
        break;
    case TENSOR_ROWS:
        good = tensor_rows_read_f32(&cursor->at.rows, out, limit, fault);
        cursor->index = cursor->at.rows.index;
        break;
    }
    return good || add_input_name(cursor->input, fault);
}

bool infer_cursor_read_i64(struct infer_cursor *cursor, int64_t *out, size_t limit,
                           struct fault *fault)
{
    const bool narrow = cursor->input->datatype == DATATYPE_INT32;
    const int64_t min = narrow ? INT32_MIN : INT64_MIN, max = narrow ? INT32_MAX : INT64_MAX;
    assert(narrow || cursor->input->datatype == DATATYPE_INT64);
    bool good = true;
    switch (cursor->input->form) {
    case TENSOR_BINARY:
        read_bytes_i64(cursor, out, limit);
        break;
    case TENSOR_JSON:
        good = tensor_text_read_i64(&cursor->at.text, min, max, out, limit, fault);
        cursor->index = cursor->at.text.index;
        break;
    case TENSOR_ROWS:
        good = tensor_rows_read_i64(&cursor->at.rows, min, max, out, limit, fault);
        cursor->index = cursor->at.rows.index;
        break;
    }
    return good || add_input_name(cursor->input, fault);
}

bool infer_input_decode_f32(const struct infer_input *input, float *out, struct fault *fault)
{
    struct infer_cursor cursor;
    infer_cursor_init(&cursor, input);
    return infer_cursor_read_f32(&cursor, out, SIZE_MAX, fault);
}

bool infer_input_decode_i64(const struct infer_input *input, int64_t *out, struct fault *fault)
{
    struct infer_cursor cursor;
    infer_cursor_init(&cursor, input);
    return infer_cursor_read_i64(&cursor, out, SIZE_MAX, fault);
}
