#include "proto/infer_message.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto/excerpt.h"
#include "proto/json_reader.h"
#include "proto/tensor_text.h"

enum {
    KEY_MAX = 256, /* with the NUL; longer keys are refused, known or not */
    DIMENSION_MAX = INT32_MAX,
};

/* A request being read. */
struct parser {
    struct json_reader reader;
    struct infer_request *request;
    struct infer_input *input;      /* the one being read */
    struct infer_output *output;    /* the one being read */
    bool foreign[INFER_TENSOR_MAX]; /* per input: its numbers are said to be outside of the JSON */
    bool placed;                    /* fault's text begins with a place: "shape: ..." */
    struct fault *fault;
};

/* One key that an object may have. */
struct member {
    const char *key;
    bool required;
    bool (*read)(struct parser *parser);
};

/* ---- places ----
 *
 * Each level puts its own name before the text of a fault on the way out, so that the whole is
 * "inputs[1].shape: ...". */

static bool add_place(struct parser *parser, const char *place)
{
    const char *text = parser->fault->text;
    const char *join = !parser->placed ? ": " : *text == '[' ? "" : ".";
    parser->placed = true;
    return fault_set(parser->fault, 400, "%s%s%s", place, join, text);
}

static bool add_index(struct parser *parser, size_t index)
{
    char place[24];
    snprintf(place, sizeof place, "[%zu]", index);
    return add_place(parser, place);
}

/* ---- objects and lists ---- */

static size_t find_member(const struct member *members, size_t count, const char *key)
{
    size_t i = 0;
    while (i < count && strcmp(members[i].key, key) != 0)
        i++;
    return i;
}

static bool read_member(struct parser *parser, const struct member *member)
{
    return member->read(parser) || add_place(parser, member->key);
}

/* Reads an object; keys that are not among members are skipped. */
static bool read_object(struct parser *parser, const struct member *members, size_t count)
{
    struct json_reader *reader = &parser->reader;
    char key[KEY_MAX];
    unsigned seen = 0;
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, key, sizeof key)) {
        const size_t i = find_member(members, count, key);
        if (i < count && (seen >> i & 1) != 0)
            return json_fail(reader, "'%s' is given twice", key);
        if (i < count ? !read_member(parser, &members[i]) : !json_skip(reader, NULL, NULL))
            return false;
        seen |= i < count ? 1u << i : 0;
    }
    if (reader->failed)
        return false;
    for (size_t i = 0; i < count; i++)
        if (members[i].required && (seen >> i & 1) == 0)
            return fault_set(parser->fault, 400, "'%s' is missing", members[i].key);
    return true;
}

#define READ_OBJECT(parser, members) read_object(parser, members, sizeof members / sizeof *members)

/* Reads an array of tensors, at most INFER_TENSOR_MAX. */
static bool read_tensors(struct parser *parser, size_t *count,
                         bool (*read)(struct parser *parser, size_t index))
{
    *count = 0;
    if (!json_enter_array(&parser->reader))
        return false;
    while (json_next_element(&parser->reader)) {
        if (*count == INFER_TENSOR_MAX)
            return json_fail(&parser->reader, "at most %d tensors are wanted, got more",
                             INFER_TENSOR_MAX);
        if (!read(parser, *count))
            return add_index(parser, *count);
        ++*count;
    }
    return !parser->reader.failed;
}

/* ---- what both inputs and outputs have ---- */

static bool read_name(struct parser *parser, char *name)
{
    if (!json_read_string(&parser->reader, name, TENSOR_NAME_MAX))
        return false;
    return *name != '\0' || json_fail(&parser->reader, "a name is wanted, got an empty string");
}

static bool skip_bool(struct parser *parser)
{
    bool value;
    return json_read_bool(&parser->reader, &value);
}

static bool refuse(struct parser *parser)
{
    return json_fail(&parser->reader, "not supported");
}

/* ---- inputs ---- */

static bool read_input_name(struct parser *parser)
{
    return read_name(parser, parser->input->name);
}

