#include "tests/bench/load_body.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "proto/json_writer.h"
#include "tests/support/die.h"

struct tensor {
    const char *name;
    size_t shape[3];
};

static size_t count_of(const struct tensor *tensor)
{
    size_t count;
    if (!checked_mul(tensor->shape[0], tensor->shape[1], &count) ||
        !checked_mul(count, tensor->shape[2], &count) || count > SIZE_MAX / 64)
        die("lstm-load: '%s' is too large a tensor", tensor->name);
    return count;
}

static void append_binary(struct load_body *body, const float *values, size_t bytes)
{
    body->tensors = realloc(body->tensors, body->tensors_size + bytes);
    if (body->tensors == NULL)
        die("lstm-load: no memory for binary tensors");
    memcpy(body->tensors + body->tensors_size, values, bytes);
    body->tensors_size += bytes;
}

static void write_values(struct json_writer *writer, struct load_body *body, const float *values,
                         size_t count, bool binary)
{
    if (!binary) {
        json_key(writer, "data");
        json_floats(writer, values, count);
        return;
    }
    json_key(writer, "parameters");
    json_open_object(writer);
    json_key(writer, "binary_data_size");
    json_uint64(writer, count * sizeof *values);
    json_close_object(writer);
    append_binary(body, values, count * sizeof *values);
}

static void write_tensor(struct json_writer *writer, struct load_body *body,
                         const struct tensor *tensor, bool binary, struct random *random)
{
    const size_t count = count_of(tensor);
    float *values = must_allocate(count * sizeof *values);
    random_floats(random, values, count, 1);
    json_open_object(writer);
    json_key(writer, "name");
    json_string(writer, tensor->name);
    json_key(writer, "datatype");
    json_string(writer, "FP32");
    json_key(writer, "shape");
    json_open_array(writer);
    for (size_t i = 0; i < 3; i++)
        json_uint64(writer, tensor->shape[i]);
    json_close_array(writer);
    write_values(writer, body, values, count, binary);
    json_close_object(writer);
    free(values);
}

static void write_inputs(struct json_writer *writer, struct load_body *body,
                         const struct load_model *model, size_t steps, size_t batch, bool binary,
                         struct random *random)
{
    const struct tensor input = {model->input, {steps, batch, model->input_size}};
    write_tensor(writer, body, &input, binary, random);
    for (size_t i = 0; i < model->state_count; i++) {
        const struct load_state *state = &model->states[i];
        const struct tensor tensor = {state->name, {state->layers, batch, state->size}};
        write_tensor(writer, body, &tensor, binary, random);
    }
}

void load_body_init(struct load_body *body, const struct load_model *model, size_t steps,
                    size_t batch, bool binary, struct random *random)
{
    *body = (struct load_body){0};
    struct json_writer writer;
    json_writer_init(&writer);
    json_open_object(&writer);
    json_key(&writer, "inputs");
    json_open_array(&writer);
    write_inputs(&writer, body, model, steps, batch, binary, random);
    json_close_array(&writer);
    json_close_object(&writer);
    if (!json_writer_take(&writer, &body->json, &body->json_size))
        die("lstm-load: no memory for a request of %zu steps", steps);
    /* The brace it begins with stands in the opening. */
    memmove(body->json, body->json + 1, --body->json_size);
}

void load_body_fini(struct load_body *body)
{
    free(body->json);
    free(body->tensors);
}

void load_opening_write(char opening[LOAD_OPENING_MAX], const struct load_sequence *sequence,
                        bool binary)
{
    const char *outputs = binary ? "\"binary_data_output\":true" : "";
    if (sequence->id == 0) {
        snprintf(opening, LOAD_OPENING_MAX, binary ? "{\"parameters\":{%s}," : "{%s", outputs);
        return;
    }
    snprintf(opening, LOAD_OPENING_MAX,
             "{\"parameters\":{%s%s\"sequence_id\":%" PRIu64 ",\"sequence_start\":%s,"
             "\"sequence_end\":%s},",
             outputs, binary ? "," : "", sequence->id, sequence->start ? "true" : "false",
             sequence->end ? "true" : "false");
}
