#include "proto/infer_parameters.h"

#include <string.h>

#include "proto/excerpt.h"

/* ---- what may be asked ---- */

static bool read_sequence_id(struct json_reader *reader, struct infer_parameters *parameters)
{
    char text[INFER_ID_MAX];
    uint64_t number;
    if (json_peek(reader) == JSON_STRING) {
        if (!json_read_string(reader, text, sizeof text))
            return false;
        return sequence_id_of_text(text, &parameters->sequence_id) ||
               json_fail(reader, "at most %d bytes without control characters are wanted, got '%s'",
                         SEQUENCE_ID_MAX - 1, excerpt_of(text).text);
    }
    if (!json_read_uint64(reader, &number))
        return false;
    parameters->sequence_id = sequence_id_of_number(number);
    return true;
}

static bool read_sequence_start(struct json_reader *reader, struct infer_parameters *parameters)
{
    return json_read_bool(reader, &parameters->sequence_start);
}

static bool read_sequence_end(struct json_reader *reader, struct infer_parameters *parameters)
{
    return json_read_bool(reader, &parameters->sequence_end);
}

static bool read_priority(struct json_reader *reader, struct infer_parameters *parameters)
{
    return json_read_uint64(reader, &parameters->priority);
}

static bool read_timeout(struct json_reader *reader, struct infer_parameters *parameters)
{
    return json_read_uint64(reader, &parameters->timeout_us);
}

static bool read_binary_output(struct json_reader *reader, struct infer_parameters *parameters)
{
    return json_read_bool(reader, &parameters->binary_data_output);
}

static bool read_stream(struct json_reader *reader, struct infer_parameters *parameters)
{
    return json_read_bool(reader, &parameters->stream);
}

static bool read_stream_steps(struct json_reader *reader, struct infer_parameters *parameters)
{
    if (!json_read_uint64(reader, &parameters->stream_steps))
        return false;
    return parameters->stream_steps > 0 || json_fail(reader, "1 or more is wanted, got 0");
}

static const struct parameter {
    const char *name;
    bool (*read)(struct json_reader *reader, struct infer_parameters *parameters);
} known[] = {
    {"sequence_id", read_sequence_id},
    {"sequence_start", read_sequence_start},
    {"sequence_end", read_sequence_end},
    {"priority", read_priority},
    {"timeout", read_timeout},
    {"binary_data_output", read_binary_output},
    {"stream", read_stream},
    {"stream_steps", read_stream_steps},
};

enum { KNOWN_COUNT = sizeof known / sizeof *known };

static size_t find(const char *name)
{
    size_t i = 0;
    while (i < KNOWN_COUNT && strcmp(known[i].name, name) != 0)
        i++;
    return i;
}

/* Names beginning so are what servers keep for themselves: a client that sends one expects what is
 * not done. */
static bool skip_unknown(struct json_reader *reader, const char *name)
{
    static const char reserved[] = "triton_";
    if (strncmp(name, reserved, sizeof reserved - 1) == 0)
        return json_fail(reader, "a name not beginning with '%s' is wanted, got '%s'", reserved,
                         excerpt_of(name).text);
    return json_skip(reader, NULL, NULL);
}

bool infer_parameters_read(struct json_reader *reader, struct infer_parameters *parameters,
                           bool *placed)
{
    char name[JSON_KEY_MAX];
    unsigned seen = 0;
    *placed = false;
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, name, sizeof name)) {
        const size_t i = find(name);
        if (i == KNOWN_COUNT) {
            if (!skip_unknown(reader, name))
                return false;
            continue;
        }
        if ((seen >> i & 1) != 0)
            return json_fail(reader, "'%s' is given twice", name);
        seen |= 1u << i;
        if (!known[i].read(reader, parameters)) {
            *placed = true;
            return fault_prefix(reader->fault, "%s", known[i].name);
        }
    }
    return !reader->failed;
}

/* ---- what is answered ---- */

static bool is_of_sequence(const struct infer_answer *answer)
{
    return answer->sequence_id != NULL && answer->sequence_id->kind != SEQUENCE_ID_NONE;
}

bool infer_answer_has_parameters(const struct infer_answer *answer)
{
    return is_of_sequence(answer) || answer->part.given;
}

void infer_answer_write_parameters(const struct infer_answer *answer, struct json_writer *writer)
{
    json_key(writer, "parameters");
    json_open_object(writer);
    if (is_of_sequence(answer)) {
        json_key(writer, "sequence_id");
        sequence_id_write(answer->sequence_id, writer);
        json_key(writer, "steps");
        json_uint64(writer, answer->steps);
    }
    if (answer->part.given) {
        json_key(writer, "first_step");
        json_uint64(writer, answer->part.first_step);
        json_key(writer, "final");
        json_bool(writer, answer->part.final);
    }
    json_close_object(writer);
}
