#include "proto/sequence_message.h"

#include <string.h>

#include "core/checked.h"
#include "proto/excerpt.h"
#include "proto/float_text.h"
#include "proto/json_members.h"
#include "proto/sequence_steps.h"
#include "proto/shape_text.h"

/* ---- a row's floats, by tensor ---- */

static bool is_state(const struct signature_tensor *tensor)
{
    return tensor->role == ROLE_H || tensor->role == ROLE_C;
}

/* The floats of one cell that a state tensor holds: count of them, first of cell 0's in the row at
 * offset, those of the next cell `stride` behind. */
struct cell_span {
    size_t cells, offset, stride, count;
};

static struct cell_span span_of(const struct signature *signature,
                                const struct signature_tensor *tensor)
{
    const struct signature_state *state = &signature->states[tensor->state];
    const bool is_c = tensor->role == ROLE_C;
    return (struct cell_span){
        .cells = state->cells,
        .offset = state->offset + (is_c ? state->h_size : 0),
        .stride = state->h_size + state->c_size,
        .count = is_c ? state->c_size : state->h_size,
    };
}

/* [cells,B,n], or [B,cells,n] where the signature puts the rows first. */
static void tensor_shape(const struct signature_tensor *tensor, size_t rows, uint64_t *shape)
{
    for (size_t i = 0; i < tensor->rank; i++)
        shape[i] = tensor->shape[i] < 0 ? rows : (uint64_t)tensor->shape[i];
}

/* Where in the tensor cell j of row b begins. */
static size_t place_in_tensor(const struct signature_tensor *tensor, const struct cell_span *span,
                              size_t rows, size_t j, size_t b)
{
    return (tensor->shape[0] < 0 ? b * span->cells + j : j * rows + b) * span->count;
}

static void tensor_to_states(const struct signature *signature,
                             const struct signature_tensor *tensor, size_t rows, size_t state_size,
                             const float *numbers, float *states)
{
    const struct cell_span span = span_of(signature, tensor);
    for (size_t b = 0; b < rows; b++)
        for (size_t j = 0; j < span.cells; j++)
            memcpy(states + b * state_size + span.offset + j * span.stride,
                   numbers + place_in_tensor(tensor, &span, rows, j, b),
                   span.count * sizeof *states);
}

static void states_to_tensor(const struct signature *signature,
                             const struct signature_tensor *tensor, size_t rows, size_t state_size,
                             const float *states, float *numbers)
{
    const struct cell_span span = span_of(signature, tensor);
    for (size_t b = 0; b < rows; b++)
        for (size_t j = 0; j < span.cells; j++)
            memcpy(numbers + place_in_tensor(tensor, &span, rows, j, b),
                   states + b * state_size + span.offset + j * span.stride,
                   span.count * sizeof *states);
}

/* Is a row's float number i in one of the state tensors? */
static bool is_in_tensor(const struct signature *signature, size_t i)
{
    for (size_t k = 0; k < signature->input_count; k++) {
        if (!is_state(&signature->inputs[k]))
            continue;
        const struct cell_span span = span_of(signature, &signature->inputs[k]);
        if (i >= span.offset && (i - span.offset) / span.stride < span.cells &&
            (i - span.offset) % span.stride < span.count)
            return true;
    }
    return false;
}

/* Floats a row that no tensor holds. */
static size_t memory_size(const struct sequence_model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < model->state_size; i++)
        count += !is_in_tensor(model->signature, i);
    return count;
}

static void memory_to_states(const struct sequence_model *model, size_t rows, const float *numbers,
                             float *states)
{
    const size_t size = memory_size(model);
    for (size_t i = 0, at = 0; i < model->state_size; i++) {
        if (is_in_tensor(model->signature, i))
            continue;
        for (size_t b = 0; b < rows; b++)
            states[b * model->state_size + i] = numbers[b * size + at];
        at++;
    }
}

