#include "server/compression.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

/* What zlib takes for itself (zconf.h has the formulas), and then some for its structs. */
#define INFLATER_MEMORY ((size_t)48 << 10)
#define DEFLATER_MEMORY ((size_t)280 << 10)

/* Unpacked at a time, on the stack. */
#define PIECE ((size_t)16 << 10)

/* Packed in one step. */
#define STEP ((size_t)32 << 10)

/* The fastest: what is packed are numbers, of which slower levels make hardly less. */
#define LEVEL 1

#define MEMORY_LEVEL 8

static int window_bits(enum content_coding coding)
{
    return coding == CODING_GZIP ? MAX_WBITS + 16 : MAX_WBITS;
}

/* ---- unpacking ---- */

struct inflater {
    z_stream stream;
    enum content_coding coding;
    bool ended; /* at the end of a whole packed piece; of those gzip allows several */
    struct budget *budget;
};

struct inflater *inflater_create(enum content_coding coding, struct budget *budget,
                                 struct fault *fault)
{
    assert(coding != CODING_IDENTITY);
    if (!budget_take(budget, INFLATER_MEMORY, 0, fault))
        return NULL;
    struct inflater *inflater = calloc(1, sizeof *inflater);
    if (inflater != NULL && inflateInit2(&inflater->stream, window_bits(coding)) == Z_OK) {
        inflater->coding = coding;
        inflater->budget = budget;
        return inflater;
    }
    free(inflater);
    budget_give(budget, INFLATER_MEMORY);
    fault_set(fault, 503, "out of memory");
    return NULL;
}

void inflater_destroy(struct inflater *inflater)
{
    if (inflater == NULL)
        return;
    inflateEnd(&inflater->stream);
    budget_give(inflater->budget, INFLATER_MEMORY);
    free(inflater);
}

static bool fail_format(const struct inflater *inflater, const char *why, struct fault *fault)
{
    return fault_set(fault, 400, "the body is not what its Content-Encoding, %s, says: %s",
                     content_coding_name(inflater->coding), why);
}

/* Bytes behind an end: the next piece's. */
static bool begin_next(struct inflater *inflater, struct fault *fault)
{
    if (inflater->coding != CODING_GZIP)
        return fail_format(inflater, "there are bytes behind its end", fault);
    inflater->ended = false;
    return inflateReset(&inflater->stream) == Z_OK || fail_format(inflater, "unknown error", fault);
}

/* *full: there may be more to come out of what was put in. */
static bool unpack(struct inflater *inflater, struct body *body, bool *full, struct fault *fault)
{
    char piece[PIECE];
    z_stream *stream = &inflater->stream;
    stream->next_out = (Bytef *)piece;
    stream->avail_out = sizeof piece;
    const int result = inflate(stream, Z_NO_FLUSH);
    const size_t size = sizeof piece - stream->avail_out;
    *full = stream->avail_out == 0;
    if (result == Z_MEM_ERROR)
        return fault_set(fault, 503, "out of memory");
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        return fail_format(inflater, stream->msg != NULL ? stream->msg : "unknown error", fault);
    inflater->ended = result == Z_STREAM_END;
    return size == 0 || body_append(body, piece, size, fault);
}

bool inflater_append(struct inflater *inflater, const char *data, size_t size, struct body *body,
                     struct fault *fault)
{
    z_stream *stream = &inflater->stream;
    bool full = false;
    while (size > 0 || stream->avail_in > 0 || (full && !inflater->ended)) {
        if (stream->avail_in == 0 && size > 0) {
            stream->next_in = (const Bytef *)data;
            stream->avail_in = size < UINT_MAX ? (uInt)size : UINT_MAX;
            data += stream->avail_in;
            size -= stream->avail_in;
        }
        if (inflater->ended && !begin_next(inflater, fault))
            return false;
        if (!unpack(inflater, body, &full, fault))
            return false;
    }
    return true;
}

bool inflater_finish(const struct inflater *inflater, struct fault *fault)
{
    return inflater->ended || fail_format(inflater, "it ends too early", fault);
}

/* ---- packing ---- */

struct deflater {
    z_stream stream;
    size_t left; /* of what is to be packed, behind the stream's avail_in */
    char *out;
    size_t capacity; /* less than what is packed: where that does not suffice nothing is gained */
    struct budget *budget;
    size_t charge;
};

static bool start(struct deflater *deflater, enum content_coding coding)
{
    z_stream *stream = &deflater->stream;
    deflater->out = malloc(deflater->capacity);
    return deflater->out != NULL && deflateInit2(stream, LEVEL, Z_DEFLATED, window_bits(coding),
                                                 MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
}

struct deflater *deflater_create(enum content_coding coding, const char *data, size_t size,
                                 struct budget *budget)
{
    struct fault fault;
    assert(coding != CODING_IDENTITY);
    if (size > SIZE_MAX - DEFLATER_MEMORY ||
        !budget_take(budget, DEFLATER_MEMORY + size, 0, &fault))
        return NULL;
    struct deflater *deflater = calloc(1, sizeof *deflater);
    if (deflater != NULL) {
        deflater->left = size;
        deflater->capacity = size;
        deflater->stream.next_in = (const Bytef *)data;
        if (start(deflater, coding)) {
            deflater->stream.next_out = (Bytef *)deflater->out;
            deflater->budget = budget;
            deflater->charge = DEFLATER_MEMORY + size;
            return deflater;
        }
        free(deflater->out);
    }
    free(deflater);
    budget_give(budget, DEFLATER_MEMORY + size);
    return NULL;
}

void deflater_destroy(struct deflater *deflater)
{
    if (deflater == NULL)
        return;
    deflateEnd(&deflater->stream);
    free(deflater->out);
    budget_give(deflater->budget, deflater->charge);
    free(deflater);
}

static size_t packed(const struct deflater *deflater)
{
    return (size_t)((char *)deflater->stream.next_out - deflater->out);
}

enum deflater_progress deflater_step(struct deflater *deflater)
{
    z_stream *stream = &deflater->stream;
    const size_t size = deflater->left < STEP ? deflater->left : STEP;
    const size_t room = deflater->capacity - packed(deflater);
    deflater->left -= size;
    stream->avail_in = (uInt)size;
    stream->avail_out = room < UINT_MAX ? (uInt)room : UINT_MAX;
    const int result = deflate(stream, deflater->left > 0 ? Z_NO_FLUSH : Z_FINISH);
    if (result == Z_STREAM_END)
        return DEFLATER_DONE;
    return result == Z_OK && stream->avail_in == 0 && stream->avail_out > 0 ? DEFLATER_MORE
                                                                            : DEFLATER_NO_GAIN;
}

void deflater_take(struct deflater *deflater, char **data, size_t *size, size_t *charge)
{
    *data = deflater->out;
    *size = packed(deflater);
    *charge = deflater->charge - DEFLATER_MEMORY;
    deflater->charge = DEFLATER_MEMORY;
    deflater->out = NULL;
}
