#include "server/model_control.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/clock.h"
#include "server/log.h"
#include "server/model_trial.h"

/* More than any operator's tools have under way. */
enum { COMMANDS_MAX = 32 };

enum command_state { NEW, WAITING, RUNNING, ABANDONED, DONE };

struct model_command {
    enum model_command_kind kind;
    char name[MODEL_NAME_MAX];
    void (*done)(void *context);
    void *context;
    bool failed;
    struct fault fault;
    enum command_state state; /* under the control's lock */
    struct model_command *next;
};

struct model_control {
    struct model_control_config config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, ended;
    struct model_command *first, *last; /* that wait */
    size_t waiting;
    bool reload_wanted, stopping, has_ended;
    struct model_control_counts counts;
    uint64_t layouts; /* given out; the thread's own */
};

/* ---- what is loaded ---- */

static bool try_all(const struct model_list *list, struct fault *fault)
{
    for (size_t i = 0; i < list->count; i++)
        if (!model_trial_run(list->models[i], fault))
            return fault_prefix(fault, "%s", list->models[i]->source.path);
    return true;
}

bool model_control_load(const struct model_places *places, struct model_table **table,
                        struct fault *fault)
{
    struct model_list list;
    if (!model_loader_load_all(places, NULL, &list, fault))
        return false;
    bool done = try_all(&list, fault);
    if (done) {
        *table = model_list_table(&list);
        done = *table != NULL || fault_set(fault, 503, "out of memory");
    }
    model_list_fini(&list);
    return done;
}

static struct served_model *predecessor(const struct model_table *old, const char *name)
{
    const struct model_entry *entry = model_table_find(old, name, strlen(name));
    return entry != NULL ? entry->served : NULL;
}

/* All that a new model needs before its first request. One that the old table has already needs
 * nothing. */
static bool prepare(struct model_control *control, const struct model_table *old,
                    struct served_model *served, struct fault *fault)
{
    const struct served_model *before = predecessor(old, served->name);
    if (before == served)
        return true;
    served->sequences.layout = before != NULL && served_model_same_states(before, served)
                                   ? before->sequences.layout
                                   : ++control->layouts;
    return (model_trial_run(served, fault) &&
            scheduler_reserve(control->config.scheduler, served->model, fault)) ||
           fault_prefix(fault, "%s", served->source.path);
}

static void retire_sequences(struct model_control *control, const struct model_table *old,
                             const struct model_table *table)
{
    for (size_t i = 0; i < old->count; i++) {
        struct served_model *before = old->entries[i].served;
        if (before == NULL)
            continue;
        const struct served_model *after = predecessor(table, before->name);
        if (after == NULL || after->sequences.layout != before->sequences.layout)
            sequences_retire(control->config.sequences, &before->sequences);
    }
}

/* The table, which is taken over, is the one to serve from now on. */
static void replace(struct model_control *control, const struct model_table *old,
                    struct model_table *table)
{
    model_table_acquire(table);
    model_store_replace(control->config.models, table);
    retire_sequences(control, old, table);
    model_table_release(table);
}

/* ---- counting ---- */

static uint64_t wall_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void count(struct model_control *control, bool done)
{
    pthread_mutex_lock(&control->lock);
    struct model_control_counts *counts = &control->counts;
    if (done)
        counts->succeeded++;
    else
        counts->failed++;
    counts->last_failed = !done;
    if (done)
        counts->last_success_ms = wall_clock_ms();
    pthread_mutex_unlock(&control->lock);
}

void model_control_count(struct model_control *control, struct model_control_counts *counts)
{
    *counts = (struct model_control_counts){0};
    if (control == NULL)
        return;
    pthread_mutex_lock(&control->lock);
    *counts = control->counts;
    pthread_mutex_unlock(&control->lock);
}

/* ---- all models ---- */

static bool make_table(struct model_control *control, const struct model_table *old,
                       struct model_table **table, struct fault *fault)
{
    struct model_list list;
    if (!model_loader_load_all(&control->config.places, old, &list, fault))
        return false;
    bool done = true;
    for (size_t i = 0; done && i < list.count; i++)
        done = prepare(control, old, list.models[i], fault);
    if (done) {
        *table = model_list_table(&list);
        done = *table != NULL || fault_set(fault, 503, "out of memory");
    }
    model_list_fini(&list);
    return done;
}

