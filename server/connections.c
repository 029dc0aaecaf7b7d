#include "server/connections.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/deadline_heap.h"
#include "server/raw_answer.h"
#include "server/status_counts.h"

#define EVENTS_AT_ONCE 64
#define NEVER          UINT64_MAX

/* For reading what a peer had sent before it closed its side. */
#define GONE_GRACE CLOCK_NS_PER_S

struct connection {
    struct deadline deadline; /* first: the heap's node is the connection */
    int fd;                   /* -1: free slot */
    uint32_t generation;      /* tells an event for the slot's last user from one for this one */
    enum connection_phase phase;
    bool by_head;      /* in HEADER and BODY: the request's method is HEAD */
    int told;          /* a status; 0: nothing */
    bool gone;         /* the peer closed its sending side, or all of it */
    bool known;        /* not under the lock: its own thread's */
    uint64_t answered; /* the same */
    void *request;     /* in WORK, until it was given up */
    struct connection *next_free;
};

struct connections {
    struct connections_config config;
    pthread_mutex_t lock;
    pthread_cond_t empty;
    pthread_t thread;
    int epoll, wake;
    struct deadline_heap heap;
    struct connection *free;
    size_t count;
    uint64_t sleeps_until;  /* the thread wakes by itself at that moment */
    uint64_t idle_deadline; /* NEVER before connections_close_idle */
    bool giving_up, stopping;
    size_t to_resume; /* requests that were given up and wait for resume */
    void **resumes;   /* [limit] */
    struct connection slots[];
};

/* ---- under the lock ---- */

static void wake_thread(struct connections *table)
{
    const uint64_t one = 1;
    const ssize_t written = write(table->wake, &one, sizeof one);
    (void)written; /* EAGAIN: a wake-up is pending already */
    table->sleeps_until = 0;
}

static void set_deadline(struct connections *table, struct connection *connection, uint64_t at)
{
    deadline_heap_set(&table->heap, &connection->deadline, at);
    if (at < table->sleeps_until)
        wake_thread(table);
}

/* Hands the request to the owner; the connection stays in WORK until the owner moves it on. */
static void give_up(struct connections *table, struct connection *connection,
                    enum give_up_reason reason)
{
    void *request = connection->request;
    if (connection->phase != CONNECTION_WORK || request == NULL)
        return;
    if (!table->config.give_up(request, reason))
        return;
    connection->request = NULL;
    assert(table->to_resume < table->config.limit);
    table->resumes[table->to_resume++] = request;
    deadline_heap_remove(&table->heap, &connection->deadline);
    wake_thread(table);
}

static void cut(struct connections *table, struct connection *connection)
{
    deadline_heap_remove(&table->heap, &connection->deadline);
    shutdown(connection->fd, SHUT_RDWR);
}

/* Nothing of an answer was sent yet, so that the library is not writing and this can be said beside
 * it. One try: a client that reads nothing gets nothing. */
static void tell_incomplete(const struct connections *table, struct connection *connection)
{
    struct raw_answer answer;
    connection->told = connection->gone ? 400 : 408;
    status_counts_add(table->config.responses, connection->told);
    static const char cut_short[] = CONNECTIONS_CUT_SHORT,
                      late[] = "{\"error\":\"the request did not arrive in time\"}";
    if (connection->gone)
        raw_answer_set(&answer, 400, "Bad Request", cut_short, sizeof cut_short - 1,
                       !connection->by_head);
    else
        raw_answer_set(&answer, 408, "Request Timeout", late, sizeof late - 1,
                       !connection->by_head);
    const ssize_t sent =
        send(connection->fd, answer.bytes, answer.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent;
}

static void expire(struct connections *table, struct connection *connection)
{
    if (connection->phase == CONNECTION_WORK) {
        deadline_heap_remove(&table->heap, &connection->deadline);
        give_up(table, connection, GIVE_UP_LATE);
        return;
    }
    if (!table->config.silent &&
        (connection->phase == CONNECTION_HEADER || connection->phase == CONNECTION_BODY))
        tell_incomplete(table, connection);
    cut(table, connection);
}

static void expire_due(struct connections *table)
{
    const uint64_t now = clock_now();
    for (struct deadline *first; (first = deadline_heap_first(&table->heap)) != NULL;) {
        if (first->at > now)
            return;
        expire(table, (struct connection *)first);
    }
}

/* The latest that a deadline asked for may be, as things are. */
static uint64_t cap_deadline(const struct connections *table, const struct connection *connection,
                             uint64_t at)
{
    uint64_t cap = NEVER;
    if (connection->phase == CONNECTION_IDLE)
        cap = table->idle_deadline;
    if (connection->gone && connection->phase != CONNECTION_WORK &&
        connection->phase != CONNECTION_REPLY && cap > clock_now() + GONE_GRACE)
        cap = clock_now() + GONE_GRACE;
    return at < cap ? at : cap;
}

/* The same for a deadline that stands, unless the connection was cut already. */
static void cap_standing(struct connections *table, struct connection *connection)
{
    const uint64_t at = connection->deadline.at;
    if (connection->deadline.place != 0)
        set_deadline(table, connection, cap_deadline(table, connection, at));
}

static void note_gone(struct connections *table, struct connection *connection)
{
    connection->gone = true;
    if (connection->phase != CONNECTION_WORK)
        cap_standing(table, connection);
    else if (!table->config.ignore_half_close)
        give_up(table, connection, GIVE_UP_GONE);
}

/* ---- the thread ---- */

static void note_events(struct connections *table, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        const uint64_t key = events[i].data.u64;
        if (key == NEVER) {
            uint64_t wakes;
            const ssize_t got = read(table->wake, &wakes, sizeof wakes);
            (void)got;
            continue;
        }
        struct connection *connection = &table->slots[key >> 32];
        if (connection->fd < 0 || connection->generation != (uint32_t)key)
            continue;
        note_gone(table, connection);
    }
}

