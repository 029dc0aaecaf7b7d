#include "proto/infer_parameters.h"

#include <string.h>

#include "proto/excerpt.h"
#include "proto/json_members.h"

/* ---- what may be asked ---- */

static bool read_sequence_id(struct json_reader *reader, void *context)
{
    struct infer_parameters *parameters = context;
    return sequence_id_read(reader, &parameters->sequence_id);
}

static bool read_sequence_start(struct json_reader *reader, void *context)
{
    struct infer_parameters *parameters = context;
    return json_read_bool(reader, &parameters->sequence_start);
}

static bool read_sequence_end(struct json_reader *reader, void *context)
{
    struct infer_parameters *parameters = context;
    return json_read_bool(reader, &parameters->sequence_end);
}

static bool read_priority(struct json_reader *reader, void *context)
{
    struct infer_parameters *parameters = context;
    return json_read_uint64(reader, &parameters->priority);
}

static bool read_timeout(struct json_reader *reader, void *context)
{
    struct infer_parameters *parameters = context;
    return json_read_uint64(reader, &parameters->timeout_us);
}

static bool read_binary_output(struct json_reader *reader, void *context)
{
    struct infer_parameters *parameters = context;
    return json_read_bool(reader, &parameters->binary_data_output);
}

static bool read_stream(struct json_reader *reader, void *context)
{
    struct infer_parameters *parameters = context;
    return json_read_bool(reader, &parameters->stream);
}

static bool read_stream_steps(struct json_reader *reader, void *context)
{
    struct infer_parameters *parameters = context;
    if (!json_read_uint64(reader, &parameters->stream_steps))
        return false;
    return parameters->stream_steps > 0 || json_fail(reader, "1 or more is wanted, got 0");
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

bool infer_parameters_read(struct json_reader *reader, struct infer_parameters *parameters)
{
    static const struct json_member known[] = {
        {"sequence_id", false, read_sequence_id},
        {"sequence_start", false, read_sequence_start},
        {"sequence_end", false, read_sequence_end},
        {"priority", false, read_priority},
        {"timeout", false, read_timeout},
        {"binary_data_output", false, read_binary_output},
        {"stream", false, read_stream},
        {"stream_steps", false, read_stream_steps},
    };
    return JSON_READ_MEMBERS(reader, known, skip_unknown, parameters);
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
    JSON_KEY(writer, "parameters");
    json_open_object(writer);
    if (is_of_sequence(answer)) {
        JSON_KEY(writer, "sequence_id");
        sequence_id_write(answer->sequence_id, writer);
        JSON_KEY(writer, "steps");
        json_uint64(writer, answer->steps);
    }
    if (answer->part.given) {
        JSON_KEY(writer, "first_step");
        json_uint64(writer, answer->part.first_step);
        JSON_KEY(writer, "final");
        json_bool(writer, answer->part.final);
    }
    json_close_object(writer);
}