static bool read_datatype(struct parser *parser)
{
    struct infer_input *input = parser->input;
    if (!json_read_string(&parser->reader, input->datatype_text, sizeof input->datatype_text))
        return false;
    if (datatype_from_name(input->datatype_text, &input->datatype))
        return true;
    return json_fail(&parser->reader, "a datatype like FP32 is wanted, got '%s'",
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

static bool read_shape(struct parser *parser)
{
    struct infer_input *input = parser->input;
    if (!json_enter_array(&parser->reader))
        return false;
    while (json_next_element(&parser->reader))
        if (!read_dimension(parser))
            return add_index(parser, input->rank);
    if (parser->reader.failed)
        return false;
    return infer_elements(input->shape, input->rank, &input->elements) ||
           json_fail(&parser->reader, "less than 2^64 elements are wanted, got more");
}

static bool read_data(struct parser *parser)
{
    return json_skip_numbers(&parser->reader, &parser->input->data, &parser->input->data_size);
}

/* An extension that carries a tensor's numbers elsewhere: refused once the tensor's name is known.
 */
static bool note_foreign(struct parser *parser)
{
    parser->foreign[parser->input - parser->request->inputs] = true;
    return json_skip(&parser->reader, NULL, NULL);
}

static bool read_input_parameters(struct parser *parser)
{
    static const struct member members[] = {
        {"binary_data_size", false, note_foreign},
        {"shared_memory_region", false, note_foreign},
    };
    return READ_OBJECT(parser, members);
}

static bool read_input(struct parser *parser, size_t index)
{
    static const struct member members[] = {
        {"name", true, read_input_name},   {"shape", true, read_shape},
        {"datatype", true, read_datatype}, {"parameters", false, read_input_parameters},
        {"data", false, read_data}, /* required unless foreign */
    };
    parser->input = &parser->request->inputs[index];
    *parser->input = (struct infer_input){0};
    return READ_OBJECT(parser, members);
}

static bool read_inputs(struct parser *parser)
{
    return read_tensors(parser, &parser->request->input_count, read_input);
}

/* ---- outputs ---- */

static bool read_output_name(struct parser *parser)
{
    return read_name(parser, parser->output->name);
}

static bool read_output_parameters(struct parser *parser)
{
    static const struct member members[] = {
        {"binary_data", false, skip_bool}, /* the answer is JSON either way, as it may be */
        {"classification", false, refuse},
        {"shared_memory_region", false, refuse},
    };
    return READ_OBJECT(parser, members);
}

static bool read_output(struct parser *parser, size_t index)
{
    static const struct member members[] = {
        {"name", true, read_output_name},
        {"parameters", false, read_output_parameters},
    };
    parser->output = &parser->request->outputs[index];
    return READ_OBJECT(parser, members);
}

static bool read_outputs(struct parser *parser)
{
    return read_tensors(parser, &parser->request->output_count, read_output);
}

/* ---- the request ---- */

static bool read_id(struct parser *parser)
{
    return json_read_string(&parser->reader, parser->request->id, INFER_ID_MAX);
}

static bool read_sequence_id(struct parser *parser)
{
    struct json_reader *reader = &parser->reader;
    struct infer_parameters *parameters = &parser->request->parameters;
    char text[INFER_ID_MAX];
    uint64_t number;
    if (json_peek(reader) == JSON_STRING) {
        if (!json_read_string(reader, text, sizeof text))
            return false;
        parameters->has_sequence |= *text != '\0';
        return true;
    }
    if (!json_read_uint64(reader, &number))
        return false;
    parameters->has_sequence |= number != 0;
    return true;
}

static bool read_sequence_flag(struct parser *parser)
{
    bool value;
    if (!json_read_bool(&parser->reader, &value))
        return false;
    parser->request->parameters.has_sequence |= value;
    return true;
}

static bool read_parameters(struct parser *parser)
{
    static const struct member members[] = {
        {"sequence_id", false, read_sequence_id},
        {"sequence_start", false, read_sequence_flag},
        {"sequence_end", false, read_sequence_flag},
        {"binary_data_output", false, skip_bool}, /* the answer is JSON either way, as it may be */
        {"classification", false, refuse},
    };
    return READ_OBJECT(parser, members);
}

static bool read_request(struct parser *parser)
{
    static const struct member members[] = {
        {"id", false, read_id},
        {"parameters", false, read_parameters},
        {"inputs", true, read_inputs},
        {"outputs", false, read_outputs},
    };
    return READ_OBJECT(parser, members) && json_finish(&parser->reader);
}

/* ---- what only the whole request shows ---- */

static bool check_input(const struct infer_input *input, bool foreign, struct fault *fault)
{
    if (foreign)
        return fault_set(fault, 400, "binary tensors are not supported");
    if (input->data == NULL)
        return fault_set(fault, 400, "'data' is missing");
    const struct tensor_text text = infer_input_text(input);
    return tensor_text_has_room(&text, fault);
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
        if (!check_input(input, parser->foreign[i], parser->fault))
            return fault_prefix(parser->fault, "input '%s'", excerpt_of(input->name).text);
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

bool infer_request_parse(struct infer_request *request, const char *body, size_t size,
                         struct fault *fault)
{
    assert(body[size] == '\0');
    struct parser parser = {.request = request, .fault = fault};
    json_reader_init(&parser.reader, body, size, fault);
    request->id[0] = '\0';
    request->parameters = (struct infer_parameters){0};
    request->input_count = 0;
    request->output_count = 0;
    return read_request(&parser) && check_inputs(&parser) && check_outputs(&parser);
}