static void states_to_memory(const struct sequence_model *model, size_t rows, const float *states,
                             float *numbers)
{
    const size_t size = memory_size(model);
    for (size_t i = 0, at = 0; i < model->state_size; i++) {
        if (is_in_tensor(model->signature, i))
            continue;
        for (size_t b = 0; b < rows; b++)
            numbers[b * size + at] = states[b * model->state_size + i];
        at++;
    }
}

/* ---- reading: the envelope ---- */

struct envelope {
    struct sequence_message *message;
    const char *model_name;
};

static bool read_id(struct json_reader *reader, void *context)
{
    struct sequence_message *message = ((struct envelope *)context)->message;
    return sequence_id_read(reader, &message->id);
}

static bool read_name(struct json_reader *reader, void *context)
{
    const struct envelope *envelope = context;
    char name[JSON_KEY_MAX];
    if (!json_read_string(reader, name, sizeof name))
        return false;
    return strcmp(name, envelope->model_name) == 0 ||
           json_fail(reader, "'%s' is wanted, got '%s'", envelope->model_name,
                     excerpt_of(name).text);
}

static bool read_rows(struct json_reader *reader, void *context)
{
    struct sequence_message *message = ((struct envelope *)context)->message;
    uint64_t rows;
    if (!json_read_uint64(reader, &rows))
        return false;
    if (rows > INT32_MAX)
        return json_fail(reader, "less than 2^31 is wanted");
    message->rows = (size_t)rows;
    message->rows_given = true;
    return true;
}

static bool read_steps(struct json_reader *reader, void *context)
{
    uint64_t *steps = &((struct envelope *)context)->message->steps;
    return json_read_uint64(reader, steps) &&
           (*steps <= SEQUENCE_STEPS_MAX || json_fail(reader, "less than 2^53 is wanted"));
}

static bool read_datatype(struct json_reader *reader, void *context)
{
    char name[16];
    (void)context;
    if (!json_read_string(reader, name, sizeof name))
        return false;
    return strcmp(name, datatype_name(DATATYPE_FP32)) == 0 || json_fail(reader, "'FP32' is wanted");
}

static bool read_shape(struct json_reader *reader, void *context)
{
    struct infer_input *tensor = context;
    tensor->rank = 0;
    if (!json_enter_array(reader))
        return false;
    while (json_next_element(reader)) {
        if (tensor->rank == TENSOR_RANK_MAX)
            return json_fail(reader, "at most %d dimensions are wanted", TENSOR_RANK_MAX);
        if (!json_read_uint64(reader, &tensor->shape[tensor->rank]))
            return json_place_element(reader, tensor->rank);
        tensor->rank++;
    }
    return !reader->failed;
}

static bool read_data(struct json_reader *reader, void *context)
{
    struct infer_input *tensor = context;
    return json_skip_numbers(reader, &tensor->data, &tensor->data_size, NULL);
}

static bool read_memory(struct json_reader *reader, void *context)
{
    static const struct json_member members[] = {
        {"datatype", false, read_datatype},
        {"shape", false, read_shape},
        {"data", true, read_data},
    };
    struct infer_input *memory = &((struct envelope *)context)->message->memory;
    *memory = (struct infer_input){.name = "memory", .datatype = DATATYPE_FP32};
    return JSON_READ_MEMBERS(reader, members, NULL, memory);
}

static bool read_envelope(struct sequence_message *message, const char *json, size_t size,
                          const char *model_name, struct fault *fault)
{
    static const struct json_member members[] = {
        {"model_name", false, read_name}, {"sequence_id", false, read_id},
        {"rows", false, read_rows},       {"steps", false, read_steps},
        {"memory", false, read_memory},
    };
    struct envelope envelope = {message, model_name};
    struct json_reader reader;
    json_reader_init(&reader, json, size, fault);
    reader.words = true;
    return JSON_READ_MEMBERS(&reader, members, NULL, &envelope) && json_finish(&reader);
}

