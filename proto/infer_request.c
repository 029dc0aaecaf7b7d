#include "proto/infer_message.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/checked.h"
#include "proto/excerpt.h"
#include "proto/infer_parameters.h"
#include "proto/json_members.h"

enum {
    DIMENSION_MAX = INT32_MAX,
};
#define NOT_BINARY UINT64_MAX

/* A request being read. */
struct parser {
    struct json_reader reader;
    struct infer_request *request;
    const char *model_name;
    struct infer_input *input;              /* the one being read */
    struct infer_output *output;            /* the one being read */
    uint64_t binary_size[INFER_TENSOR_MAX]; /* per input: bytes behind the JSON, or NOT_BINARY */
    struct fault *fault;
};

/* Reads an array of tensors, at most INFER_TENSOR_MAX. */
static bool read_tensors(struct json_reader *reader, struct parser *parser, size_t *count,
                         bool (*read)(struct parser *parser, size_t index))
{
    *count = 0;
    if (!json_enter_array(reader))
        return false;
    while (json_next_element(reader)) {
        if (*count == INFER_TENSOR_MAX)
            return json_fail(reader, "at most %d tensors are wanted, got more", INFER_TENSOR_MAX);
        if (!read(parser, *count))
            return json_place_element(reader, *count);
        ++*count;
    }
    return !reader->failed;
}

/* ---- what both inputs and outputs have ---- */

static bool read_name(struct json_reader *reader, char *name)
{
    if (!json_read_string(reader, name, TENSOR_NAME_MAX))
        return false;
    return *name != '\0' || json_fail(reader, "a name is wanted, got an empty string");
}

static bool refuse(struct json_reader *reader, void *context)
{
    (void)context;
    return json_fail(reader, "not supported");
}

/* ---- inputs ---- */

static bool read_input_name(struct json_reader *reader, void *context)
{
    struct parser *parser = context;
    return read_name(reader, parser->input->name);
}

static bool read_datatype(struct json_reader *reader, void *context)
{
    struct parser *parser = context;
    struct infer_input *input = parser->input;
    if (!json_read_string(reader, input->datatype_text, sizeof input->datatype_text))
        return false;
    if (datatype_from_name(input->datatype_text, &input->datatype))
        return true;
    return json_fail(reader, "a datatype like FP32 is wanted, got '%s'",
                     excerpt_of(input->datatype_text).text);
}

static bool read_dimension(struct parser *parser)
{
    struct infer_input *input = parser->input;
    uint64_t dimension;
    if (input->rank == TENSOR_RANK_MAX)
        return json_fail(&parser->reader, "at most %d dimensions are wanted, got more",
                         TENSOR_RANK_MAX);
    if (!json_read_uint64(&parser->reader, &dimension))
        return false;
    if (dimension > DIMENSION_MAX)
        return json_fail(&parser->reader, "at most %d is wanted, got %llu, which is too large,",
                         DIMENSION_MAX, (unsigned long long)dimension);
    input->shape[input->rank++] = dimension;
    return true;
}

static bool read_shape(struct json_reader *reader, void *context)
{
    struct parser *parser = context;
    struct infer_input *input = parser->input;
    if (!json_enter_array(reader))
        return false;
    while (json_next_element(reader))
        if (!read_dimension(parser))
            return json_place_element(reader, input->rank);
    if (reader->failed)
        return false;
    return infer_elements(input->shape, input->rank, &input->elements) ||
           json_fail(reader, "less than 2^64 elements are wanted, got more");
}

static bool read_data(struct json_reader *reader, void *context)
{
    struct parser *parser = context;
    return json_skip_numbers(reader, &parser->input->data, &parser->input->data_size, NULL);
}

static bool read_binary_size(struct json_reader *reader, void *context)
{
    struct parser *parser = context;
    uint64_t *size = &parser->binary_size[parser->input - parser->request->inputs];
    if (!json_read_uint64(reader, size))
        return false;
    return *size <= INT64_MAX || json_fail(reader, "less than 2^63 bytes are wanted, got more");
}

static bool read_input_parameters(struct json_reader *reader, void *context)
{
    static const struct json_member members[] = {
        {"binary_data_size", false, read_binary_size},
        {"shared_memory_region", false, refuse},
    };
    return JSON_READ_MEMBERS(reader, members, NULL, context);
}

