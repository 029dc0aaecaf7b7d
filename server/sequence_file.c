#include "server/sequence_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/sequence_snapshot.h"
#include "proto/tensor_bytes.h"
#include "server/file.h"

static bool fail(const char *path, struct fault *fault)
{
    return fault_set(fault, 503, "%s: %s", path, strerror(errno));
}

/* ---- saving ---- */

static bool write_to_file(void *context, const char *bytes, size_t size)
{
    return size == 0 || fwrite(bytes, size, 1, context) == 1;
}

struct saving {
    struct sequence_snapshot_writer writer;
    const struct served_model *served;
    bool begun; /* the model has a sequence */
    size_t count;
};

static bool save_sequence(void *context, const struct sequence_view *view)
{
    struct saving *saving = context;
    if (!saving->begun)
        sequence_snapshot_begin_model(&saving->writer, saving->served->name, saving->served->model);
    saving->begun = true;
    sequence_snapshot_write(&saving->writer, &view->id, view->rows, view->steps, view->state,
                            view->rows * view->state_size);
    saving->count++;
    return true;
}

static bool write_all(FILE *file, struct sequences *sequences, const struct model_table *models,
                      size_t *count)
{
    const struct sequence_id first = sequence_id_of_number(0);
    struct saving saving = {.writer = {.write = write_to_file, .context = file}};
    sequence_snapshot_begin(&saving.writer);
    for (size_t i = 0; i < models->count; i++) {
        saving.served = models->entries[i].served;
        saving.begun = false;
        if (saving.served == NULL)
            continue;
        sequences_each(sequences, saving.served->name, &first, save_sequence, &saving);
        if (saving.begun)
            sequence_snapshot_end_model(&saving.writer);
    }
    *count = saving.count;
    return sequence_snapshot_end(&saving.writer);
}

/* fclose is called whatever happens. */
static bool write_and_close(int fd, struct sequences *sequences, const struct model_table *models,
                            size_t *count)
{
    FILE *file = fdopen(fd, "wb");
    if (file == NULL) {
        close(fd);
        return false;
    }
    const bool done =
        write_all(file, sequences, models, count) && fflush(file) == 0 && fsync(fd) == 0;
    const int error = errno;
    const bool closed = fclose(file) == 0;
    if (!done)
        errno = error;
    return done && closed;
}

/* The rename is on the disk when the folder is. */
static bool sync_folder(const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return false;
    const int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0)
        return false;
    const bool done = fsync(fd) == 0;
    const int error = errno;
    close(fd);
    errno = error;
    return done;
}

/* For the owner alone: the states say something about what the clients sent. */
static int open_beside(const char *beside)
{
    return open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static bool save_beside(const char *path, const char *beside, struct sequences *sequences,
                        const struct model_table *models, size_t *count, struct fault *fault)
{
    const int fd = open_beside(beside);
    if (fd < 0)
        return fail(beside, fault);
    if (!write_and_close(fd, sequences, models, count)) {
        fail(beside, fault);
        unlink(beside);
        return false;
    }
    if (rename(beside, path) != 0) {
        fail(path, fault);
        unlink(beside);
        return false;
    }
    return sync_folder(path) || fail(path, fault);
}

bool sequence_file_save(const char *path, struct sequences *sequences,
                        const struct model_table *models, size_t *count, struct fault *fault)
{
    char *beside;
    if (asprintf(&beside, "%s.tmp", path) < 0)
        return fault_set(fault, 503, "%s: out of memory", path);
    const bool done = save_beside(path, beside, sequences, models, count, fault);
    free(beside);
    return done;
}

bool sequence_file_try(const char *path, struct fault *fault)
{
    char *beside;
    if (asprintf(&beside, "%s.tmp", path) < 0)
        return fault_set(fault, 503, "%s: out of memory", path);
    const int fd = open_beside(beside);
    const bool done = fd >= 0 && close(fd) == 0 && unlink(beside) == 0;
    if (!done)
        fault_set(fault, 400, "%s: %s", beside, strerror(errno));
    free(beside);
    return done;
}

/* ---- loading ---- */

static bool load_sequence(const struct sequence_snapshot_sequence *found,
                          struct sequences *sequences, const struct sequence_owner *owner,
                          struct fault *fault)
{
    struct sequence_ticket ticket;
    float *state = malloc(found->elements != 0 ? found->elements * sizeof *state : 1);
    if (state == NULL)
        return fault_set(fault, 503, "out of memory");
    const bool entered = sequences_enter_at_rest(sequences, owner, &found->id, true, false,
                                                 found->rows, &ticket, fault);
    if (entered) {
        tensor_bytes_read_f32(found->state, state, found->elements);
        sequences_leave(sequences, &ticket, state, found->steps);
    }
    free(state);
    return entered;
}

static bool load_sequences(struct sequence_snapshot_reader *reader, struct sequences *sequences,
                           const struct sequence_owner *owner, size_t *count, struct fault *fault)
{
    struct sequence_snapshot_sequence found;
    enum sequence_snapshot_next next;
    while ((next = sequence_snapshot_next_sequence(reader, &found, fault)) == SNAPSHOT_ITEM) {
        if (!load_sequence(&found, sequences, owner, fault))
            return false;
        ++*count;
    }
    return next == SNAPSHOT_END;
}

static const struct served_model *find_model(const struct sequence_snapshot_model *model,
                                             const struct model_table *models, struct fault *fault)
{
    const struct model_entry *entry = model_table_find(models, model->name, strlen(model->name));
    const struct served_model *served = entry != NULL ? entry->served : NULL;
    if (served == NULL)
        fault_set(fault, 400, "holds sequences of model '%s', which is not served", model->name);
    else if (!sequence_snapshot_fits(model, served->model))
        fault_set(fault, 400,
                  "holds sequences of model '%s' as it was: its states have another size now",
                  model->name);
    else
        return served;
    return NULL;
}

static bool load_models(const char *bytes, size_t size, struct sequences *sequences,
                        const struct model_table *models, size_t *count, struct fault *fault)
{
    struct sequence_snapshot_reader reader;
    struct sequence_snapshot_model model;
    enum sequence_snapshot_next next;
    if (!sequence_snapshot_open(&reader, bytes, size, fault))
        return false;
    while ((next = sequence_snapshot_next_model(&reader, &model, fault)) == SNAPSHOT_ITEM) {
        const struct served_model *served = find_model(&model, models, fault);
        if (served == NULL || !load_sequences(&reader, sequences, &served->sequences, count, fault))
            return false;
    }
    return next == SNAPSHOT_END;
}

bool sequence_file_load(const char *path, size_t max_size, struct sequences *sequences,
                        const struct model_table *models, size_t *count, struct fault *fault)
{
    char *bytes;
    size_t size;
    *count = 0;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return true;
    if (!file_read(path, max_size, &bytes, &size, fault))
        return false;
    const bool done = load_models(bytes, size, sequences, models, count, fault);
    free(bytes);
    return done || fault_prefix(fault, "%s", path);
}

bool sequence_file_remove(const char *path, struct fault *fault)
{
    return unlink(path) == 0 || errno == ENOENT || fail(path, fault);
}
