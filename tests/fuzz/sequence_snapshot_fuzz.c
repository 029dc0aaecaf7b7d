/* Whatever the bytes: a file of sequences is refused with a reason, or every sequence in it has an
 * id above the one before it and a state that lies within the file. The checksum, which no fuzzer
 * finds, is put behind the input. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc32c.h"
#include "proto/little_endian.h"
#include "proto/sequence_snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum sequence_snapshot_next read_sequences(struct sequence_snapshot_reader *reader,
                                                  const char *file, size_t size,
                                                  struct fault *fault)
{
    struct sequence_snapshot_sequence sequence;
    struct sequence_id last = sequence_id_of_number(0);
    enum sequence_snapshot_next next;
    while ((next = sequence_snapshot_next_sequence(reader, &sequence, fault)) == SNAPSHOT_ITEM) {
        assert(sequence_id_compare(&last, &sequence.id) < 0);
        assert(sequence.state >= file && sequence.state <= file + size);
        assert(sequence.elements <= (size_t)(file + size - sequence.state) / sizeof(float));
        last = sequence.id;
    }
    return next;
}

static void read_models(const char *file, size_t size)
{
    struct sequence_snapshot_reader reader;
    struct sequence_snapshot_model model;
    struct fault fault = {0};
    enum sequence_snapshot_next next = SNAPSHOT_BAD;
    if (sequence_snapshot_open(&reader, file, size, &fault)) {
        while ((next = sequence_snapshot_next_model(&reader, &model, &fault)) == SNAPSHOT_ITEM) {
            assert(model_name_is_valid(model.name));
            next = read_sequences(&reader, file, size, &fault);
            if (next == SNAPSHOT_BAD)
                break;
        }
    }
    assert((next == SNAPSHOT_BAD) == (fault.status == 400 && fault.text[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *file = malloc(size + 4);
    assert(file != NULL);
    if (size > 0)
        memcpy(file, data, size);
    little_endian_write_u32(file + size, crc32c(0, file, size));
    read_models(file, size + 4);
    free(file);
    return 0;
}