static bool read_input(struct parser *parser, size_t index)
{
    static const struct json_member members[] = {
        {"name", true, read_input_name},   {"shape", true, read_shape},
        {"datatype", true, read_datatype}, {"parameters", false, read_input_parameters},
        {"data", false, read_data}, /* required unless binary */
    };
    parser->input = &parser->request->inputs[index];
    *parser->input = (struct infer_input){0};
    parser->binary_size[index] = NOT_BINARY;
    return JSON_READ_MEMBERS(&parser->reader, members, NULL, parser);
}

static bool read_inputs(struct json_reader *reader, void *context)
{
    struct parser *parser = context;
    return read_tensors(reader, parser, &parser->request->input_count, read_input);
}

/* ---- outputs ---- */

static bool read_output_name(struct json_reader *reader, void *context)
{
    struct parser *parser = context;
    return read_name(reader, parser->output->name);
}

static bool read_output_form(struct json_reader *reader, void *context)
{
    struct parser *parser = context;
    bool binary;
    if (!json_read_bool(reader, &binary))
        return false;
    parser->output->form_given = true;
    parser->output->form = binary ? TENSOR_BINARY : TENSOR_JSON;
    return true;
}

static bool read_classification(struct json_reader *reader, void *context)
{
    struct parser *parser = context;
    uint64_t count;
    if (!json_read_uint64(reader, &count))
        return false;
    if (count > DIMENSION_MAX)
        return json_fail(reader, "at most %d is wanted, got %llu, which is too large,",
                         DIMENSION_MAX, (unsigned long long)count);
    parser->output->classification = (uint32_t)count;
    return true;
}

static bool read_output_parameters(struct json_reader *reader, void *context)
{
    static const struct json_member members[] = {
        {"binary_data", false, read_output_form},
        {"classification", false, read_classification},
        {"shared_memory_region", false, refuse},
    };
    return JSON_READ_MEMBERS(reader, members, NULL, context);
}

static bool read_output(struct parser *parser, size_t index)
{
    static const struct json_member members[] = {
        {"name", true, read_output_name},
        {"parameters", false, read_output_parameters},
    };
    parser->output = &parser->request->outputs[index];
    *parser->output = (struct infer_output){0};
    return JSON_READ_MEMBERS(&parser->reader, members, NULL, parser);
}

static bool read_outputs(struct json_reader *reader, void *context)
{
    struct parser *parser = context;
    return read_tensors(reader, parser, &parser->request->output_count, read_output);
}

/* ---- the request ---- */

static bool read_id(struct json_reader *reader, void *context)
{
    struct parser *parser = context;
    return json_read_string(reader, parser->request->id, INFER_ID_MAX);
}

static bool read_parameters(struct json_reader *reader, void *context)
{
    struct parser *parser = context;
    return infer_parameters_read(reader, &parser->request->parameters);
}

static bool read_request(struct parser *parser)
{
    static const struct json_member members[] = {
        {"id", false, read_id},
        {"parameters", false, read_parameters},
        {"inputs", true, read_inputs},
        {"outputs", false, read_outputs},
    };
    return JSON_READ_MEMBERS(&parser->reader, members, NULL, parser) &&
           json_finish(&parser->reader);
}

/* ---- binary tensors ---- */

/* What follows the JSON, handed out tensor by tensor. */
struct tail {
    const struct infer_span *spans; /* the first one is the one being handed out */
    size_t count;
    size_t used;  /* bytes of the first one */
    bool touched; /* the first one was handed to some tensor, be it none of its bytes */
};

static void drop_used_span(struct tail *tail)
{
    if (tail->count == 0 || !tail->touched || tail->used < tail->spans->size)
        return;
    tail->spans++;
    tail->count--;
    tail->used = 0;
    tail->touched = false;
}

static bool take_bytes(struct tail *tail, struct infer_input *input, size_t size,
                       const char *model_name, struct fault *fault)
{
    drop_used_span(tail);
    const size_t left = tail->count > 0 ? tail->spans->size - tail->used : 0;
    if (size > left)
        return fault_set(fault, 400,
                         "unexpected size for input '%s', expecting %zu additional bytes for model "
                         "'%s'",
                         excerpt_of(input->name).text, size - left, model_name);
    input->form = TENSOR_BINARY;
    input->data = tail->count > 0 ? tail->spans->data + tail->used : "";
    input->data_size = size;
    tail->used += size;
    tail->touched = true;
    return true;
}