static size_t count_new(const struct model_table *old, const struct model_table *table)
{
    size_t fresh = 0;
    for (size_t i = 0; i < table->count; i++)
        fresh += predecessor(old, table->entries[i].name) != table->entries[i].served;
    return fresh;
}

static void reload(struct model_control *control)
{
    struct fault fault;
    struct model_table *table;
    struct model_table *old = model_store_table(control->config.models);
    const bool done = make_table(control, old, &table, &fault);
    if (done) {
        log_line("lstmd: reloaded models=%zu new=%zu", table->count, count_new(old, table));
        replace(control, old, table);
    } else {
        log_line("lstmd: not reloaded, all models stay as they were: %s", fault.text);
    }
    model_table_release(old);
    count(control, done);
}

/* ---- one model ---- */

/* What the table is to say about one name. */
struct change {
    const char *name;
    struct served_model *served; /* NULL: absent, with a record and a state */
    struct model_record *record;
    enum model_state state;
    const char *reason;
};

static void add_changed(struct model_table *table, const struct change *change)
{
    if (change->served != NULL)
        snprintf(model_table_add(table, change->served)->reason, MODEL_REASON_MAX, "%s",
                 change->reason);
    else
        model_table_add_absent(table, change->name, change->record, change->state, change->reason);
}

/* All others stay as they are, where they are. NULL without memory. */
static struct model_table *changed_table(const struct model_table *old, const struct change *change)
{
    struct model_table *table = model_table_create(old->count + 1);
    bool added = false;
    for (size_t i = 0; table != NULL && i < old->count; i++) {
        const bool is_it = strcmp(old->entries[i].name, change->name) == 0;
        if (is_it)
            add_changed(table, change);
        else
            model_table_add_copy(table, &old->entries[i]);
        added = added || is_it;
    }
    if (table != NULL && !added)
        add_changed(table, change);
    return table;
}

static bool replace_one(struct model_control *control, const struct change *change)
{
    struct model_table *old = model_store_table(control->config.models);
    struct model_table *table = changed_table(old, change);
    if (table != NULL)
        replace(control, old, table);
    model_table_release(old);
    return table != NULL;
}

/* For the index. One that serves goes on to serve meanwhile, and stays ready. */
static void note(struct model_control *control, const char *name, enum model_state state,
                 const char *reason)
{
    struct model_table *old = model_store_table(control->config.models);
    const struct model_entry *entry = model_table_find(old, name, strlen(name));
    struct model_record *record = entry != NULL ? entry->record : model_record_create();
    const struct change change = {name, entry != NULL ? entry->served : NULL, record, state,
                                  reason};
    if (record != NULL)
        replace_one(control, &change);
    if (record != NULL && entry == NULL)
        model_record_release(record);
    model_table_release(old);
}

/* Clients are shown no folder of this machine: of each path its last part. */
static void hide_folders(char *text)
{
    char *to = text;
    char *word = text; /* where the word that is being copied begins */
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '/') {
            to = word;
            continue;
        }
        *to++ = *from;
        if (strchr(" '\":,;()[]", *from) != NULL)
            word = to;
    }
    *to = '\0';
}

/* One that cannot be read has its file's name. *readable: whether the config that has the name can.
 */
static bool has_name(const char *path, const char *name, bool *readable, struct fault *fault)
{
    char found[MODEL_NAME_MAX];
    struct fault why;
    *readable = model_loader_name(path, found, &why);
    if (!*readable)
        model_loader_file_name(path, found);
    if (strcmp(found, name) != 0)
        return false;
    if (!*readable)
        *fault = why;
    return true;
}

/* NULL with a fault; *named: there is such a config, but it cannot be read. */
static const char *find_config(const struct model_paths *paths, const char *name, bool *named,
                               struct fault *fault)
{
    fault_set(fault, 404, "none of the configured models has that name");
    *named = false;
    for (size_t i = 0; i < paths->count; i++) {
        bool readable;
        const bool found = has_name(paths->paths[i], name, &readable, fault);
        *named = *named || found;
        if (found && readable)
            return paths->paths[i];
    }
    return NULL;
}

