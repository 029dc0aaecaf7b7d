#include "server/model_update.h"

#include <stdio.h>
#include <string.h>

#include "server/events.h"
#include "server/log.h"
#include "server/model_trial.h"

/* ---- what is loaded ---- */

static bool try_all(const struct model_list *list, struct fault *fault)
{
    for (size_t i = 0; i < list->count; i++)
        if (!model_trial_run(list->models[i], fault))
            return fault_prefix(fault, "%s", list->models[i]->source.path);
    return true;
}

bool model_update_first(const struct model_places *places, struct model_table **table,
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
 * nothing. Models that were there from the start have layout 0 each; layouts of different names are
 * never compared. */
static bool prepare(struct model_update *update, const struct model_table *old,
                    struct served_model *served, struct fault *fault)
{
    const struct served_model *before = predecessor(old, served->name);
    if (before == served)
        return true;
    served->sequences.layout = before != NULL && served_model_same_states(before, served)
                                   ? before->sequences.layout
                                   : ++update->layouts;
    return (model_trial_run(served, fault) &&
            scheduler_reserve(update->scheduler, served->model, fault)) ||
           fault_prefix(fault, "%s", served->source.path);
}

static void retire_sequences(struct model_update *update, const struct model_table *old,
                             const struct model_table *table)
{
    for (size_t i = 0; i < old->count; i++) {
        struct served_model *before = old->entries[i].served;
        if (before == NULL)
            continue;
        const struct served_model *after = predecessor(table, before->name);
        if (after == NULL || after->sequences.layout != before->sequences.layout)
            sequences_retire(update->sequences, &before->sequences);
    }
}

/* What is another model now than before, or not there any more. */
static void tell_difference(const struct model_table *old, const struct model_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct model_entry *entry = &table->entries[i];
        const struct served_model *before = predecessor(old, entry->name);
        if (entry->served != NULL && before == NULL)
            events_tell(EVENT_MODEL_LOADED, entry->name, NULL);
        else if (entry->served != NULL && before != entry->served)
            events_tell(EVENT_MODEL_RELOADED, entry->name, NULL);
    }
    for (size_t i = 0; i < old->count; i++)
        if (old->entries[i].served != NULL && predecessor(table, old->entries[i].name) == NULL)
            events_tell(EVENT_MODEL_UNLOADED, old->entries[i].name, NULL);
}

/* The table, which is taken over, is the one to serve from now on. */
static void replace(struct model_update *update, const struct model_table *old,
                    struct model_table *table)
{
    model_table_acquire(table);
    model_store_replace(update->models, table);
    retire_sequences(update, old, table);
    tell_difference(old, table);
    model_table_release(table);
}

/* ---- all models ---- */

static bool make_table(struct model_update *update, const struct model_table *old,
                       struct model_table **table, struct fault *fault)
{
    struct model_list list;
    if (!model_loader_load_all(&update->places, old, &list, fault))
        return false;
    bool done = true;
    for (size_t i = 0; done && i < list.count; i++)
        done = prepare(update, old, list.models[i], fault);
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

bool model_update_all(struct model_update *update)
{
    struct fault fault;
    struct model_table *table;
    struct model_table *old = model_store_table(update->models);
    const bool done = make_table(update, old, &table, &fault);
    if (done) {
        log_line("lstmd: reloaded models=%zu new=%zu", table->count, count_new(old, table));
        replace(update, old, table);
    } else {
        log_line("lstmd: not reloaded, all models stay as they were: %s", fault.text);
    }
    model_table_release(old);
    return done;
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

static bool replace_one(struct model_update *update, const struct change *change)
{
    struct model_table *old = model_store_table(update->models);
    struct model_table *table = changed_table(old, change);
    if (table != NULL)
        replace(update, old, table);
    model_table_release(old);
    return table != NULL;
}

/* For the index. One that serves goes on to serve meanwhile, and stays ready. */
static void note(struct model_update *update, const char *name, enum model_state state,
                 const char *reason)
{
    struct model_table *old = model_store_table(update->models);
    const struct model_entry *entry = model_table_find(old, name, strlen(name));
    struct model_record *record = entry != NULL ? entry->record : model_record_create();
    const struct change change = {name, entry != NULL ? entry->served : NULL, record, state,
                                  reason};
    if (record != NULL)
        replace_one(update, &change);
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

/* NULL with a fault; *named: there is such a config, whether or not it can be read. */
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

static bool load_path(struct model_update *update, const char *name, const char *path,
                      struct fault *fault)
{
    struct served_model *served;
    struct model_table *old = model_store_table(update->models);
    bool done = model_loader_load(path, update->places.kernel, old, &served, fault);
    if (done) {
        const struct change change = {.name = name, .served = served, .reason = ""};
        done = (strcmp(served->name, name) == 0 ||
                fault_set(fault, 409, "%s: the file has changed meanwhile", path)) &&
               prepare(update, old, served, fault) &&
               (replace_one(update, &change) || fault_set(fault, 503, "out of memory"));
        served_model_release(served);
    }
    model_table_release(old);
    return done;
}

/* *named: the index is to know of it. */
static bool load(struct model_update *update, const char *name, bool *named, struct fault *fault)
{
    struct model_paths paths;
    *named = false;
    if (!model_places_list(&update->places, &paths, fault))
        return false;
    const char *path = find_config(&paths, name, named, fault);
    if (path != NULL)
        note(update, name, MODEL_LOADING, "");
    const bool done = path != NULL && load_path(update, name, path, fault);
    model_paths_fini(&paths);
    return done;
}

bool model_update_load(struct model_update *update, const char *name, struct fault *fault)
{
    bool named;
    if (load(update, name, &named, fault)) {
        log_line("lstmd: loaded model '%s'", name);
        return true;
    }
    log_line("lstmd: model '%s' not loaded: %s", name, fault->text);
    hide_folders(fault->text);
    if (named)
        note(update, name, MODEL_UNAVAILABLE, fault->text);
    return fault_prefix(fault, "failed to load '%s'", name);
}

bool model_update_unload(struct model_update *update, const char *name, struct fault *fault)
{
    struct model_table *table = model_store_table(update->models);
    const struct model_entry *entry = model_table_find(table, name, strlen(name));
    bool done = entry != NULL ||
                fault_set(fault, 404, "failed to unload '%s', there is no such model", name);
    if (done) {
        const struct change change = {name, NULL, entry->record, MODEL_UNAVAILABLE, "unloaded"};
        done = replace_one(update, &change) || fault_set(fault, 503, "out of memory");
    }
    model_table_release(table);
    if (done)
        log_line("lstmd: unloaded model '%s'", name);
    return done;
}
