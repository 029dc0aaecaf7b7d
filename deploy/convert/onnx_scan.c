#include "deploy/convert/onnx_scan.h"

#include <stdint.h>
#include <string.h>

#include "deploy/convert/onnx.pb-c.h"
#include "proto/utf8.h"

#define DEPTH_MAX    64
#define MESSAGES_MAX ((size_t)1 << 20)

enum wire_type { WIRE_VARINT = 0, WIRE_64_BITS = 1, WIRE_BYTES = 2, WIRE_32_BITS = 5 };

/* A message whose fields are being read. */
struct level {
    const ProtobufCMessageDescriptor *message;
    size_t end;
    uint64_t met; /* optional messages that have been there, by their number in the descriptor */
};

struct scan {
    const unsigned char *bytes;
    size_t at;
    size_t messages;
    size_t depth;
    struct level levels[DEPTH_MAX]; /* [depth], the innermost last */
    struct fault *fault;
};

static bool fail(const struct scan *scan, const char *what)
{
    return fault_set(scan->fault, 400, "broken at byte %zu: %s", scan->at, what);
}

static bool read_varint(struct scan *scan, size_t end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (scan->at == end)
            return fail(scan, "a number is cut off");
        const unsigned char byte = scan->bytes[scan->at++];
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return fail(scan, "a number of more than 64 bits");
}

static bool skip(struct scan *scan, size_t end, uint64_t size)
{
    if (size > end - scan->at)
        return fail(scan, "a field that is longer than what holds it");
    scan->at += (size_t)size;
    return true;
}

static bool enter(struct scan *scan, const ProtobufCFieldDescriptor *field, uint64_t size)
{
    struct level *outer = &scan->levels[scan->depth - 1];
    const uint64_t bit = (uint64_t)1 << (field - outer->message->fields);
    if (size > outer->end - scan->at)
        return fail(scan, "a message that is longer than what holds it");
    if (field->label != PROTOBUF_C_LABEL_REPEATED && (outer->met & bit) != 0)
        return fail(scan, "a message is there twice where one is meant");
    if (scan->depth == DEPTH_MAX)
        return fail(scan, "messages in messages, deeper than 64");
    if (++scan->messages > MESSAGES_MAX)
        return fail(scan, "more than 2^20 messages");
    outer->met |= bit;
    scan->levels[scan->depth++] =
        (struct level){.message = field->descriptor, .end = scan->at + (size_t)size};
    return true;
}

static bool check_text(struct scan *scan, uint64_t size)
{
    const char *text = (const char *)scan->bytes + scan->at;
    if (size > scan->levels[scan->depth - 1].end - scan->at)
        return fail(scan, "a text that is longer than what holds it");
    if (!utf8_is_valid(text, (size_t)size) || memchr(text, '\0', (size_t)size) != NULL)
        return fail(scan, "a text that is not UTF-8");
    scan->at += (size_t)size;
    return true;
}

static bool read_bytes(struct scan *scan, const ProtobufCFieldDescriptor *field, size_t end)
{
    uint64_t size;
    if (!read_varint(scan, end, &size))
        return false;
    if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE)
        return enter(scan, field, size);
    if (field != NULL && field->type == PROTOBUF_C_TYPE_STRING)
        return check_text(scan, size);
    return skip(scan, end, size);
}

static bool read_field(struct scan *scan)
{
    const struct level *level = &scan->levels[scan->depth - 1];
    const size_t end = level->end;
    uint64_t tag, number;
    if (!read_varint(scan, end, &tag))
        return false;
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return fail(scan, "no such field number");
    switch (tag & 7) {
    case WIRE_VARINT:
        return read_varint(scan, end, &number);
    case WIRE_64_BITS:
        return skip(scan, end, 8);
    case WIRE_32_BITS:
        return skip(scan, end, 4);
    case WIRE_BYTES:
        return read_bytes(
            scan, protobuf_c_message_descriptor_get_field(level->message, (unsigned)(tag >> 3)),
            end);
    default:
        return fail(scan, "no such wire type");
    }
}

bool onnx_scan(const unsigned char *bytes, size_t size, struct fault *fault)
{
    struct scan scan = {.bytes = bytes, .depth = 1, .fault = fault};
    scan.levels[0] = (struct level){.message = &onnx_model__descriptor, .end = size};
    while (scan.depth > 0)
        if (scan.at == scan.levels[scan.depth - 1].end)
            scan.depth--;
        else if (!read_field(&scan))
            return false;
    return true;
}
