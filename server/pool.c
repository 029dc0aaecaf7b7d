#include "server/pool.h"

#include <assert.h>
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/meeting.h"
#include "server/time_slice.h"

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;   /* a task was queued, or stopping was set */
    pthread_cond_t quiet;  /* stopping, and nothing is queued or running */
    pthread_cond_t helped; /* the last helper of some sharing is done */
    struct pool_task *first, *last;
    size_t queued; /* tasks waiting, those of sharings not counted */
    size_t called; /* tasks of sharings whose idle worker has not come yet */
    size_t running;
    size_t idle; /* workers asleep, or woken and not yet here */
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
    task->helps = false;
    pool->queued++;
}

static void unlink_first(struct pool *pool)
{
    struct pool_task *task = pool->first;
    pool->first = task->next;
    if (pool->first == NULL)
        pool->last = NULL;
    if (task->helps)
        pool->called--;
    else
        pool->queued--;
}

/* The next task, unlinked; NULL when the pool has stopped. Called with the lock held. */
static struct pool_task *wait_for_task(struct pool *pool)
{
    pool->idle++;
    while (pool->first == NULL && !pool->stopping)
        pthread_cond_wait(&pool->work, &pool->lock);
    pool->idle--;
    struct pool_task *task = pool->first;
    if (task != NULL)
        unlink_first(pool);
    return task;
}

static void *worker(void *argument)
{
    struct pool *pool = argument;
    pthread_setname_np(pthread_self(), "worker");
    time_slice_shorten();
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
    pthread_cond_destroy(&pool->helped);
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
    pthread_cond_init(&pool->helped, NULL);
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

/* ---- sharing ---- */

/* One call of pool_share, on its caller's stack. */
struct sharing {
    struct team team;
    struct meeting meeting;
    void (*run)(void *context, const struct share *share);
    void *context;
    struct pool *pool;
    size_t helping; /* helpers not done yet; under the pool's lock */
};

struct helper {
    struct pool_task task; /* first: the pool's task is the helper */
    struct sharing *sharing;
    size_t member;
};

enum { HELPERS_MAX = POOL_TEAM_MAX - 1 };

static void meet(void *context)
{
    meeting_wait(context);
}

/* The caller's stack may be gone as soon as it has seen that nobody is helping any more. */
static void help(struct pool_task *task)
{
    const struct helper *helper = (struct helper *)task;
    struct sharing *sharing = helper->sharing;
    struct pool *pool = sharing->pool;
    sharing->run(sharing->context, &(struct share){&sharing->team, helper->member});
    pthread_mutex_lock(&pool->lock);
    if (--sharing->helping == 0)
        pthread_cond_broadcast(&pool->helped);
    pthread_mutex_unlock(&pool->lock);
}

static void prepend(struct pool *pool, struct pool_task *task)
{
    task->next = pool->first;
    if (pool->first == NULL)
        pool->last = task;
    pool->first = task;
    task->helps = true;
    pool->called++;
}

/* Every helper's task goes to the head of the queue, and there is an idle worker for each: so all
 * of them start, whatever else happens. */
static void call_helpers(struct pool *pool, struct sharing *sharing, struct helper *helpers,
                         size_t wanted)
{
    pthread_mutex_lock(&pool->lock);
    const size_t awaited = pool->queued + pool->called;
    size_t free_workers = pool->idle > awaited ? pool->idle - awaited : 0;
    if (free_workers > HELPERS_MAX)
        free_workers = HELPERS_MAX;
    const size_t count = wanted - 1 < free_workers ? wanted - 1 : free_workers;
    sharing->team.size = count + 1;
    sharing->helping = count;
    meeting_init(&sharing->meeting, (unsigned)count + 1);
    for (size_t i = 0; i < count; i++) {
        helpers[i] = (struct helper){
            .task.run = help,
            .sharing = sharing,
            .member = i + 1,
        };
        prepend(pool, &helpers[i].task);
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
}

void pool_share(struct pool *pool, size_t wanted,
                void (*run)(void *context, const struct share *share), void *context)
{
    assert(wanted > 0);
    struct helper helpers[HELPERS_MAX];
    struct sharing sharing = {.run = run, .context = context, .pool = pool};
    sharing.team.meet = meet;
    sharing.team.context = &sharing.meeting;
    call_helpers(pool, &sharing, helpers, wanted);
    run(context, &(struct share){&sharing.team, 0});
    pthread_mutex_lock(&pool->lock);
    while (sharing.helping > 0)
        pthread_cond_wait(&pool->helped, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
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
