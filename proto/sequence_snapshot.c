#include "proto/sequence_snapshot.h"

#include <assert.h>
#include <string.h>

#include "core/checked.h"
#include "proto/crc32c.h"
#include "proto/little_endian.h"
#include "proto/tensor_bytes.h"
#include "proto/utf8.h"

#define MAGIC "lstmdseq"

enum {
    MAGIC_SIZE = sizeof MAGIC - 1,
    VERSION = 1,
    CHECKSUM_SIZE = 4,
    LSTM_SIZE = 3 * 4,
    FLOATS_AT_ONCE = 1024,
};

/* ---- reading ---- */

static bool fail_cut(struct fault *fault)
{
    return fault_set(fault, 400, "ends in the middle of a sequence");
}

/* NULL: there are not so many. */
static const char *read_bytes(struct sequence_snapshot_reader *reader, size_t size,
                              struct fault *fault)
{
    const char *bytes = reader->at;
    if (size > (size_t)(reader->end - bytes)) {
        fail_cut(fault);
        return NULL;
    }
    reader->at += size;
    return bytes;
}

static bool read_u8(struct sequence_snapshot_reader *reader, uint8_t *value, struct fault *fault)
{
    const char *bytes = read_bytes(reader, 1, fault);
    if (bytes != NULL)
        *value = (uint8_t)bytes[0];
    return bytes != NULL;
}

static bool read_u32(struct sequence_snapshot_reader *reader, uint32_t *value, struct fault *fault)
{
    const char *bytes = read_bytes(reader, 4, fault);
    if (bytes != NULL)
        *value = little_endian_read_u32(bytes);
    return bytes != NULL;
}

static bool read_u64(struct sequence_snapshot_reader *reader, uint64_t *value, struct fault *fault)
{
    const char *bytes = read_bytes(reader, 8, fault);
    if (bytes != NULL)
        *value = little_endian_read_u64(bytes);
    return bytes != NULL;
}

/* A length and so many bytes, into out[capacity] with a NUL; none in it. */
static bool read_text(struct sequence_snapshot_reader *reader, size_t length, char *out,
                      size_t capacity, struct fault *fault)
{
    const char *bytes = read_bytes(reader, length, fault);
    if (bytes == NULL)
        return false;
    if (length >= capacity || memchr(bytes, '\0', length) != NULL)
        return fault_set(fault, 400, "a name of 1 to %zu bytes expected", capacity - 1);
    memcpy(out, bytes, length);
    out[length] = '\0';
    return true;
}

bool sequence_snapshot_open(struct sequence_snapshot_reader *reader, const char *bytes, size_t size,
                            struct fault *fault)
{
    *reader = (struct sequence_snapshot_reader){.at = bytes, .end = bytes + size};
    uint32_t version = 0;
    if (size < MAGIC_SIZE || memcmp(bytes, MAGIC, MAGIC_SIZE) != 0)
        return fault_set(fault, 400, "not a file of sequences");
    reader->at += MAGIC_SIZE;
    if (!read_u32(reader, &version, fault))
        return false;
    if (version != VERSION)
        return fault_set(fault, 400, "a file of version %d expected, got %u", VERSION, version);
    if ((size_t)(reader->end - reader->at) < CHECKSUM_SIZE)
        return fail_cut(fault);
    reader->end -= CHECKSUM_SIZE;
    if (crc32c(0, bytes, size - CHECKSUM_SIZE) != little_endian_read_u32(reader->end))
        return fault_set(fault, 400, "damaged: the checksum is not that of the content");
    return true;
}

static bool read_model(struct sequence_snapshot_reader *reader, size_t name_size,
                       struct sequence_snapshot_model *model, struct fault *fault)
{
    size_t lstms;
    if (!read_text(reader, name_size, model->name, sizeof model->name, fault))
        return false;
    if (!model_name_is_valid(model->name))
        return fault_set(fault, 400, "the name of a model expected");
    if (!read_u64(reader, &model->state_size, fault) ||
        !read_u32(reader, &model->lstm_count, fault))
        return false;
    if (!checked_mul(model->lstm_count, LSTM_SIZE, &lstms))
        return fail_cut(fault);
    model->lstms = read_bytes(reader, lstms, fault);
    return model->lstms != NULL;
}

