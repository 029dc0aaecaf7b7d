/* Runs rows of a model in scratch of just the size it asks for, full of NaN to begin with and
 * guarded on both sides. */
#ifndef TESTS_SUPPORT_RUN_ROWS_H
#define TESTS_SUPPORT_RUN_ROWS_H

#include <assert.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "core/model.h"
#include "tests/support/guarded.h"

static inline size_t rows_longest(const struct model_row *rows, size_t row_count)
{
    size_t steps = 0;
    for (size_t r = 0; r < row_count; r++)
        steps = rows[r].steps > steps ? rows[r].steps : steps;
    return steps;
}

static inline struct guarded rows_scratch(size_t bytes)
{
    struct guarded scratch = guarded_create(bytes / sizeof(float), 0);
    memset(scratch.floats, 0xff, bytes);
    return scratch;
}

static inline void run_rows(const struct model *model, const struct model_row *rows,
                            size_t row_count)
{
    size_t bytes;
    const bool fits = model_scratch_size(model, row_count, rows_longest(rows, row_count), &bytes);
    assert(fits);
    struct guarded scratch = rows_scratch(bytes);
    model_run(model, rows, row_count, (struct model_scratch){scratch.floats, bytes});
    assert(guarded_intact(&scratch));
    guarded_destroy(&scratch);
}

/* ---- the same by a team ---- */

enum { ROWS_TEAM_MAX = 8 };

struct rows_member {
    const struct model *model;
    const struct model_row *rows;
    size_t row_count;
    struct model_scratch scratch;
    struct share share;
};

static inline void rows_meet(void *context)
{
    pthread_barrier_wait(context);
}

static inline void *rows_run_member(void *argument)
{
    const struct rows_member *m = argument;
    model_run_member(m->model, m->rows, m->row_count, m->scratch, &m->share);
    return NULL;
}

static inline void run_rows_by_team(const struct model *model, const struct model_row *rows,
                                    size_t row_count, size_t size)
{
    pthread_barrier_t barrier;
    pthread_t threads[ROWS_TEAM_MAX];
    struct rows_member members[ROWS_TEAM_MAX];
    const struct team team = {size, rows_meet, &barrier};
    size_t bytes;
    assert(size <= ROWS_TEAM_MAX);
    const bool fits =
        model_team_scratch_size(model, size, row_count, rows_longest(rows, row_count), &bytes);
    assert(fits);
    struct guarded scratch = rows_scratch(bytes);
    pthread_barrier_init(&barrier, NULL, (unsigned)size);
    for (size_t m = 0; m < size; m++) {
        members[m] =
            (struct rows_member){model, rows, row_count, {scratch.floats, bytes}, {&team, m}};
        const int error = pthread_create(&threads[m], NULL, rows_run_member, &members[m]);
        assert(error == 0);
    }
    for (size_t m = 0; m < size; m++)
        pthread_join(threads[m], NULL);
    pthread_barrier_destroy(&barrier);
    assert(guarded_intact(&scratch));
    guarded_destroy(&scratch);
}

#endif
