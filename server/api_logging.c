#include "server/api_logging.h"

#include <string.h>

#include "proto/json_reader.h"
#include "server/log.h"

bool api_logging(struct api_call *call, struct fault *fault)
{
    struct json_writer *writer = call->writer;
    (void)fault;
    json_open_object(writer);
    api_write_member(writer, "log_file", "");
    json_key(writer, "log_info");
    json_bool(writer, true);
    json_key(writer, "log_warning");
    json_bool(writer, true);
    json_key(writer, "log_error");
    json_bool(writer, true);
    json_key(writer, "log_verbose_level");
    json_uint64(writer, log_requests() ? 1 : 0);
    api_write_member(writer, "log_format", "default");
    json_close_object(writer);
    return true;
}

/* A setting that is what it is; sending it back is no change. */
static bool refuse(struct json_reader *reader)
{
    json_fail(reader, "cannot be changed");
    reader->fault->status = 501;
    return false;
}

static bool read_fixed_text(struct json_reader *reader, const char *fixed)
{
    char text[256];
    return json_read_string(reader, text, sizeof text) &&
           (strcmp(text, fixed) == 0 || refuse(reader));
}

static bool read_fixed_true(struct json_reader *reader)
{
    bool value;
    return json_read_bool(reader, &value) && (value || refuse(reader));
}

static bool read_setting(struct json_reader *reader, const char *key, uint64_t *level)
{
    if (strcmp(key, "log_file") == 0)
        return read_fixed_text(reader, "");
    if (strcmp(key, "log_format") == 0)
        return read_fixed_text(reader, "default");
    if (strcmp(key, "log_info") == 0 || strcmp(key, "log_warning") == 0 ||
        strcmp(key, "log_error") == 0)
        return read_fixed_true(reader);
    if (strcmp(key, "log_verbose_level") == 0)
        return json_read_uint64(reader, level);
    return json_fail(reader, "unknown key");
}

static bool read_settings(struct json_reader *reader, uint64_t *level)
{
    char key[64];
    if (!json_enter_object(reader))
        return false;
    while (json_next_member(reader, key, sizeof key))
        if (!read_setting(reader, key, level))
            return fault_prefix(reader->fault, "%s", key);
    return json_finish(reader);
}

bool api_logging_update(struct api_call *call, struct fault *fault)
{
    struct json_reader reader;
    uint64_t level = log_requests();
    json_reader_init(&reader, call->body, call->body_size, fault);
    if (!read_settings(&reader, &level))
        return false;
    log_set_requests(level > 0);
    return api_logging(call, fault);
}