enum sequence_snapshot_next sequence_snapshot_next_model(struct sequence_snapshot_reader *reader,
                                                         struct sequence_snapshot_model *model,
                                                         struct fault *fault)
{
    uint8_t name_size = 0;
    if (!read_u8(reader, &name_size, fault))
        return SNAPSHOT_BAD;
    if (name_size == 0 && reader->at == reader->end)
        return SNAPSHOT_END;
    if (name_size == 0) {
        fault_set(fault, 400, "the file goes on behind its last model");
        return SNAPSHOT_BAD;
    }
    if (!read_model(reader, name_size, model, fault))
        return SNAPSHOT_BAD;
    reader->model = *model;
    reader->last = sequence_id_of_number(0);
    return SNAPSHOT_ITEM;
}

static bool read_number_id(struct sequence_snapshot_reader *reader, struct sequence_id *id,
                           struct fault *fault)
{
    uint64_t number = 0;
    if (!read_u64(reader, &number, fault))
        return false;
    *id = sequence_id_of_number(number);
    return true;
}

static bool read_text_id(struct sequence_snapshot_reader *reader, struct sequence_id *id,
                         struct fault *fault)
{
    uint8_t length = 0;
    char text[SEQUENCE_ID_MAX];
    if (!read_u8(reader, &length, fault) || !read_text(reader, length, text, sizeof text, fault))
        return false;
    return (utf8_is_valid(text, length) && sequence_id_of_text(text, id)) ||
           fault_set(fault, 400, "an id in UTF-8 without control characters expected");
}

static bool read_id(struct sequence_snapshot_reader *reader, uint8_t kind, struct sequence_id *id,
                    struct fault *fault)
{
    if (kind != SEQUENCE_ID_NUMBER && kind != SEQUENCE_ID_TEXT)
        return fault_set(fault, 400, "an id of kind 1 or 2 expected, got %u", (unsigned)kind);
    if (kind == SEQUENCE_ID_NUMBER ? !read_number_id(reader, id, fault)
                                   : !read_text_id(reader, id, fault))
        return false;
    if (sequence_id_compare(&reader->last, id) >= 0)
        return fault_set(fault, 400, "ids in their order expected, got %s behind %s",
                         sequence_id_excerpt(id).text, sequence_id_excerpt(&reader->last).text);
    reader->last = *id;
    return true;
}

static bool read_sequence(struct sequence_snapshot_reader *reader, uint8_t kind,
                          struct sequence_snapshot_sequence *sequence, struct fault *fault)
{
    uint64_t rows = 0;
    size_t bytes;
    if (!read_id(reader, kind, &sequence->id, fault) || !read_u64(reader, &rows, fault) ||
        !read_u64(reader, &sequence->steps, fault))
        return false;
    const uint64_t state_size = reader->model.state_size;
    if (rows > SIZE_MAX || state_size > SIZE_MAX ||
        !checked_mul((size_t)rows, (size_t)state_size, &sequence->elements) ||
        !checked_mul(sequence->elements, sizeof(float), &bytes))
        return fail_cut(fault);
    sequence->rows = (size_t)rows;
    sequence->state = read_bytes(reader, bytes, fault);
    return sequence->state != NULL;
}

enum sequence_snapshot_next
sequence_snapshot_next_sequence(struct sequence_snapshot_reader *reader,
                                struct sequence_snapshot_sequence *sequence, struct fault *fault)
{
    uint8_t kind = 0;
    if (!read_u8(reader, &kind, fault))
        return SNAPSHOT_BAD;
    if (kind == 0)
        return SNAPSHOT_END;
    return read_sequence(reader, kind, sequence, fault) ? SNAPSHOT_ITEM : SNAPSHOT_BAD;
}

