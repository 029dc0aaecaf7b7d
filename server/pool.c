#include "server/pool.h"

#include <assert.h>
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/time_slice.h"

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;  /* a task was queued, or stopping was set */
    pthread_cond_t quiet; /* stopping, and nothing is queued or running */
    struct pool_task *first, *last;
    size_t running;
    bool stopping;
    size_t thread_count;
    pthread_t threads[];
};

static void append(struct pool *pool, struct pool_task *task)
{
    task->next = NULL;
    if (pool->last != NULL)
        pool->last->next = task;
    else
        pool->first = task;
    pool->last = task;
}

/* The next task, unlinked; NULL when the pool has stopped. Called with the lock held. */
static struct pool_task *wait_for_task(struct pool *pool)
{
    while (pool->first == NULL && !pool->stopping)
        pthread_cond_wait(&pool->work, &pool->lock);
    struct pool_task *task = pool->first;
    if (task == NULL)
        return NULL;
    pool->first = task->next;
    if (pool->first == NULL)
        pool->last = NULL;
    return task;
}

static void *worker(void *argument)
{
    struct pool *pool = argument;
    pthread_setname_np(pthread_self(), "worker");
    time_slice_begin(clock_now());
    /* A library built with -ffast-math may have told the starting thread to flush denormals. */
    fesetenv(FE_DFL_ENV);
    pthread_mutex_lock(&pool->lock);
    for (struct pool_task *task; (task = wait_for_task(pool)) != NULL;) {
        pool->running++;
        pthread_mutex_unlock(&pool->lock);
        task->run(task);
        pthread_mutex_lock(&pool->lock);
        pool->running--;
        if (pool->stopping && pool->running == 0 && pool->first == NULL)
            pthread_cond_broadcast(&pool->quiet);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void join_and_free(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->quiet);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

bool pool_start(struct pool **started, size_t workers, struct fault *fault)
{
    assert(workers > 0 && workers < SIZE_MAX / (2 * sizeof(pthread_t)));
    struct pool *pool = calloc(1, sizeof *pool + workers * sizeof *pool->threads);
    if (pool == NULL)
        return fault_set(fault, 503, "out of memory");
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->quiet, NULL);
    while (pool->thread_count < workers) {
        const int error = pthread_create(&pool->threads[pool->thread_count], NULL, worker, pool);
        if (error != 0) {
            fault_set(fault, 503, "worker thread %zu of %zu: %s", pool->thread_count + 1, workers,
                      strerror(error));
            join_and_free(pool);
            return false;
        }
        pool->thread_count++;
    }
    *started = pool;
    return true;
}

bool pool_submit(struct pool *pool, struct pool_task *task)
{
    pthread_mutex_lock(&pool->lock);
    const bool accepted = !pool->stopping;
    if (accepted) {
        append(pool, task);
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return accepted;
}

/* ---- stopping ---- */

/* Called with the lock held; false when the deadline came first. */
static bool wait_until_quiet(struct pool *pool, uint64_t deadline)
{
    const struct timespec until = clock_timespec(deadline);
    while (pool->running != 0 || pool->first != NULL)
        if (pthread_cond_clockwait(&pool->quiet, &pool->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
            return pool->running == 0 && pool->first == NULL;
    return true;
}

bool pool_stop(struct pool *pool, uint64_t deadline)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    const bool quiet = wait_until_quiet(pool, deadline);
    pthread_mutex_unlock(&pool->lock);
    if (quiet)
        join_and_free(pool);
    return quiet;
}
