#include <stdint.h>

#include "core/checked.h"
#include "proto/codec.h"

static bool parse(struct message *message, const struct message_bytes *bytes,
                  const struct message_model *model, struct fault *fault)
{
    return infer_request_parse(&message->request, bytes->head.data, bytes->head.size, bytes->tail,
                               bytes->tail_count, model->name, fault);
}

static bool parse_for_text(struct message *message, const struct message_bytes *bytes,
                           const struct message_model *model, struct fault *fault)
{
    const struct infer_request *request = &message->request;
    if (!parse(message, bytes, model, fault))
        return false;
    const size_t count = request->output_count != 0 ? request->output_count : 1;
    for (size_t i = 0; i < count; i++)
        if (infer_output_form(request, i) == TENSOR_BINARY)
            return fault_set(fault, 400,
                             "outputs are sent as text here: binary_data and binary_data_output "
                             "are not possible");
    return true;
}

/* ---- a body that is the input's bytes and nothing else ---- */

/* One row, of as many steps as there are bytes for; where the model says how many steps there are,
 * as many rows. */
static size_t find_variable_axis(const struct signature_tensor *input)
{
    return input->shape[input->steps_axis] < 0 ? input->steps_axis : input->rows_axis;
}

static bool deduce_shape(const struct signature_tensor *input, size_t size, const char *model_name,
                         uint64_t *shape, struct fault *fault)
{
    const size_t variable = find_variable_axis(input);
    size_t unit = datatype_size(input->datatype);
    for (size_t i = 0; i < input->rank; i++) {
        shape[i] = input->shape[i] > 0 ? (uint64_t)input->shape[i] : 1;
        if (i != variable && !checked_mul(unit, shape[i], &unit))
            unit = SIZE_MAX;
    }
    shape[variable] = size / unit;
    return (size % unit == 0 && shape[variable] <= INT32_MAX) ||
           fault_set(fault, 400,
                     "unexpected size for input '%s', expecting a multiple of %zu bytes for model "
                     "'%s', got %zu",
                     input->name, unit, model_name, size);
}

static bool parse_raw(struct message *message, const struct message_bytes *bytes,
                      const struct message_model *model, struct fault *fault)
{
    const struct signature_tensor *input = signature_main_input(model->signature);
    const struct infer_span span = bytes->tail_count > 0 ? bytes->tail[0] : bytes->head;
    uint64_t shape[TENSOR_RANK_MAX];
    return deduce_shape(input, span.size, model->name, shape, fault) &&
           infer_request_raw(&message->request, input->name, input->datatype, shape, input->rank,
                             span, model->name, fault);
}

static bool parse_raw_for_json(struct message *message, const struct message_bytes *bytes,
                               const struct message_model *model, struct fault *fault)
{
    if (!parse_raw(message, bytes, model, fault))
        return false;
    message->request.parameters.binary_data_output = false;
    return true;
}

/* ---- answers ---- */

/* What the request says of its answer. */
static void complete(const struct message *message, struct infer_answer *answer)
{
    answer->id = message->request.id;
    for (size_t i = 0; i < answer->output_count; i++)
        answer->outputs[i].form = infer_output_form(&message->request, answer->outputs[i].wanted);
}

static bool plan(struct message *message, struct infer_answer *answer, size_t *scratch,
                 size_t *size)
{
    struct answer_classes *classes = &message->own.infer.classes;
    if (!answer_classes_plan(classes, &message->request, answer, scratch))
        return false;
    answer_classes_begin(classes);
    complete(message, answer);
    answer_classes_show(classes, answer);
    return infer_answer_size(answer, size);
}

static void place(struct message *message, void *memory)
{
    answer_classes_place(&message->own.infer.classes, memory);
}

static void begin(struct message *message)
{
    answer_classes_begin(&message->own.infer.classes);
    infer_answer_begin(&message->own.infer.answering);
}

static bool write(struct message *message, struct json_writer *writer, struct infer_answer *answer,
                  size_t limit, size_t *json_size)
{
    struct answer_classes *classes = &message->own.infer.classes;
    if (!answer_classes_make(classes, answer, &limit) || limit == 0)
        return false;
    complete(message, answer);
    answer_classes_show(classes, answer);
    return infer_answer_write(&message->own.infer.answering, writer, answer, limit, json_size);
}

const struct codec infer_codec = {parse, plan, place, begin, write};
const struct codec infer_text_codec = {parse_for_text, plan, place, begin, write};
const struct codec raw_codec = {parse_raw, plan, place, begin, write};
const struct codec raw_json_codec = {parse_raw_for_json, plan, place, begin, write};
