#include "server/acceptor.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/clock.h"

/* Milliseconds: what is given is taken up in far less; how soon there may be room again. */
enum { TAKE_UP = 1000, NO_ROOM = 5 };

/* What one thread has been given. */
struct share {
    size_t given, lost; /* lost: of given, never taken up. The acceptor's own thread's */
    atomic_size_t started, closed;
};

struct acceptor {
    struct acceptor_config config;
    pthread_t thread;
    atomic_bool stopping;
    uint64_t last_given; /* a moment of clock_now's; the thread's own */
    struct share shares[];
};

/* ---- the acceptor's thread ---- */

static size_t open_of(struct share *share)
{
    const size_t gone = atomic_load(&share->closed) + share->lost;
    return share->given > gone ? share->given - gone : 0;
}

static size_t open_of_all(struct acceptor *acceptor)
{
    size_t count = 0;
    for (size_t i = 0; i < acceptor->config.threads; i++)
        count += open_of(&acceptor->shares[i]);
    return count;
}

static size_t thread_with_fewest(struct acceptor *acceptor)
{
    size_t best = 0;
    for (size_t i = 1; i < acceptor->config.threads; i++)
        if (open_of(&acceptor->shares[i]) < open_of(&acceptor->shares[best]))
            best = i;
    return best;
}

/* Everything that was given has been taken up, or is known never to be. */
static bool is_settled(struct acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->config.threads; i++) {
        struct share *share = &acceptor->shares[i];
        if (share->given > atomic_load(&share->started) + share->lost)
            return false;
    }
    return true;
}

/* What has not been taken up long after the last was given never will be. */
static void settle(struct acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->config.threads; i++) {
        struct share *share = &acceptor->shares[i];
        const size_t started = atomic_load(&share->started);
        share->lost = share->given > started ? share->given - started : 0;
    }
}

static void give(struct acceptor *acceptor, int fd, const struct sockaddr *peer, socklen_t size)
{
    const size_t thread = thread_with_fewest(acceptor);
    struct share *share = &acceptor->shares[thread];
    share->given++;
    acceptor->last_given = clock_now();
    if (!acceptor->config.give(acceptor->config.context, thread, fd, peer, size))
        share->given--;
}

/* false: there is none just now, or no room for it. */
static bool take_one(struct acceptor *acceptor)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    if (open_of_all(acceptor) >= acceptor->config.limit)
        return false;
    const int fd = accept4(acceptor->config.listener, (struct sockaddr *)&peer, &size,
                           SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return errno == ECONNABORTED || errno == EINTR;
    give(acceptor, fd, (struct sockaddr *)&peer, size);
    return true;
}

static void *take_all(void *argument)
{
    struct acceptor *acceptor = argument;
    struct pollfd listener = {.fd = acceptor->config.listener, .events = POLLIN};
    pthread_setname_np(pthread_self(), "acceptor");
    while (!atomic_load(&acceptor->stopping)) {
        poll(&listener, 1, is_settled(acceptor) ? -1 : TAKE_UP);
        if (clock_now() - acceptor->last_given >= TAKE_UP * CLOCK_NS_PER_MS)
            settle(acceptor);
        while (!atomic_load(&acceptor->stopping) && take_one(acceptor))
            continue;
        /* What waits and cannot be taken in is there again at once. */
        if (poll(&listener, 1, 0) > 0 && !atomic_load(&acceptor->stopping))
            usleep(NO_ROOM * 1000);
    }
    return NULL;
}

/* ---- everybody's ---- */

bool acceptor_start(struct acceptor **started, const struct acceptor_config *config,
                    struct fault *fault)
{
    assert(config->threads > 0 && config->limit > 0);
    struct acceptor *acceptor =
        calloc(1, sizeof *acceptor + config->threads * sizeof *acceptor->shares);
    if (acceptor == NULL)
        return fault_set(fault, 503, "out of memory");
    acceptor->config = *config;
    *started = acceptor; /* before its thread may give anything */
    const int error = pthread_create(&acceptor->thread, NULL, take_all, acceptor);
    if (error == 0)
        return true;
    *started = NULL;
    free(acceptor);
    return fault_set(fault, 503, "acceptor thread: %s", strerror(error));
}

void acceptor_started(struct acceptor *acceptor, size_t thread)
{
    atomic_fetch_add(&acceptor->shares[thread].started, 1);
}

void acceptor_closed(struct acceptor *acceptor, size_t thread)
{
    atomic_fetch_add(&acceptor->shares[thread].closed, 1);
}

void acceptor_close(struct acceptor *acceptor)
{
    atomic_store(&acceptor->stopping, true);
    shutdown(acceptor->config.listener, SHUT_RDWR); /* which wakes the thread */
    pthread_join(acceptor->thread, NULL);
    while (!is_settled(acceptor) && clock_now() - acceptor->last_given < TAKE_UP * CLOCK_NS_PER_MS)
        usleep(1000);
}

void acceptor_free(struct acceptor *acceptor)
{
    free(acceptor);
}