static bool place_binary(const struct parser *parser, struct tail *tail)
{
    struct infer_request *request = parser->request;
    for (size_t i = 0; i < request->input_count; i++) {
        struct infer_input *input = &request->inputs[i];
        if (parser->binary_size[i] == NOT_BINARY)
            continue;
        if (input->data != NULL)
            return fault_set(parser->fault, 400,
                             "input '%s': one of 'data' and parameters.binary_data_size is wanted, "
                             "got both",
                             excerpt_of(input->name).text);
        if (!take_bytes(tail, input, parser->binary_size[i], parser->model_name, parser->fault))
            return false;
    }
    drop_used_span(tail);
    return tail->count == 0 ||
           fault_set(parser->fault, 400, "unexpected additional input data for model '%s'",
                     parser->model_name);
}

static bool check_byte_size(const struct infer_input *input, const char *model_name,
                            struct fault *fault)
{
    const size_t element = datatype_size(input->datatype);
    size_t wanted = 0;
    if (element == 0) /* no model takes it, which is said when the request is held against one */
        return true;
    const bool fits = checked_mul(input->elements, element, &wanted);
    if (fits && input->data_size == wanted)
        return true;
    return fault_set(fault, 400,
                     "input byte size mismatch for input '%s' for model '%s'. Expected %zu%s, got "
                     "%zu",
                     excerpt_of(input->name).text, model_name, fits ? wanted : SIZE_MAX,
                     fits ? "" : " or more", input->data_size);
}

/* ---- what only the whole request shows ---- */

static bool check_text(const struct infer_input *input, struct fault *fault)
{
    if (input->data == NULL)
        return fault_set(fault, 400, "'data' is missing");
    const struct tensor_text text = {
        .text = input->data,
        .size = input->data_size,
        .shape = input->shape,
        .rank = input->rank,
        .elements = input->elements,
    };
    return tensor_text_has_room(&text, fault);
}

static bool check_input(const struct parser *parser, const struct infer_input *input)
{
    if (input->form == TENSOR_BINARY)
        return check_byte_size(input, parser->model_name, parser->fault);
    return check_text(input, parser->fault) ||
           fault_prefix(parser->fault, "input '%s'", excerpt_of(input->name).text);
}

static bool check_inputs(const struct parser *parser)
{
    const struct infer_request *request = parser->request;
    for (size_t i = 0; i < request->input_count; i++) {
        const struct infer_input *input = &request->inputs[i];
        for (size_t j = 0; j < i; j++)
            if (strcmp(input->name, request->inputs[j].name) == 0)
                return fault_set(parser->fault, 400, "input '%s' is given twice",
                                 excerpt_of(input->name).text);
        if (!check_input(parser, input))
            return false;
    }
    return true;
}

static bool check_outputs(const struct parser *parser)
{
    const struct infer_request *request = parser->request;
    for (size_t i = 0; i < request->output_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(request->outputs[i].name, request->outputs[j].name) == 0)
                return fault_set(parser->fault, 400, "output '%s' is asked for twice",
                                 excerpt_of(request->outputs[i].name).text);
    return true;
}

void infer_request_clear(struct infer_request *request)
{
    request->id[0] = '\0';
    request->parameters = (struct infer_parameters){0};
    request->input_count = 0;
    request->output_count = 0;
}

bool infer_request_parse(struct infer_request *request, const char *json, size_t json_size,
                         const struct infer_span *tail, size_t tail_count, const char *model_name,
                         struct fault *fault)
{
    struct parser parser = {.request = request, .model_name = model_name, .fault = fault};
    struct tail spans = {.spans = tail, .count = tail_count};
    json_reader_init(&parser.reader, json, json_size, fault);
    parser.reader.words = true;
    infer_request_clear(request);
    return read_request(&parser) && place_binary(&parser, &spans) && check_inputs(&parser) &&
           check_outputs(&parser);
}

bool infer_request_raw(struct infer_request *request, const char *name, enum datatype datatype,
                       const uint64_t *shape, size_t rank, struct infer_span span,
                       const char *model_name, struct fault *fault)
{
    assert(rank <= TENSOR_RANK_MAX && datatype_size(datatype) != 0);
    infer_request_clear(request);
    request->parameters.binary_data_output = true;
    request->input_count = 1;
    struct infer_input *input = &request->inputs[0];
    *input = (struct infer_input){
        .datatype = datatype,
        .rank = rank,
        .form = TENSOR_BINARY,
        .data = span.data,
        .data_size = span.size,
    };
    snprintf(input->name, sizeof input->name, "%s", name);
    snprintf(input->datatype_text, sizeof input->datatype_text, "%s", datatype_name(datatype));
    memcpy(input->shape, shape, rank * sizeof *shape);
    const bool fits = infer_elements(shape, rank, &input->elements);
    assert(fits);
    return check_byte_size(input, model_name, fault);
}
