#include "server/sequence_handover.h"

#include "server/log.h"
#include "server/sequence_file.h"

/* In the file a model has a line of its own, shorter than this. */
#define MODEL_IN_FILE ((size_t)64 << 10)

bool sequence_handover_take(const char *path, size_t bytes_limit, struct sequences *sequences,
                            const struct model_table *models, struct fault *fault)
{
    const size_t max_size = bytes_limit + models->count * MODEL_IN_FILE;
    size_t count;
    if (!sequence_file_load(path, max_size, sequences, models, &count, fault))
        return fault_prefix(fault, "sequence_file (move it away to start without it)");
    if (!sequence_file_try(path, fault) || !sequence_file_remove(path, fault))
        return fault_prefix(fault, "sequence_file");
    if (count != 0)
        log_line("lstmd: %zu sequences go on from %s", count, path);
    return true;
}

bool sequence_handover_leave(const char *path, struct sequences *sequences,
                             const struct model_table *models, struct fault *fault)
{
    size_t count;
    if (!sequence_file_save(path, sequences, models, &count, fault))
        return fault_prefix(fault, "the sequences are lost: sequence_file");
    log_line("lstmd: %zu sequences kept in %s", count, path);
    return true;
}
