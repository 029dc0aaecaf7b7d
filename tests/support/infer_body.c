#include "tests/support/infer_body.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/die.h"

void infer_body_begin(struct infer_body *body, const char *id)
{
    struct json_writer *writer = &body->writer;
    json_writer_init(writer);
    json_open_object(writer);
    if (id != NULL) {
        json_key(writer, "id");
        json_string(writer, id);
    }
    json_key(writer, "inputs");
    json_open_array(writer);
}

void infer_body_begin_sequence(struct infer_body *body, const struct sequence_id *id, bool start,
                               bool end)
{
    struct json_writer *writer = &body->writer;
    json_writer_init(writer);
    json_open_object(writer);
    json_key(writer, "parameters");
    json_open_object(writer);
    if (id != NULL) {
        json_key(writer, "sequence_id");
        sequence_id_write(id, writer);
    }
    json_key(writer, "sequence_start");
    json_bool(writer, start);
    json_key(writer, "sequence_end");
    json_bool(writer, end);
    json_close_object(writer);
    json_key(writer, "inputs");
    json_open_array(writer);
}

/* Everything of an input up to its data; returns the number of elements. */
static size_t begin_input(struct json_writer *writer, const char *name, const char *datatype,
                          size_t rank, const size_t *shape)
{
    size_t elements = 1;
    json_open_object(writer);
    json_key(writer, "name");
    json_string(writer, name);
    json_key(writer, "datatype");
    json_string(writer, datatype);
    json_key(writer, "shape");
    json_open_array(writer);
    for (size_t i = 0; i < rank; i++) {
        json_uint64(writer, shape[i]);
        elements *= shape[i];
    }
    json_close_array(writer);
    json_key(writer, "data");
    return elements;
}

void infer_body_f32(struct infer_body *body, const char *name, size_t rank, const size_t *shape,
                    const float *values)
{
    struct json_writer *writer = &body->writer;
    const size_t elements = begin_input(writer, name, "FP32", rank, shape);
    json_floats(writer, values, elements);
    json_close_object(writer);
}

void infer_body_i64(struct infer_body *body, const char *name, size_t rank, const size_t *shape,
                    const int64_t *values)
{
    struct json_writer *writer = &body->writer;
    const size_t elements = begin_input(writer, name, "INT64", rank, shape);
    json_open_array(writer);
    for (size_t i = 0; i < elements; i++)
        json_int64(writer, values[i]);
    json_close_array(writer);
    json_close_object(writer);
}

char *infer_body_end(struct infer_body *body, size_t *size)
{
    struct json_writer *writer = &body->writer;
    json_close_array(writer);
    json_close_object(writer);

    char *text;
    if (!json_writer_take(writer, &text, size))
        die("no memory for a request");
    char *terminated = must_allocate(*size + 1);
    memcpy(terminated, text, *size);
    free(text);
    return terminated;
}