/* ---- reading: the tensors ---- */

static const struct infer_input *find_input(const struct infer_request *request, const char *name)
{
    for (size_t i = 0; i < request->input_count; i++)
        if (strcmp(request->inputs[i].name, name) == 0)
            return &request->inputs[i];
    return NULL;
}

static bool check_shape(const struct infer_input *input, const uint64_t *wanted, size_t rank,
                        struct fault *fault)
{
    if (input->rank == rank && memcmp(input->shape, wanted, rank * sizeof *wanted) == 0)
        return true;
    return fault_set(fault, 400, "%s: shape %s expected, got %s", input->name,
                     shape_text_of(wanted, rank).text,
                     shape_text_of(input->shape, input->rank).text);
}

/* B where nobody said it: as the first state tensor has it. */
static void guess_rows(struct sequence_message *message, const struct signature *signature)
{
    for (size_t i = 0; i < signature->input_count && !message->rows_given; i++) {
        const struct signature_tensor *tensor = &signature->inputs[i];
        const struct infer_input *input = find_input(&message->request, tensor->name);
        if (!is_state(tensor) || input == NULL || input->rank != tensor->rank)
            continue;
        message->rows = (size_t)input->shape[tensor->shape[0] < 0 ? 0 : 1];
        message->rows_given = true;
    }
}

static bool check_input(const struct sequence_message *message,
                        const struct signature_tensor *tensor, size_t *found, struct fault *fault)
{
    uint64_t shape[TENSOR_RANK_MAX];
    const struct infer_input *input = find_input(&message->request, tensor->name);
    if (!is_state(tensor))
        return true;
    if (input == NULL)
        return fault_set(fault, 400, "inputs: %s is missing", tensor->name);
    if (input->datatype != DATATYPE_FP32)
        return fault_set(fault, 400, "%s: datatype FP32 expected, got %s", tensor->name,
                         excerpt_of(input->datatype_text).text);
    tensor_shape(tensor, message->rows, shape);
    ++*found;
    return check_shape(input, shape, tensor->rank, fault);
}

static bool check_inputs(const struct sequence_message *message, const struct signature *signature,
                         struct fault *fault)
{
    size_t found = 0;
    for (size_t i = 0; i < signature->input_count; i++)
        if (!check_input(message, &signature->inputs[i], &found, fault))
            return false;
    return found == message->request.input_count ||
           fault_set(fault, 400, "inputs: only the model's %zu states expected, got %zu tensors",
                     found, message->request.input_count);
}

static bool check_memory(struct sequence_message *message, const struct sequence_model *model,
                         struct fault *fault)
{
    struct infer_input *memory = &message->memory;
    const size_t size = memory_size(model);
    const uint64_t shape[] = {message->rows, size};
    if (size == 0 && memory->data == NULL)
        return true;
    if (size == 0)
        return fault_set(fault, 400, "memory: none expected for this model");
    if (memory->data == NULL)
        return fault_set(fault, 400, "memory: missing");
    if (!check_shape(memory, shape, 2, fault))
        return false;
    if (!checked_mul(message->rows, size, &memory->elements))
        return fault_set(fault, 400, "memory: too large");
    const struct tensor_text text = {memory->data, memory->data_size, memory->shape, 2,
                                     memory->elements};
    return tensor_text_has_room(&text, fault) || fault_prefix(fault, "memory");
}

bool sequence_message_parse(struct sequence_message *message, const char *json, size_t size,
                            const struct sequence_model *model, struct fault *fault)
{
    message->id = sequence_id_of_number(0);
    message->rows = 0;
    message->rows_given = false;
    message->steps = 0;
    message->memory.data = NULL;
    if (!infer_request_parse(&message->request, json, size, NULL, 0, model->name, fault) ||
        !read_envelope(message, json, size, model->name, fault))
        return false;
    guess_rows(message, model->signature);
    if (!message->rows_given)
        return fault_set(fault, 400, "rows: missing");
    return check_inputs(message, model->signature, fault) && check_memory(message, model, fault);
}

