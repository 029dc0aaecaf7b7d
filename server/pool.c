#include "server/pool.h"

#include <assert.h>
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;  /* a task was queued, or stopping was set */
    pthread_cond_t quiet; /* stopping, and nothing is queued or running */
    struct pool_task *first, *last;
    size_t queued, queue_limit;
    size_t running;
    bool stopping;
    size_t thread_count;
    pthread_t threads[];
};

static void append(struct pool *pool, struct pool_task *task)
{
    task->next = NULL;
    task->prev = pool->last;
    if (pool->last != NULL)
        pool->last->next = task;
    else
        pool->first = task;
    pool->last = task;
    task->queued = true;
    pool->queued++;
}

static void unlink_task(struct pool *pool, struct pool_task *task)
{
    if (task->prev != NULL)
        task->prev->next = task->next;
    else
        pool->first = task->next;
    if (task->next != NULL)
        task->next->prev = task->prev;
    else
        pool->last = task->prev;
    task->queued = false;
    pool->queued--;
}

/* The next task, unlinked; NULL when the pool has stopped. Called with the lock held. */
static struct pool_task *wait_for_task(struct pool *pool)
{
    while (pool->first == NULL && !pool->stopping)
        pthread_cond_wait(&pool->work, &pool->lock);
    struct pool_task *task = pool->first;
    if (task != NULL)
        unlink_task(pool, task);
    return task;
}

static void *worker(void *argument)
{
    struct pool *pool = argument;
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

bool pool_start(struct pool **started, size_t workers, size_t queue_limit, struct fault *fault)
{
    assert(workers > 0 && workers < SIZE_MAX / (2 * sizeof(pthread_t)));
    struct pool *pool = calloc(1, sizeof *pool + workers * sizeof *pool->threads);
    if (pool == NULL)
        return fault_set(fault, 503, "out of memory");
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->quiet, NULL);
    pool->queue_limit = queue_limit;
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
    const bool accepted = !pool->stopping && pool->queued < pool->queue_limit;
    if (accepted) {
        append(pool, task);
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return accepted;
}

bool pool_remove(struct pool *pool, struct pool_task *task)
{
    pthread_mutex_lock(&pool->lock);
    const bool removed = task->queued;
    if (removed)
        unlink_task(pool, task);
    pthread_mutex_unlock(&pool->lock);
    return removed;
}

bool pool_is_free(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    const bool is_free = pool->first == NULL;
    pthread_mutex_unlock(&pool->lock);
    return is_free;
}

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