static bool load_path(struct model_control *control, const char *name, const char *path,
                      struct fault *fault)
{
    struct served_model *served;
    struct model_table *old = model_store_table(control->config.models);
    bool done = model_loader_load(path, control->config.places.kernel, old, &served, fault);
    if (done) {
        const struct change change = {.name = name, .served = served, .reason = ""};
        done = (strcmp(served->name, name) == 0 ||
                fault_set(fault, 409, "%s: the file has changed meanwhile", path)) &&
               prepare(control, old, served, fault) &&
               (replace_one(control, &change) || fault_set(fault, 503, "out of memory"));
        served_model_release(served);
    }
    model_table_release(old);
    return done;
}

/* *named: the index is to know of it. */
static bool load(struct model_control *control, const char *name, bool *named, struct fault *fault)
{
    struct model_paths paths;
    *named = false;
    if (!model_places_list(&control->config.places, &paths, fault))
        return false;
    const char *path = find_config(&paths, name, named, fault);
    if (path != NULL)
        note(control, name, MODEL_LOADING, "");
    const bool done = path != NULL && load_path(control, name, path, fault);
    model_paths_fini(&paths);
    return done;
}

static void carry_out_load(struct model_control *control, struct model_command *command)
{
    struct fault *fault = &command->fault;
    bool named;
    command->failed = !load(control, command->name, &named, fault);
    count(control, !command->failed);
    if (!command->failed) {
        log_line("lstmd: loaded model '%s'", command->name);
        return;
    }
    log_line("lstmd: model '%s' not loaded: %s", command->name, fault->text);
    hide_folders(fault->text);
    if (named)
        note(control, command->name, MODEL_UNAVAILABLE, fault->text);
    fault_prefix(fault, "failed to load '%s'", command->name);
}

static bool unload(struct model_control *control, const char *name, struct fault *fault)
{
    struct model_table *table = model_store_table(control->config.models);
    const struct model_entry *entry = model_table_find(table, name, strlen(name));
    bool done = entry != NULL ||
                fault_set(fault, 404, "failed to unload '%s', there is no such model", name);
    if (done) {
        const struct change change = {name, NULL, entry->record, MODEL_UNAVAILABLE, "unloaded"};
        done = replace_one(control, &change) || fault_set(fault, 503, "out of memory");
    }
    model_table_release(table);
    return done;
}

static void carry_out_unload(struct model_control *control, struct model_command *command)
{
    command->failed = !unload(control, command->name, &command->fault);
    if (!command->failed)
        log_line("lstmd: unloaded model '%s'", command->name);
}

/* ---- the thread ---- */

/* Called with the lock held, which is let go meanwhile. */
static void carry_out(struct model_control *control, struct model_command *command)
{
    command->state = RUNNING;
    pthread_mutex_unlock(&control->lock);
    if (command->kind == MODEL_LOAD)
        carry_out_load(control, command);
    else
        carry_out_unload(control, command);
    pthread_mutex_lock(&control->lock);
    const bool wanted = command->state == RUNNING;
    command->state = DONE;
    pthread_mutex_unlock(&control->lock);
    if (wanted)
        command->done(command->context);
    else
        model_command_destroy(command);
    pthread_mutex_lock(&control->lock);
}

static void carry_out_reload(struct model_control *control)
{
    control->reload_wanted = false;
    pthread_mutex_unlock(&control->lock);
    reload(control);
    pthread_mutex_lock(&control->lock);
    if (control->reload_wanted || control->config.reloaded == NULL)
        return;
    pthread_mutex_unlock(&control->lock);
    control->config.reloaded(control->config.context);
    pthread_mutex_lock(&control->lock);
}

static struct model_command *take_first(struct model_control *control)
{
    struct model_command *command = control->first;
    control->first = command->next;
    if (control->first == NULL)
        control->last = NULL;
    control->waiting--;
    return command;
}

static void *serve_commands(void *argument)
{
    struct model_control *control = argument;
    pthread_mutex_lock(&control->lock);
    while (!control->stopping) {
        if (control->reload_wanted)
            carry_out_reload(control);
        else if (control->first != NULL)
            carry_out(control, take_first(control));
        else
            pthread_cond_wait(&control->wake, &control->lock);
    }
    control->has_ended = true;
    pthread_cond_signal(&control->ended);
    pthread_mutex_unlock(&control->lock);
    return NULL;
}

/* ---- start and stop ---- */

