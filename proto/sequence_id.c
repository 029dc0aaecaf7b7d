#include "proto/sequence_id.h"

#include <string.h>

struct sequence_id sequence_id_of_number(uint64_t number)
{
    return (struct sequence_id){
        .kind = number != 0 ? SEQUENCE_ID_NUMBER : SEQUENCE_ID_NONE,
        .number = number,
    };
}

/* U+0000 to U+001F, U+007F, and U+0080 to U+009F, which UTF-8 writes with a 0xc2 before them. */
static bool has_control(const char *text)
{
    for (unsigned char before = 0; *text != '\0'; before = (unsigned char)*text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte < 0xa0))
            return true;
    }
    return false;
}

bool sequence_id_of_text(const char *text, struct sequence_id *id)
{
    const size_t size = strlen(text);
    if (size >= SEQUENCE_ID_MAX || has_control(text))
        return false;
    *id = (struct sequence_id){.kind = size != 0 ? SEQUENCE_ID_TEXT : SEQUENCE_ID_NONE};
    memcpy(id->text, text, size);
    return true;
}

bool sequence_id_equal(const struct sequence_id *a, const struct sequence_id *b)
{
    return a->kind == b->kind && a->number == b->number && strcmp(a->text, b->text) == 0;
}

void sequence_id_write(const struct sequence_id *id, struct json_writer *writer)
{
    if (id->kind == SEQUENCE_ID_TEXT)
        json_string(writer, id->text);
    else
        json_uint64(writer, id->number);
}
