#include "proto/sequence_id.h"

#include <stdio.h>
#include <string.h>

#include "proto/utf8.h"

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

int sequence_id_compare(const struct sequence_id *a, const struct sequence_id *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return strcmp(a->text, b->text);
}

bool sequence_id_read(struct json_reader *reader, struct sequence_id *id)
{
    char text[JSON_KEY_MAX]; /* room for what is somewhat too long, so that it is said so */
    uint64_t number;
    if (json_peek(reader) == JSON_STRING) {
        if (!json_read_string(reader, text, sizeof text))
            return false;
        return sequence_id_of_text(text, id) ||
               json_fail(reader, "at most %d bytes without control characters are wanted, got '%s'",
                         SEQUENCE_ID_MAX - 1, excerpt_of(text).text);
    }
    if (!json_read_uint64(reader, &number))
        return false;
    *id = sequence_id_of_number(number);
    return true;
}

void sequence_id_write(const struct sequence_id *id, struct json_writer *writer)
{
    if (id->kind == SEQUENCE_ID_TEXT)
        json_string(writer, id->text);
    else
        json_uint64(writer, id->number);
}

struct excerpt sequence_id_excerpt(const struct sequence_id *id)
{
    char text[SEQUENCE_ID_MAX + 2];
    if (id->kind == SEQUENCE_ID_TEXT)
        snprintf(text, sizeof text, "'%s'", id->text);
    else
        snprintf(text, sizeof text, "%ju", (uintmax_t)id->number);
    return excerpt_of(text);
}

/* ---- URLs ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Undoes the percent-encoding, into out[capacity] with a NUL. */
static bool decode(const char *segment, size_t size, char *out, size_t capacity,
                   struct fault *fault)
{
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        char byte = segment[i];
        if (byte == '%') {
            const int high = size - i > 2 ? hex_value(segment[i + 1]) : -1;
            const int low = size - i > 2 ? hex_value(segment[i + 2]) : -1;
            if (high < 0 || low < 0)
                return fault_set(fault, 400, "two hexadecimal digits expected after '%%'");
            byte = (char)(high << 4 | low);
            i += 2;
        }
        if (byte == '\0')
            return fault_set(fault, 400, "an id without a NUL expected");
        if (length + 1 == capacity)
            return fault_set(fault, 400, "an id of at most %d bytes expected", SEQUENCE_ID_MAX - 1);
        out[length++] = byte;
    }
    out[length] = '\0';
    return utf8_is_valid(out, length) || fault_set(fault, 400, "an id in UTF-8 expected");
}

/* Digits as they are printed, no others. */
static bool is_number(const char *text, uint64_t *number)
{
    char printed[24];
    *number = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || c - text == 20)
            return false;
        *number = *number * 10 + (uint64_t)(*c - '0');
    }
    snprintf(printed, sizeof printed, "%ju", (uintmax_t)*number);
    return strcmp(printed, text) == 0;
}

bool sequence_id_read_url(const char *segment, size_t size, struct sequence_id *id,
                          struct fault *fault)
{
    char decoded[SEQUENCE_ID_MAX + 2]; /* and two quotes */
    uint64_t number;
    if (!decode(segment, size, decoded, sizeof decoded, fault))
        return fault_prefix(fault, "sequence id");
    char *text = decoded;
    const size_t length = strlen(text);
    if (is_number(text, &number)) {
        *id = sequence_id_of_number(number);
        return id->kind != SEQUENCE_ID_NONE ||
               fault_set(fault, 400, "sequence id: a number above 0 or a text expected, got 0");
    }
    if (length >= 2 && text[0] == '"' && text[length - 1] == '"') {
        text[length - 1] = '\0';
        text++;
    }
    if (!sequence_id_of_text(text, id) || id->kind == SEQUENCE_ID_NONE)
        return fault_set(fault, 400,
                         "sequence id: 1 to %d bytes without control characters expected",
                         SEQUENCE_ID_MAX - 1);
    return true;
}