static void destroy(struct model_control *control)
{
    pthread_cond_destroy(&control->ended);
    pthread_cond_destroy(&control->wake);
    pthread_mutex_destroy(&control->lock);
    free(control);
}

/* Models that were there from the start have layout 0 each; layouts of different names are never
 * compared. */
bool model_control_start(struct model_control **started, const struct model_control_config *config,
                         struct fault *fault)
{
    struct model_control *control = calloc(1, sizeof *control);
    if (control == NULL)
        return fault_set(fault, 503, "out of memory");
    control->config = *config;
    control->counts.last_success_ms = wall_clock_ms();
    pthread_mutex_init(&control->lock, NULL);
    pthread_cond_init(&control->wake, NULL);
    pthread_cond_init(&control->ended, NULL);
    const int error = pthread_create(&control->thread, NULL, serve_commands, control);
    if (error != 0) {
        destroy(control);
        return fault_set(fault, 503, "model control thread: %s", strerror(error));
    }
    *started = control;
    return true;
}

bool model_control_stop(struct model_control *control, uint64_t deadline)
{
    const struct timespec until = clock_timespec(deadline);
    int error = 0;
    pthread_mutex_lock(&control->lock);
    assert(control->first == NULL);
    control->stopping = true;
    pthread_cond_signal(&control->wake);
    while (!control->has_ended && error == 0)
        error = pthread_cond_clockwait(&control->ended, &control->lock, CLOCK_MONOTONIC, &until);
    const bool ended = control->has_ended;
    pthread_mutex_unlock(&control->lock);
    if (!ended)
        return false;
    pthread_join(control->thread, NULL);
    destroy(control);
    return true;
}

void model_control_reload(struct model_control *control)
{
    pthread_mutex_lock(&control->lock);
    control->reload_wanted = true;
    pthread_cond_signal(&control->wake);
    pthread_mutex_unlock(&control->lock);
}

/* ---- commands ---- */

struct model_command *model_command_create(const struct model_control *control,
                                           enum model_command_kind kind, const char *name,
                                           size_t name_size, struct fault *fault)
{
    if (control == NULL || !control->config.allowed) {
        fault_set(fault, 503,
                  "explicit model load / unload is not allowed: the models are those given when "
                  "the server was started");
        return NULL;
    }
    if (name_size >= MODEL_NAME_MAX) {
        fault_set(fault, 404, "none of the configured models has that name");
        return NULL;
    }
    struct model_command *command = calloc(1, sizeof *command);
    if (command == NULL) {
        fault_set(fault, 503, "out of memory");
        return NULL;
    }
    command->kind = kind;
    memcpy(command->name, name, name_size);
    return command;
}

void model_command_destroy(struct model_command *command)
{
    free(command);
}

bool model_control_submit(struct model_control *control, struct model_command *command,
                          void (*done)(void *context), void *context, struct fault *fault)
{
    command->done = done;
    command->context = context;
    pthread_mutex_lock(&control->lock);
    const bool room = control->waiting < COMMANDS_MAX && !control->stopping;
    if (room) {
        command->state = WAITING;
        command->next = NULL;
        if (control->last != NULL)
            control->last->next = command;
        else
            control->first = command;
        control->last = command;
        control->waiting++;
        pthread_cond_signal(&control->wake);
    }
    pthread_mutex_unlock(&control->lock);
    return room || fault_set(fault, 503, "too many models are waiting to be loaded or unloaded");
}

static void take_out(struct model_control *control, const struct model_command *command)
{
    struct model_command *before = NULL;
    for (struct model_command *at = control->first; at != command; at = at->next)
        before = at;
    if (before != NULL)
        before->next = command->next;
    else
        control->first = command->next;
    if (control->last == command)
        control->last = before;
    control->waiting--;
}

bool model_control_abandon(struct model_control *control, struct model_command *command)
{
    pthread_mutex_lock(&control->lock);
    const enum command_state state = command->state;
    if (state == WAITING)
        take_out(control, command);
    else if (state == RUNNING)
        command->state = ABANDONED;
    pthread_mutex_unlock(&control->lock);
    if (state == WAITING)
        model_command_destroy(command);
    return state == WAITING || state == RUNNING;
}

bool model_command_result(const struct model_command *command, struct fault *fault)
{
    if (command->failed)
        *fault = command->fault;
    return !command->failed;
}
