#include "server/lingering.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/clock.h"

#define LONGEST        (5 * CLOCK_NS_PER_S)
#define LOOK_EVERY_MS  500 /* for those whose time is over */
#define BYTES_AT_ONCE  ((size_t)1 << 20)
#define EVENTS_AT_ONCE 16
#define WAKE           LINGERING_MAX /* in an event: no socket's place */

struct lingering {
    pthread_mutex_t lock;
    pthread_t thread;
    int epoll, wake;
    bool stopping;
    size_t count;
    struct {
        int fd; /* -1: free. Set by lingering_take, freed by the thread */
        uint64_t until;
    } places[LINGERING_MAX];
};

/* ---- under the lock ---- */

static void drop(struct lingering *lingering, size_t place)
{
    close(lingering->places[place].fd);
    lingering->places[place].fd = -1;
    lingering->count--;
}

static void drop_due(struct lingering *lingering, uint64_t now)
{
    for (size_t i = 0; i < LINGERING_MAX; i++)
        if (lingering->places[i].fd >= 0 && lingering->places[i].until <= now)
            drop(lingering, i);
}

static size_t find_free(const struct lingering *lingering)
{
    size_t place = 0;
    while (place < LINGERING_MAX && lingering->places[place].fd >= 0)
        place++;
    return place;
}

static void wake(const struct lingering *lingering)
{
    const uint64_t one = 1;
    const ssize_t written = write(lingering->wake, &one, sizeof one);
    (void)written; /* EAGAIN: a wake-up is pending already */
}

static void keep(struct lingering *lingering, size_t place, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u64 = place};
    lingering->places[place].fd = fd;
    lingering->places[place].until = clock_now() + LONGEST;
    lingering->count++;
    if (epoll_ctl(lingering->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        drop(lingering, place);
    else
        wake(lingering);
}

/* Linux throws away without copying what is read from a TCP socket so. false: its end has come. */
static bool throw_away(int fd)
{
    const ssize_t got = recv(fd, NULL, BYTES_AT_ONCE, MSG_TRUNC | MSG_DONTWAIT);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static void note_event(struct lingering *lingering, size_t place)
{
    uint64_t wakes;
    if (place == WAKE) {
        const ssize_t got = read(lingering->wake, &wakes, sizeof wakes);
        (void)got;
    } else if (lingering->places[place].fd >= 0 && !throw_away(lingering->places[place].fd)) {
        drop(lingering, place);
    }
}

/* ---- the thread ---- */

static void *watch(void *argument)
{
    struct lingering *lingering = argument;
    struct epoll_event events[EVENTS_AT_ONCE];
    pthread_setname_np(pthread_self(), "lingering");
    pthread_mutex_lock(&lingering->lock);
    while (!lingering->stopping) {
        const int ms = lingering->count != 0 ? LOOK_EVERY_MS : -1;
        pthread_mutex_unlock(&lingering->lock);
        const int count = epoll_wait(lingering->epoll, events, EVENTS_AT_ONCE, ms);
        pthread_mutex_lock(&lingering->lock);
        for (int i = 0; i < count; i++)
            note_event(lingering, events[i].data.u64);
        drop_due(lingering, clock_now());
    }
    pthread_mutex_unlock(&lingering->lock);
    return NULL;
}

/* ---- everybody's ---- */

static void destroy(struct lingering *lingering)
{
    drop_due(lingering, UINT64_MAX);
    if (lingering->epoll >= 0)
        close(lingering->epoll);
    if (lingering->wake >= 0)
        close(lingering->wake);
    pthread_mutex_destroy(&lingering->lock);
    free(lingering);
}

static bool open_files(struct lingering *lingering, struct fault *fault)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE};
    lingering->epoll = epoll_create1(EPOLL_CLOEXEC);
    lingering->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (lingering->epoll < 0 || lingering->wake < 0 ||
        epoll_ctl(lingering->epoll, EPOLL_CTL_ADD, lingering->wake, &event) != 0)
        return fault_set(fault, 503, "lingering connections: %s", strerror(errno));
    return true;
}

static bool start_thread(struct lingering *lingering, struct fault *fault)
{
    const int error = pthread_create(&lingering->thread, NULL, watch, lingering);
    return error == 0 || fault_set(fault, 503, "lingering thread: %s", strerror(error));
}

bool lingering_start(struct lingering **started, struct fault *fault)
{
    struct lingering *lingering = calloc(1, sizeof *lingering);
    if (lingering == NULL)
        return fault_set(fault, 503, "out of memory");
    for (size_t i = 0; i < LINGERING_MAX; i++)
        lingering->places[i].fd = -1;
    lingering->epoll = lingering->wake = -1;
    pthread_mutex_init(&lingering->lock, NULL);
    if (open_files(lingering, fault) && start_thread(lingering, fault)) {
        *started = lingering;
        return true;
    }
    destroy(lingering);
    return false;
}

void lingering_stop(struct lingering *lingering)
{
    pthread_mutex_lock(&lingering->lock);
    lingering->stopping = true;
    wake(lingering);
    pthread_mutex_unlock(&lingering->lock);
    pthread_join(lingering->thread, NULL);
    destroy(lingering);
}

void lingering_take(struct lingering *lingering, int fd)
{
    pthread_mutex_lock(&lingering->lock);
    const size_t place = find_free(lingering);
    const int own = place < LINGERING_MAX ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (own >= 0) {
        shutdown(own, SHUT_WR);
        keep(lingering, place, own);
    }
    pthread_mutex_unlock(&lingering->lock);
}