/* Milliseconds to sleep, rounded up so as not to wake just before the deadline; -1 for ever. */
static int sleep_time(struct connections *table)
{
    const struct deadline *first = deadline_heap_first(&table->heap);
    table->sleeps_until = first != NULL ? first->at : NEVER;
    if (first == NULL)
        return -1;
    const uint64_t now = clock_now();
    const uint64_t left = first->at > now ? first->at - now : 0;
    const uint64_t ms = (left + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
    return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

/* Called with the lock held, which is let go meanwhile. A request that was given up belongs to
 * nobody else until it is resumed, and its connection stays as long as it is suspended. */
static void resume_all(struct connections *table)
{
    while (table->to_resume > 0) {
        void *request = table->resumes[--table->to_resume];
        pthread_mutex_unlock(&table->lock);
        table->config.resume(request);
        pthread_mutex_lock(&table->lock);
    }
}

static void *watch(void *argument)
{
    struct connections *table = argument;
    struct epoll_event events[EVENTS_AT_ONCE];
    pthread_setname_np(pthread_self(), "connections");
    pthread_mutex_lock(&table->lock);
    while (!table->stopping) {
        const int ms = sleep_time(table);
        pthread_mutex_unlock(&table->lock);
        const int count = epoll_wait(table->epoll, events, EVENTS_AT_ONCE, ms);
        pthread_mutex_lock(&table->lock);
        note_events(table, events, count);
        expire_due(table);
        resume_all(table);
    }
    pthread_mutex_unlock(&table->lock);
    return NULL;
}

/* ---- start and stop ---- */

static void free_table(struct connections *table)
{
    if (table->epoll >= 0)
        close(table->epoll);
    if (table->wake >= 0)
        close(table->wake);
    deadline_heap_fini(&table->heap);
    free((void *)table->resumes);
    pthread_cond_destroy(&table->empty);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

static bool open_files(struct connections *table, struct fault *fault)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = NEVER};
    table->epoll = epoll_create1(EPOLL_CLOEXEC);
    table->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (table->epoll < 0 || table->wake < 0 ||
        epoll_ctl(table->epoll, EPOLL_CTL_ADD, table->wake, &event) != 0)
        return fault_set(fault, 503, "connection watch: %s", strerror(errno));
    return true;
}

static bool start_thread(struct connections *table, struct fault *fault)
{
    const int error = pthread_create(&table->thread, NULL, watch, table);
    return error == 0 || fault_set(fault, 503, "connection watch thread: %s", strerror(error));
}

bool connections_start(struct connections **started, const struct connections_config *config,
                       struct fault *fault)
{
    assert(config->limit > 0 && config->limit < UINT32_MAX / 2);
    struct connections *table = calloc(1, sizeof *table + config->limit * sizeof *table->slots);
    if (table == NULL)
        return fault_set(fault, 503, "out of memory");
    table->config = *config;
    table->epoll = table->wake = -1;
    table->idle_deadline = NEVER;
    pthread_mutex_init(&table->lock, NULL);
    pthread_cond_init(&table->empty, NULL);
    for (size_t i = config->limit; i-- > 0;) {
        table->slots[i].fd = -1;
        table->slots[i].next_free = table->free;
        table->free = &table->slots[i];
    }
    table->resumes = (void **)calloc(config->limit, sizeof *table->resumes);
    if (!deadline_heap_init(&table->heap, config->limit) || table->resumes == NULL)
        fault_set(fault, 503, "out of memory");
    else if (open_files(table, fault) && start_thread(table, fault)) {
        *started = table;
        return true;
    }
    free_table(table);
    return false;
}

void connections_stop(struct connections *table)
{
    pthread_mutex_lock(&table->lock);
    assert(table->count == 0);
    table->stopping = true;
    wake_thread(table);
    pthread_mutex_unlock(&table->lock);
    pthread_join(table->thread, NULL);
    free_table(table);
}

/* ---- what the owner does ---- */

/* Edge-triggered and once, so that nothing but the peer's leaving ever wakes the thread. Without
 * memory for it in the kernel, the leaving goes unnoticed and the deadline remains. The kernel
 * forgets the descriptor when the library closes it, or a lingering duplicate of it is closed; an
 * event that comes until then is told by its generation. */
static void watch_peer(struct connections *table, struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET | EPOLLONESHOT};
    event.data.u64 = (uint64_t)(connection - table->slots) << 32 | (uint64_t)connection->generation;
    epoll_ctl(table->epoll, EPOLL_CTL_ADD, connection->fd, &event);
}

