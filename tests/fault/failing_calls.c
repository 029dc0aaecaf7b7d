#include "tests/fault/failing_calls.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <zmq.h>

static atomic_long memory_left = -1; /* allocations that still succeed; negative: all do */
static atomic_bool refused;
static atomic_long live;
static long threads_left = -1;

void fail_memory_after(long count)
{
    atomic_store(&live, 0);
    atomic_store(&refused, false);
    atomic_store(&memory_left, count);
}

bool fail_memory_no_more(void)
{
    atomic_store(&memory_left, -1);
    return atomic_load(&refused);
}

long live_blocks(void)
{
    return atomic_load(&live);
}

void fail_threads_after(long count)
{
    threads_left = count;
}

static bool may_allocate(void)
{
    long left = atomic_load(&memory_left);
    while (left > 0 && !atomic_compare_exchange_weak(&memory_left, &left, left - 1))
        continue;
    if (left == 0)
        atomic_store(&refused, true);
    return left != 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __real_zmq_msg_init_data(zmq_msg_t *msg, void *data, size_t size, zmq_free_fn *release,
                             void *hint);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *block);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_zmq_msg_init_data(zmq_msg_t *msg, void *data, size_t size, zmq_free_fn *release,
                             void *hint);

static void *counted(void *block)
{
    atomic_fetch_add(&live, block != NULL);
    return block;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? counted(__real_malloc(size)) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? counted(__real_calloc(count, size)) : NULL;
}

void *__wrap_realloc(void *block, size_t size)
{
    if (!may_allocate())
        return NULL;
    void *moved = __real_realloc(block, size);
    atomic_fetch_add(&live, block == NULL && moved != NULL);
    return moved;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return may_allocate() ? counted(__real_aligned_alloc(alignment, size)) : NULL;
}

void __wrap_free(void *block)
{
    atomic_fetch_sub(&live, block != NULL);
    __real_free(block);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    if (threads_left == 0)
        return EAGAIN;
    threads_left -= threads_left > 0;
    return __real_pthread_create(thread, attributes, run, argument);
}

int __wrap_zmq_msg_init_data(zmq_msg_t *msg, void *data, size_t size, zmq_free_fn *release,
                             void *hint)
{
    if (may_allocate())
        return __real_zmq_msg_init_data(msg, data, size, release, hint);
    errno = ENOMEM;
    return -1;
}
