#include "proto/infer_message.h"

#include <assert.h>
#include <string.h>

#include "core/checked.h"
#include "proto/excerpt.h"
#include "proto/tensor_text.h"

static const struct {
    const char *name;
    enum datatype datatype;
} datatypes[] = {
    {"FP32", DATATYPE_FP32},    {"INT32", DATATYPE_INT32},  {"INT64", DATATYPE_INT64},
    {"BOOL", DATATYPE_OTHER},   {"UINT8", DATATYPE_OTHER},  {"UINT16", DATATYPE_OTHER},
    {"UINT32", DATATYPE_OTHER}, {"UINT64", DATATYPE_OTHER}, {"INT8", DATATYPE_OTHER},
    {"INT16", DATATYPE_OTHER},  {"FP16", DATATYPE_OTHER},   {"BF16", DATATYPE_OTHER},
    {"FP64", DATATYPE_OTHER},   {"BYTES", DATATYPE_OTHER},
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

struct tensor_text infer_input_text(const struct infer_input *input)
{
    return (struct tensor_text){
        .text = input->data,
        .size = input->data_size,
        .shape = input->shape,
        .rank = input->rank,
        .elements = input->elements,
    };
}

static bool add_input_name(const struct infer_input *input, struct fault *fault)
{
    return fault_prefix(fault, "input '%s'", excerpt_of(input->name).text);
}

bool infer_input_decode_f32(const struct infer_input *input, float *out, struct fault *fault)
{
    const struct tensor_text text = infer_input_text(input);
    return tensor_text_read_f32(&text, out, fault) || add_input_name(input, fault);
}

bool infer_input_decode_i64(const struct infer_input *input, int64_t *out, struct fault *fault)
{
    const struct tensor_text text = infer_input_text(input);
    const bool narrow = input->datatype == DATATYPE_INT32;
    return tensor_text_read_i64(&text, narrow ? INT32_MIN : INT64_MIN,
                                narrow ? INT32_MAX : INT64_MAX, out, fault) ||
           add_input_name(input, fault);
}

static void write_tensor(struct json_writer *writer, const struct infer_answer_tensor *tensor)
{
    size_t elements;
    const bool fits = infer_elements(tensor->shape, tensor->rank, &elements);
    assert(fits);
    json_open_object(writer);
    json_key(writer, "name");
    json_string(writer, tensor->name);
    json_key(writer, "datatype");
    json_string(writer, datatype_name(DATATYPE_FP32));
    json_key(writer, "shape");
    json_open_array(writer);
    for (size_t i = 0; i < tensor->rank; i++)
        json_uint64(writer, tensor->shape[i]);
    json_close_array(writer);
    json_key(writer, "data");
    json_floats(writer, tensor->data, elements);
    json_close_object(writer);
}

void infer_answer_write(struct json_writer *writer, const struct infer_answer *answer)
{
    json_open_object(writer);
    json_key(writer, "model_name");
    json_string(writer, answer->model_name);
    json_key(writer, "model_version");
    json_string(writer, answer->model_version);
    if (answer->id != NULL && answer->id[0] != '\0') {
        json_key(writer, "id");
        json_string(writer, answer->id);
    }
    json_key(writer, "outputs");
    json_open_array(writer);
    for (size_t i = 0; i < answer->output_count; i++)
        write_tensor(writer, &answer->outputs[i]);
    json_close_array(writer);
    json_close_object(writer);
}
