#include "proto/zmq_message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/excerpt.h"
#include "proto/json_members.h"
#include "proto/json_writer.h"

/* The routing ids of so many proxies, and the empty frame. */
#define ENVELOPE_MAX 9

static const char *const op_names[] = {
    [ZMQ_INFER] = "infer",       [ZMQ_LIVE] = "live",   [ZMQ_READY] = "ready",
    [ZMQ_METADATA] = "metadata", [ZMQ_STATS] = "stats",
};

/* ---- frames ---- */

static bool is_object(const struct infer_span *frame)
{
    size_t i = 0;
    while (i < frame->size && frame->data[i] != '\0' && strchr(" \t\r\n", frame->data[i]) != NULL)
        i++;
    return i < frame->size && frame->data[i] == '{';
}

size_t zmq_envelope_size(const struct infer_span *frames, size_t count)
{
    assert(count > 0);
    if (is_object(&frames[0]))
        return 0;
    for (size_t i = 0; i < count && i < ENVELOPE_MAX; i++)
        if (frames[i].size == 0)
            return i + 1;
    return 0;
}

/* ---- header ---- */

struct reading {
    struct zmq_header *header;
    char op[JSON_KEY_MAX];
};

/* Judged when all is read, so that a wrong one is answered with the id. */
static bool read_op(struct json_reader *reader, void *context)
{
    struct reading *reading = context;
    return json_read_string(reader, reading->op, sizeof reading->op);
}

static bool read_id(struct json_reader *reader, void *context)
{
    struct reading *reading = context;
    return json_read_string(reader, reading->header->id, sizeof reading->header->id);
}

static bool read_model_name(struct json_reader *reader, void *context)
{
    struct reading *reading = context;
    return json_read_string(reader, reading->header->model_name,
                            sizeof reading->header->model_name);
}

static bool read_model_version(struct json_reader *reader, void *context)
{
    struct reading *reading = context;
    return json_read_string(reader, reading->header->model_version,
                            sizeof reading->header->model_version);
}

static bool read_stream(struct json_reader *reader, void *context)
{
    struct reading *reading = context;
    return json_read_bool(reader, &reading->header->stream);
}

static bool read_parameters(struct json_reader *reader, void *context)
{
    static const struct json_member members[] = {{"stream", false, read_stream}};
    return json_peek(reader) == JSON_OBJECT ? JSON_READ_MEMBERS(reader, members, NULL, context)
                                            : json_skip(reader, NULL, NULL);
}

/* Data in JSON is long, and read by the infer message's own reader: here it is only stepped over.
 */
static bool skip_inputs(struct json_reader *reader, void *context)
{
    char key[JSON_KEY_MAX];
    (void)context;
    if (json_peek(reader) != JSON_ARRAY)
        return json_skip(reader, NULL, NULL);
    if (!json_enter_array(reader))
        return false;
    while (json_next_element(reader)) {
        if (json_peek(reader) != JSON_OBJECT) {
            json_skip(reader, NULL, NULL);
            continue;
        }
        json_enter_object(reader);
        while (json_next_member(reader, key, sizeof key)) {
            if (strcmp(key, "data") == 0 && json_peek(reader) == JSON_ARRAY)
                json_skip_numbers(reader, NULL, NULL, NULL);
            else
                json_skip(reader, NULL, NULL);
        }
    }
    return !reader->failed;
}

static bool read_object(struct reading *reading, const struct infer_span *text, struct fault *fault)
{
    static const struct json_member members[] = {
        {"op", false, read_op},
        {"id", false, read_id},
        {"model_name", false, read_model_name},
        {"model_version", false, read_model_version},
        {"stream", false, read_stream},
        {"parameters", false, read_parameters},
        {"inputs", false, skip_inputs},
    };
    struct json_reader reader;
    json_reader_init(&reader, text->data, text->size, fault);
    return JSON_READ_MEMBERS(&reader, members, NULL, reading) && json_finish(&reader);
}

/* The id stands behind what is wrong as often as before it. Where it cannot be read, none is. */
static void find_id(struct reading *reading, const struct infer_span *text)
{
    static const struct json_member members[] = {{"id", false, read_id}};
    struct json_reader reader;
    struct fault ignored;
    json_reader_init(&reader, text->data, text->size, &ignored);
    JSON_READ_MEMBERS(&reader, members, NULL, reading);
}

static bool find_op(const char *name, enum zmq_op *op, struct fault *fault)
{
    for (size_t i = 0; i < sizeof op_names / sizeof *op_names; i++) {
        if (strcmp(name, op_names[i]) == 0) {
            *op = (enum zmq_op)i;
            return true;
        }
    }
    return fault_set(fault, 400, "op: infer, live, ready, metadata or stats is wanted, got '%s'",
                     excerpt_of(name).text);
}

bool zmq_header_read(struct zmq_header *header, const struct infer_span *text, struct fault *fault)
{
    struct reading reading = {.header = header, .op = "infer"};
    header->op = ZMQ_INFER;
    header->stream = false;
    header->id[0] = header->model_name[0] = header->model_version[0] = '\0';
    if (text->size == 0)
        return fault_set(fault, 400, "a header, a JSON object, is wanted, got an empty frame");
    if (!read_object(&reading, text, fault)) {
        if (header->id[0] == '\0')
            find_id(&reading, text);
        return false;
    }
    if (!find_op(reading.op, &header->op, fault))
        return false;
    return header->op != ZMQ_INFER || header->model_name[0] != '\0' ||
           fault_set(fault, 400, "'model_name' is missing");
}

/* ---- answer ---- */

bool zmq_answer_complete(char **body, size_t *size, int status, const char *id)
{
    struct json_writer writer;
    char *text;
    size_t added;
    assert(*size > 2 && (*body)[*size - 1] == '}');
    json_writer_init(&writer);
    writer.comma = true; /* the object has members already */
    if (status != 200) {
        json_key(&writer, "status");
        json_int64(&writer, status);
    }
    if (id[0] != '\0') {
        json_key(&writer, "id");
        json_string(&writer, id);
    }
    json_close_object(&writer);
    if (!json_writer_take(&writer, &text, &added))
        return false;
    char *longer = realloc(*body, *size - 1 + added);
    if (longer != NULL) {
        memcpy(longer + *size - 1, text, added);
        *body = longer;
        *size += added - 1;
    }
    free(text);
    return longer != NULL;
}
