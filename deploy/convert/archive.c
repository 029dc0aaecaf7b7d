#include "deploy/convert/archive.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "deploy/convert/deflate_ratio.h"
#include "proto/excerpt.h"

bool archive_is_one(const struct blob *file)
{
    return file->size >= 4 && memcmp(file->bytes, "PK\3\4", 4) == 0;
}

static bool fail(zip_error_t *error, struct fault *fault)
{
    fault_set(fault, zip_error_code_zip(error) == ZIP_ER_MEMORY ? 503 : 400, "zip: %s",
              zip_error_strerror(error));
    zip_error_fini(error);
    return false;
}

static bool count_entries(struct archive *archive, struct fault *fault)
{
    const zip_int64_t count = zip_get_num_entries(archive->zip, 0);
    if (count < 0 || count > ARCHIVE_ENTRIES_MAX)
        return fault_set(fault, 400, "zip: at most %d entries expected, got %lld",
                         ARCHIVE_ENTRIES_MAX, (long long)count);
    archive->count = (size_t)count;
    for (size_t i = 0; i < archive->count; i++)
        if (zip_get_name(archive->zip, i, ZIP_FL_ENC_RAW) == NULL)
            return fault_set(fault, 400, "zip: entry %zu has no name", i);
    return true;
}

bool archive_init(struct archive *archive, const struct blob *file, struct fault *fault)
{
    zip_error_t error;
    *archive = (struct archive){.size = file->size};
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(file->bytes, file->size, 0, &error);
    if (source == NULL)
        return fail(&error, fault);
    archive->zip = zip_open_from_source(source, ZIP_RDONLY, &error);
    if (archive->zip == NULL) {
        zip_source_free(source);
        return fail(&error, fault);
    }
    zip_error_fini(&error);
    if (count_entries(archive, fault))
        return true;
    archive_fini(archive);
    return false;
}

void archive_fini(struct archive *archive)
{
    if (archive->zip != NULL)
        zip_discard(archive->zip);
    *archive = (struct archive){0};
}

const char *archive_name(const struct archive *archive, size_t i)
{
    assert(i < archive->count);
    return zip_get_name(archive->zip, i, ZIP_FL_ENC_RAW);
}

bool archive_find(const struct archive *archive, const char *name, size_t *i, struct fault *fault)
{
    size_t found = archive->count;
    for (size_t e = 0; e < archive->count; e++) {
        if (strcmp(archive_name(archive, e), name) != 0)
            continue;
        if (found != archive->count)
            return fault_set(fault, 400, "zip: '%s' is there twice", excerpt_of(name).text);
        found = e;
    }
    *i = found;
    return found != archive->count ||
           fault_set(fault, 400, "zip: '%s' is missing", excerpt_of(name).text);
}

static bool fail_entry(const struct archive *archive, size_t i, const char *what,
                       struct fault *fault)
{
    return fault_set(fault, 400, "zip: '%s': %s", excerpt_of(archive_name(archive, i)).text, what);
}

/* What the library says of an entry; what: for people, where it is not that memory ran out. */
static bool fail_library(const struct archive *archive, size_t i, zip_error_t *error,
                         const char *what, struct fault *fault)
{
    if (zip_error_code_zip(error) == ZIP_ER_MEMORY)
        return fault_set(fault, 503, "out of memory");
    return fail_entry(archive, i, what != NULL ? what : zip_error_strerror(error), fault);
}

/* Before memory is taken for it: can what is stored hold what is declared? */
static bool can_hold(const struct archive *archive, const zip_stat_t *stat)
{
    const zip_uint64_t ratio = stat->comp_method == ZIP_CM_STORE ? 1 : DEFLATE_RATIO;
    return stat->comp_size <= archive->size && stat->size / ratio <= stat->comp_size;
}

static bool stat_entry(const struct archive *archive, size_t i, size_t max_size, size_t *size,
                       struct fault *fault)
{
    const zip_uint64_t wanted =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_t stat;
    if (zip_stat_index(archive->zip, i, 0, &stat) != 0 || (stat.valid & wanted) != wanted)
        return fail_entry(archive, i, "its sizes or method are not told", fault);
    if (stat.encryption_method != ZIP_EM_NONE)
        return fail_entry(archive, i, "it is encrypted", fault);
    if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE)
        return fail_entry(archive, i, "stored or deflated expected, got another method", fault);
    if (stat.size > max_size)
        return fault_set(fault, 400, "zip: '%s': at most %zu bytes expected, got %llu",
                         excerpt_of(archive_name(archive, i)).text, max_size,
                         (unsigned long long)stat.size);
    if (!can_hold(archive, &stat))
        return fail_entry(archive, i, "more bytes announced than it can hold", fault);
    *size = (size_t)stat.size;
    return true;
}

/* Reading on to the end is what makes libzip look at the checksum. */
static bool read_bytes(zip_file_t *file, unsigned char *bytes, size_t size)
{
    size_t done = 0;
    unsigned char beyond;
    while (done < size) {
        const zip_int64_t got = zip_fread(file, bytes + done, size - done);
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return zip_fread(file, &beyond, 1) == 0;
}

static bool read_entry(const struct archive *archive, size_t i, zip_file_t *file, struct blob *blob,
                       struct fault *fault)
{
    return read_bytes(file, blob->bytes, blob->size) ||
           fail_library(archive, i, zip_file_get_error(file), "its bytes are not as declared",
                        fault);
}

bool archive_read(const struct archive *archive, size_t i, size_t max_size, struct blob *blob,
                  struct fault *fault)
{
    struct blob read;
    if (!stat_entry(archive, i, max_size, &read.size, fault))
        return false;
    zip_file_t *file = zip_fopen_index(archive->zip, i, 0);
    if (file == NULL)
        return fail_library(archive, i, zip_get_error(archive->zip), NULL, fault);
    read.bytes = malloc(read.size + 1);
    const bool done = read.bytes != NULL ? read_entry(archive, i, file, &read, fault)
                                         : fault_set(fault, 503, "out of memory");
    zip_fclose(file);
    if (!done) {
        free(read.bytes);
        return false;
    }
    read.bytes[read.size] = '\0';
    *blob = read;
    return true;
}
