#include "server/served_model.h"

#include <assert.h>
#include <stdlib.h>

struct model_record *model_record_create(void)
{
    struct model_record *record = malloc(sizeof *record);
    if (record == NULL)
        return NULL;
    atomic_init(&record->references, 1);
    atomic_init(&record->models, 0);
    model_stats_init(&record->stats);
    return record;
}

void model_record_acquire(struct model_record *record)
{
    atomic_fetch_add_explicit(&record->references, 1, memory_order_relaxed);
}

void model_record_release(struct model_record *record)
{
    const size_t references = atomic_fetch_sub(&record->references, 1);
    assert(references > 0);
    if (references == 1)
        free(record);
}

struct served_model *served_model_create(void)
{
    struct served_model *served = calloc(1, sizeof *served);
    if (served != NULL)
        atomic_init(&served->references, 1);
    return served;
}

void served_model_acquire(struct served_model *served)
{
    atomic_fetch_add_explicit(&served->references, 1, memory_order_relaxed);
}

static void destroy(struct served_model *served)
{
    if (served->lane != NULL)
        lane_fini(served->lane);
    free(served->lane);
    model_summary_fini(&served->summary);
    model_destroy(served->model);
    if (served->record != NULL) {
        atomic_fetch_sub(&served->record->models, 1);
        model_record_release(served->record);
    }
    free(served->labels);
    free(served->source.path);
    free(served->source.config);
    free(served->source.weights_path);
    free(served);
}

void served_model_release(struct served_model *served)
{
    const size_t references = atomic_fetch_sub(&served->references, 1);
    assert(references > 0);
    if (references == 1)
        destroy(served);
}

bool served_model_same_states(const struct served_model *a, const struct served_model *b)
{
    const size_t count = model_lstm_count(a->model);
    if (model_state_size(a->model) != model_state_size(b->model) ||
        count != model_lstm_count(b->model))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct model_lstm_state x = model_lstm_state(a->model, i);
        const struct model_lstm_state y = model_lstm_state(b->model, i);
        if (x.cells != y.cells || x.h_size != y.h_size || x.c_size != y.c_size)
            return false;
    }
    return true;
}