bool sequence_snapshot_fits(const struct sequence_snapshot_model *model, const struct model *core)
{
    if (model->state_size != model_state_size(core) || model->lstm_count != model_lstm_count(core))
        return false;
    for (size_t i = 0; i < model->lstm_count; i++) {
        const struct model_lstm_state lstm = model_lstm_state(core, i);
        const char *at = model->lstms + i * LSTM_SIZE;
        if (little_endian_read_u32(at) != lstm.cells ||
            little_endian_read_u32(at + 4) != lstm.h_size ||
            little_endian_read_u32(at + 8) != lstm.c_size)
            return false;
    }
    return true;
}

/* ---- writing ---- */

static void write_bytes(struct sequence_snapshot_writer *writer, const char *bytes, size_t size)
{
    if (writer->failed)
        return;
    writer->crc = crc32c(writer->crc, bytes, size);
    writer->failed = !writer->write(writer->context, bytes, size);
}

static void write_u8(struct sequence_snapshot_writer *writer, size_t value)
{
    assert(value <= UINT8_MAX);
    const char byte = (char)value;
    write_bytes(writer, &byte, 1);
}

static void write_u32(struct sequence_snapshot_writer *writer, size_t value)
{
    char bytes[4];
    assert(value <= UINT32_MAX);
    little_endian_write_u32(bytes, (uint32_t)value);
    write_bytes(writer, bytes, sizeof bytes);
}

static void write_u64(struct sequence_snapshot_writer *writer, uint64_t value)
{
    char bytes[8];
    little_endian_write_u64(bytes, value);
    write_bytes(writer, bytes, sizeof bytes);
}

static void write_text(struct sequence_snapshot_writer *writer, const char *text)
{
    write_u8(writer, strlen(text));
    write_bytes(writer, text, strlen(text));
}

void sequence_snapshot_begin(struct sequence_snapshot_writer *writer)
{
    writer->crc = 0;
    writer->failed = false;
    write_bytes(writer, MAGIC, MAGIC_SIZE);
    write_u32(writer, VERSION);
}

void sequence_snapshot_begin_model(struct sequence_snapshot_writer *writer, const char *name,
                                   const struct model *core)
{
    write_text(writer, name);
    write_u64(writer, model_state_size(core));
    write_u32(writer, model_lstm_count(core));
    for (size_t i = 0; i < model_lstm_count(core); i++) {
        const struct model_lstm_state lstm = model_lstm_state(core, i);
        write_u32(writer, lstm.cells);
        write_u32(writer, lstm.h_size);
        write_u32(writer, lstm.c_size);
    }
}

void sequence_snapshot_write(struct sequence_snapshot_writer *writer, const struct sequence_id *id,
                             uint64_t rows, uint64_t steps, const float *state, size_t elements)
{
    char bytes[FLOATS_AT_ONCE * sizeof(float)];
    assert(id->kind != SEQUENCE_ID_NONE);
    write_u8(writer, id->kind);
    if (id->kind == SEQUENCE_ID_NUMBER)
        write_u64(writer, id->number);
    else
        write_text(writer, id->text);
    write_u64(writer, rows);
    write_u64(writer, steps);
    for (size_t done = 0; done < elements;) {
        const size_t count = elements - done < FLOATS_AT_ONCE ? elements - done : FLOATS_AT_ONCE;
        tensor_bytes_write_f32(bytes, state + done, count);
        write_bytes(writer, bytes, count * sizeof(float));
        done += count;
    }
}

void sequence_snapshot_end_model(struct sequence_snapshot_writer *writer)
{
    write_u8(writer, 0);
}

bool sequence_snapshot_end(struct sequence_snapshot_writer *writer)
{
    write_u8(writer, 0);
    write_u32(writer, writer->crc);
    return !writer->failed;
}