struct connection *connections_add(struct connections *table, int fd, uint64_t deadline)
{
    pthread_mutex_lock(&table->lock);
    struct connection *connection = table->free;
    if (connection != NULL) {
        table->free = connection->next_free;
        table->count++;
        connection->fd = fd;
        connection->generation++;
        connection->phase = CONNECTION_IDLE;
        connection->by_head = connection->gone = false;
        connection->told = 0;
        connection->known = false;
        connection->answered = 0;
        set_deadline(table, connection, cap_deadline(table, connection, deadline));
        watch_peer(table, connection);
    }
    pthread_mutex_unlock(&table->lock);
    return connection;
}

bool connections_remove(struct connections *table, struct connection *connection)
{
    pthread_mutex_lock(&table->lock);
    const bool leaving = connection->phase == CONNECTION_LEAVING;
    assert(connection->fd >= 0 && connection->request == NULL);
    deadline_heap_remove(&table->heap, &connection->deadline);
    connection->fd = -1;
    connection->next_free = table->free;
    table->free = connection;
    if (--table->count == 0)
        pthread_cond_broadcast(&table->empty);
    pthread_mutex_unlock(&table->lock);
    return leaving;
}

void connection_set_known(struct connection *connection)
{
    connection->known = true;
}

bool connection_is_known(const struct connection *connection)
{
    return connection->known;
}

void connection_set_answered(struct connection *connection, uint64_t now)
{
    connection->answered = now;
}

uint64_t connection_answered(const struct connection *connection)
{
    return connection->answered;
}

int connections_told(struct connections *table, const struct connection *connection)
{
    pthread_mutex_lock(&table->lock);
    const int told = connection->told;
    pthread_mutex_unlock(&table->lock);
    return told;
}

size_t connections_count(struct connections *table)
{
    pthread_mutex_lock(&table->lock);
    const size_t count = table->count;
    pthread_mutex_unlock(&table->lock);
    return count;
}

void connections_begin(struct connections *table, struct connection *connection, bool by_head,
                       uint64_t deadline)
{
    pthread_mutex_lock(&table->lock);
    connection->phase = CONNECTION_HEADER;
    connection->by_head = by_head;
    set_deadline(table, connection, cap_deadline(table, connection, deadline));
    pthread_mutex_unlock(&table->lock);
}

void connections_set(struct connections *table, struct connection *connection,
                     enum connection_phase phase, uint64_t deadline)
{
    assert(phase != CONNECTION_WORK && phase != CONNECTION_HEADER);
    pthread_mutex_lock(&table->lock);
    connection->phase = phase;
    connection->request = NULL;
    set_deadline(table, connection, cap_deadline(table, connection, deadline));
    pthread_mutex_unlock(&table->lock);
}

void connections_work(struct connections *table, struct connection *connection, void *request,
                      uint64_t deadline)
{
    pthread_mutex_lock(&table->lock);
    connection->phase = CONNECTION_WORK;
    connection->request = request;
    set_deadline(table, connection, deadline);
    if (table->giving_up)
        give_up(table, connection, GIVE_UP_STOPPING);
    else if (connection->gone)
        note_gone(table, connection);
    pthread_mutex_unlock(&table->lock);
}

void connections_close_idle(struct connections *table, uint64_t deadline)
{
    pthread_mutex_lock(&table->lock);
    table->idle_deadline = deadline;
    for (size_t i = 0; i < table->config.limit; i++) {
        struct connection *connection = &table->slots[i];
        if (connection->fd >= 0)
            cap_standing(table, connection);
    }
    pthread_mutex_unlock(&table->lock);
}

void connections_give_up(struct connections *table)
{
    pthread_mutex_lock(&table->lock);
    table->giving_up = true;
    for (size_t i = 0; i < table->config.limit; i++)
        give_up(table, &table->slots[i], GIVE_UP_STOPPING);
    pthread_mutex_unlock(&table->lock);
}

void connections_cut(struct connections *table)
{
    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->config.limit; i++)
        if (table->slots[i].fd >= 0)
            cut(table, &table->slots[i]);
    pthread_mutex_unlock(&table->lock);
}

bool connections_wait_empty(struct connections *table, uint64_t deadline)
{
    const struct timespec until = clock_timespec(deadline);
    pthread_mutex_lock(&table->lock);
    int error = 0;
    while (table->count != 0 && error == 0)
        error = pthread_cond_clockwait(&table->empty, &table->lock, CLOCK_MONOTONIC, &until);
    const bool empty = table->count == 0;
    pthread_mutex_unlock(&table->lock);
    return empty;
}
