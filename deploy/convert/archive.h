/* A zip archive in memory, read by libzip: its entries by name, nothing is ever unpacked to a file.
 * Names are keys, whatever they look like. Entries are stored or deflated; encrypted ones and other
 * methods are refused. */
#ifndef DEPLOY_CONVERT_ARCHIVE_H
#define DEPLOY_CONVERT_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/convert/input.h"
#include "proto/fault.h"

#define ARCHIVE_ENTRIES_MAX 65536

struct archive {
    struct zip *zip;
    size_t size;  /* of the file */
    size_t count; /* entries, folders included */
};

/* Do the bytes begin like a zip archive? */
bool archive_is_one(const struct blob *file);

/* The file must stay readable until archive_fini. On failure nothing is held. */
bool archive_init(struct archive *archive, const struct blob *file, struct fault *fault);
void archive_fini(struct archive *archive);

/* Raw bytes of the name, which live as long as the archive; i < count. */
const char *archive_name(const struct archive *archive, size_t i);

/* The one entry of that name: refused are none, and two. */
bool archive_find(const struct archive *archive, const char *name, size_t *i, struct fault *fault);

/* Unpacks an entry of at most max_size bytes as the archive declares them, no more than what is
 * stored of it can hold, which it must then have and match its checksum; the blob is the caller's
 * to free. Status 400, or 503 without memory. */
bool archive_read(const struct archive *archive, size_t i, size_t max_size, struct blob *blob,
                  struct fault *fault);

#endif
