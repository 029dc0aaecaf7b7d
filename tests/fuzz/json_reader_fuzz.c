/* Whatever the bytes: what is refused says why and where; what is accepted by one way of reading is
 * accepted by the other, and every string in it comes back through the writer unchanged. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_reader.h"
#include "proto/json_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool check_string(const char *value)
{
    struct json_writer writer;
    struct json_reader reader;
    struct fault fault = {0};
    char *text, back[64];
    size_t size;
    json_writer_init(&writer);
    json_string(&writer, value);
    assert(json_writer_take(&writer, &text, &size));
    json_reader_init(&reader, text, size, &fault);
    assert(json_read_string(&reader, back, sizeof back) && json_finish(&reader));
    assert(strcmp(back, value) == 0);
    free(text);
    return true;
}

/* Reads the value reached in the way of a program: by its type, members and elements one by one. */
static bool read_one(struct json_reader *reader)
{
    char text[64];
    switch (json_peek(reader)) {
    case JSON_STRING:
        return json_read_string(reader, text, sizeof text) && check_string(text);
    case JSON_ARRAY:
        return json_enter_array(reader);
    case JSON_OBJECT:
        return json_enter_object(reader);
    default: /* numbers, null, true, false */
        return json_skip(reader, NULL, NULL);
    }
}

static bool read_all(struct json_reader *reader)
{
    char key[64];
    do {
        if (!read_one(reader))
            return false;
        while (reader->depth > 0 &&
               !(reader->object[reader->depth - 1] ? json_next_member(reader, key, sizeof key)
                                                   : json_next_element(reader)))
            if (reader->failed)
                return false;
    } while (reader->depth > 0);
    return json_finish(reader);
}

/* Returns whether the text is good. */
static bool check(const char *text, size_t size, bool words)
{
    struct json_reader reader;
    struct fault skip_fault = {0}, fault = {0};
    const char *span = NULL;
    size_t span_size;
    json_reader_init(&reader, text, size, &skip_fault);
    reader.words = words;
    const bool skipped = json_skip(&reader, &span, &span_size) && json_finish(&reader);
    assert(skipped ? skip_fault.status == 0 : strstr(skip_fault.text, " at byte ") != NULL);
    assert(!skipped || (span >= text && span_size > 0 && span + span_size <= text + size));

    json_reader_init(&reader, text, size, &fault);
    reader.words = words;
    const bool read = read_all(&reader); /* which has limits that skipping has not */
    assert(read == (fault.status == 0) && (skipped || !read));
    return skipped;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const bool strictly = check(text, size, false), with_words = check(text, size, true);
    assert(with_words || !strictly);
    return 0;
}
