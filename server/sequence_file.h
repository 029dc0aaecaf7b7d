/* The sequences of one run for the next: written when the server has stopped serving, read before
 * it starts to. A file that was taken up is removed, so that after a crash no sequence goes on from
 * a state that its client has long left behind. */
#ifndef SERVER_SEQUENCE_FILE_H
#define SERVER_SEQUENCE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"
#include "server/model_table.h"
#include "server/sequences.h"

/* Writes all that are alive. The file is there whole or not at all: it is written beside its place
 * (PATH.tmp), synced and renamed. No request may be running. *count: how many. */
bool sequence_file_save(const char *path, struct sequences *sequences,
                        const struct model_table *models, size_t *count, struct fault *fault);

/* Reads them into an empty table, as if each had just been used; without a file there are none.
 * max_size: bytes. Fails (400) when the file is damaged, when a model of it is not served or has
 * other states now, and when the table has no room; some may be in the table then. Texts start with
 * the path. */
bool sequence_file_load(const char *path, size_t max_size, struct sequences *sequences,
                        const struct model_table *models, size_t *count, struct fault *fault);

/* Can it be saved when the time comes? false: not as things are (400), or there was no memory to
 * try (503). Texts start with the path. */
bool sequence_file_try(const char *path, struct fault *fault);

/* What was loaded is in use now. One that is not there is no failure. */
bool sequence_file_remove(const char *path, struct fault *fault);

#endif
