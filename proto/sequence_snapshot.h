/* The states of all sequences as a file: what the server leaves behind when it stops and takes up
 * when it starts. Read and written front to back.
 *
 * Whole numbers are little-endian, floats IEEE 754 binary32 in the same order; nothing is padded.
 *
 *   "lstmdseq"                 8 bytes
 *   1                          u32, the version of this layout
 *   for each model:
 *     length, name             u8 > 0, bytes
 *     state size               u64, floats a row
 *     LSTM layers              u32, then for each u32 cells, u32 h size, u32 c size
 *     for each of its sequences, ordered by id, none twice:
 *       kind                   u8: 1 a number, 2 a text
 *       id                     u64, or u8 length and bytes of UTF-8
 *       rows, steps            u64, u64
 *       state                  f32 [rows][state size], core/model.h's order
 *     0                        u8: no more sequences
 *   0                          u8: no more models
 *   CRC-32C                    u32, of all bytes before it */
#ifndef PROTO_SEQUENCE_SNAPSHOT_H
#define PROTO_SEQUENCE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model.h"
#include "proto/fault.h"
#include "proto/model_config.h"
#include "proto/sequence_id.h"

struct sequence_snapshot_model {
    char name[MODEL_NAME_MAX];
    uint64_t state_size;
    uint32_t lstm_count;
    const char *lstms; /* as they stand in the file */
};

struct sequence_snapshot_sequence {
    struct sequence_id id;
    size_t rows;
    uint64_t steps;
    const char *state; /* [rows][state_size], as they stand in the file */
    size_t elements;   /* rows * state_size */
};

/* ---- reading ---- */

struct sequence_snapshot_reader {
    /* private */
    const char *at, *end;
    struct sequence_snapshot_model model; /* whose sequences are read */
    struct sequence_id last;
};

enum sequence_snapshot_next {
    SNAPSHOT_ITEM,
    SNAPSHOT_END, /* there is no further one */
    SNAPSHOT_BAD, /* status 400; the reader is spent */
};

/* bytes must stay readable; they are not copied. false, 400: not such a file, or damaged. */
bool sequence_snapshot_open(struct sequence_snapshot_reader *reader, const char *bytes, size_t size,
                            struct fault *fault);
/* In turns: a model, its sequences up to their end, the next model. */
enum sequence_snapshot_next sequence_snapshot_next_model(struct sequence_snapshot_reader *reader,
                                                         struct sequence_snapshot_model *model,
                                                         struct fault *fault);
enum sequence_snapshot_next
sequence_snapshot_next_sequence(struct sequence_snapshot_reader *reader,
                                struct sequence_snapshot_sequence *sequence, struct fault *fault);

/* Has this model the states that the file speaks of? */
bool sequence_snapshot_fits(const struct sequence_snapshot_model *model, const struct model *core);

/* ---- writing ---- */

struct sequence_snapshot_writer {
    /* Takes the next bytes; false: no more are wanted. */
    bool (*write)(void *context, const char *bytes, size_t size);
    void *context;

    /* private */
    uint32_t crc;
    bool failed;
};

/* write and context are set. After a write that failed nothing more is written. */
void sequence_snapshot_begin(struct sequence_snapshot_writer *writer);
void sequence_snapshot_begin_model(struct sequence_snapshot_writer *writer, const char *name,
                                   const struct model *core);
/* state: [rows * state_size] of the model begun. */
void sequence_snapshot_write(struct sequence_snapshot_writer *writer, const struct sequence_id *id,
                             uint64_t rows, uint64_t steps, const float *state, size_t elements);
void sequence_snapshot_end_model(struct sequence_snapshot_writer *writer);
/* false: a write has failed. */
bool sequence_snapshot_end(struct sequence_snapshot_writer *writer);

#endif