bool sequence_message_read(const struct sequence_message *message,
                           const struct sequence_model *model, float *states, float *scratch,
                           struct fault *fault)
{
    for (size_t i = 0; i < model->signature->input_count; i++) {
        const struct signature_tensor *tensor = &model->signature->inputs[i];
        if (!is_state(tensor))
            continue;
        if (!infer_input_decode_f32(find_input(&message->request, tensor->name), scratch, fault))
            return false;
        tensor_to_states(model->signature, tensor, message->rows, model->state_size, scratch,
                         states);
    }
    if (message->memory.data == NULL)
        return true;
    if (!infer_input_decode_f32(&message->memory, scratch, fault))
        return false;
    memory_to_states(model, message->rows, scratch, states);
    return true;
}

/* ---- writing ---- */

/* Names, shapes and braces beside the numbers. */
#define TEXT_FIXED  ((size_t)2048)
#define TEXT_TENSOR (256 + 6 * (size_t)TENSOR_NAME_MAX)

bool sequence_message_size(const struct sequence_model *model, size_t rows, size_t *bytes)
{
    size_t size;
    return checked_mul(rows, model->state_size, &size) &&
           checked_mul(size, FLOAT_TEXT_MAX + 1, &size) &&
           checked_add(size, TEXT_FIXED + model->signature->input_count * TEXT_TENSOR, bytes);
}

static void write_tensor(struct json_writer *writer, const uint64_t *shape, size_t rank,
                         const float *numbers)
{
    size_t count = 1;
    json_key(writer, "datatype");
    json_string(writer, datatype_name(DATATYPE_FP32));
    json_key(writer, "shape");
    json_open_array(writer);
    for (size_t i = 0; i < rank; i++) {
        json_uint64(writer, shape[i]);
        count *= (size_t)shape[i];
    }
    json_close_array(writer);
    json_key(writer, "data");
    json_floats(writer, numbers, count);
}

static void write_inputs(struct json_writer *writer, const struct sequence_model *model,
                         size_t rows, const float *states, float *scratch)
{
    json_key(writer, "inputs");
    json_open_array(writer);
    for (size_t i = 0; i < model->signature->input_count; i++) {
        const struct signature_tensor *tensor = &model->signature->inputs[i];
        uint64_t shape[TENSOR_RANK_MAX];
        if (!is_state(tensor))
            continue;
        states_to_tensor(model->signature, tensor, rows, model->state_size, states, scratch);
        tensor_shape(tensor, rows, shape);
        json_open_object(writer);
        json_key(writer, "name");
        json_string(writer, tensor->name);
        write_tensor(writer, shape, tensor->rank, scratch);
        json_close_object(writer);
    }
    json_close_array(writer);
}

static void write_memory(struct json_writer *writer, const struct sequence_model *model,
                         size_t rows, const float *states, float *scratch)
{
    const uint64_t shape[] = {rows, memory_size(model)};
    if (shape[1] == 0)
        return;
    states_to_memory(model, rows, states, scratch);
    json_key(writer, "memory");
    json_open_object(writer);
    write_tensor(writer, shape, 2, scratch);
    json_close_object(writer);
}

void sequence_message_write(struct json_writer *writer, const struct sequence_model *model,
                            const struct sequence_id *id, size_t rows, uint64_t steps,
                            const float *states, float *scratch)
{
    json_open_object(writer);
    json_key(writer, "model_name");
    json_string(writer, model->name);
    json_key(writer, "sequence_id");
    sequence_id_write(id, writer);
    json_key(writer, "rows");
    json_uint64(writer, rows);
    json_key(writer, "steps");
    json_uint64(writer, steps);
    write_inputs(writer, model, rows, states, scratch);
    write_memory(writer, model, rows, states, scratch);
    json_close_object(writer);
}
