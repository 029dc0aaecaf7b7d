/* A connection's bytes: however they are cut into pieces they are followed to the same place, and
 * what is whole ends where its own lengths say. Input: the bytes; the first one says how to cut. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/http_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct http_stream *a, const struct http_stream *b)
{
    assert(a->place == b->place && a->whole == b->whole && a->fault == b->fault);
    assert(a->place == STREAM_FAULT || (a->left == b->left && a->head == b->head));
}

/* What a request may have of bytes that a line's end or a NUL could hide in. */
static void check_good(const char *bytes, size_t size)
{
    struct http_stream stream;
    char before = 0; /* the last byte of a line */
    http_stream_init(&stream);
    for (size_t i = 0; i < size; i++) {
        const enum http_stream_place place = stream.place;
        const bool inside =
            place == STREAM_BODY || place == STREAM_CHUNK || place == STREAM_UNKNOWN;
        assert(http_stream_follow(&stream, bytes + i, 1) == 1);
        assert(stream.place != STREAM_FAULT);
        assert(inside || (bytes[i] != '\0' && bytes[i] != 0x7f));
        assert(inside || (bytes[i] == '\n') == (before == '\r'));
        before = inside ? 0 : bytes[i];
    }
    assert(stream.place == STREAM_BEFORE || size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const size_t piece = data[0] + 1u;
    char *bytes = malloc(size);
    assert(bytes != NULL);
    memcpy(bytes, data + 1, --size);
    struct http_stream once, pieces;
    http_stream_init(&once);
    http_stream_init(&pieces);
    const size_t good = http_stream_follow(&once, bytes, size);
    assert(good <= size && (good == size || once.place == STREAM_FAULT));
    for (size_t at = 0; at < size && pieces.place != STREAM_FAULT; at += piece)
        http_stream_follow(&pieces, bytes + at, size - at < piece ? size - at : piece);
    check_same(&once, &pieces);
    if (once.place == STREAM_FAULT)
        check_good(bytes, good);
    free(bytes);
    return 0;
}
