/* Sequences that go on from one run of the server to the next, by way of a file; both ends say in
 * the log how many they were. */
#ifndef SERVER_SEQUENCE_HANDOVER_H
#define SERVER_SEQUENCE_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "server/model_table.h"
#include "server/sequences.h"

/* What the last run has left, into an empty table; bytes_limit: of the sequences' memory. From here
 * on it is this run's to leave. On failure the file stays where it is. */
bool sequence_handover_take(const char *path, size_t bytes_limit, struct sequences *sequences,
                            const struct model_table *models, struct fault *fault);

/* No request may be running that would still change a sequence. */
bool sequence_handover_leave(const char *path, struct sequences *sequences,
                             const struct model_table *models, struct fault *fault);

#endif
