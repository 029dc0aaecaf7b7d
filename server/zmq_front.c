#include "server/zmq_front.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/events.h"
#include "server/log.h"
#include "server/zmq_jobs.h"
#include "server/zmq_publisher.h"
#include "server/zmq_request.h"

/* Taken in one go, before the replies that are ready meanwhile are sent. */
#define TAKEN_AT_ONCE 64

/* What else there is to attend to waits at most so many rounds while requests keep coming. */
#define ROUNDS_WITHOUT_OTHERS 32

#define SWEEP_EVERY CLOCK_NS_PER_S

/* The library's own bound of messages that wait to be taken in, for each peer. */
#define RECEIVE_LIMIT 64

/* For frames that are a little too large where requests are small. */
#define FRAME_ROOM ((size_t)1 << 20)

struct zmq_front {
    struct zmq_config config;
    struct zeromq *context;
    struct zeromq_socket *router, *monitor;
    struct zeromq_socket *authenticator, *publisher; /* NULL: not there */
    pthread_t thread;
    atomic_uint_fast64_t stop_at; /* UINT64_MAX: not yet */
    struct zmq_traffic traffic;

    /* The thread's own. */
    uint64_t sweep_at;
    unsigned rounds; /* since it was looked after others */
    struct zeromq_message message;
};

/* ---- the thread ---- */

/* At least one, if there is any, however much is to be computed first. */
static bool take_requests(struct zmq_front *front)
{
    size_t taken = 0;
    while (taken < TAKEN_AT_ONCE && (taken == 0 || !zmq_jobs_light_is_due(&front->traffic)) &&
           zeromq_receive(front->router, &front->message)) {
        zmq_request_take(&front->traffic, &front->message);
        zeromq_message_close(&front->message);
        taken++;
    }
    return taken != 0;
}

static void count_event(struct zmq_counts *counts, enum zeromq_event event)
{
    switch (event) {
    case ZEROMQ_CONNECTED:
        atomic_fetch_add_explicit(&counts->peers, 1, memory_order_relaxed);
        break;
    case ZEROMQ_DISCONNECTED:
        atomic_fetch_sub_explicit(&counts->peers, 1, memory_order_relaxed);
        break;
    case ZEROMQ_HANDSHAKE_FAILED:
        atomic_fetch_add_explicit(&counts->bad_handshake, 1, memory_order_relaxed);
        break;
    case ZEROMQ_ACCEPT_FAILED:
        atomic_fetch_add_explicit(&counts->bad_accept, 1, memory_order_relaxed);
        log_limited("lstmd: zmq: a connection could not be accepted");
        break;
    case ZEROMQ_OTHER:
        break;
    }
}

static void attend_to_others(struct zmq_front *front)
{
    enum zeromq_event event;
    front->rounds = 0;
    while (zeromq_next_event(front->monitor, &event))
        count_event(&front->traffic.service->zmq, event);
    if (front->authenticator != NULL)
        curve_clients_answer(&front->config.clients, front->authenticator);
    if (front->publisher != NULL)
        zmq_publish(front->publisher);
}

/* What is late makes room for others of its peer, as does what has been run: those of them that are
 * light are run in the next round, so that what arrives meanwhile does not wait for all of them.
 * true: something may have been sent. */
static bool do_what_is_due(struct zmq_front *front)
{
    const uint64_t now = clock_now();
    bool sent = zmq_jobs_give_up_late(&front->traffic, now);
    if (front->traffic.light_count > 0) {
        zmq_jobs_run_light(&front->traffic);
        sent = true;
    }
    if (now >= front->sweep_at) {
        zmq_peers_sweep(&front->traffic.peers);
        front->sweep_at = now + SWEEP_EVERY;
    }
    if (!front->traffic.giving_up && now >= atomic_load(&front->stop_at)) {
        zmq_jobs_give_up_all(&front->traffic);
        sent = true;
    }
    return sent;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The moment after which something is to be done without an event. */
static uint64_t next_moment(const struct zmq_front *front)
{
    const struct deadline *late = deadline_heap_first(&front->traffic.late);
    uint64_t moment = late != NULL ? late->at : UINT64_MAX;
    if (front->traffic.peers.count != 0)
        moment = least(moment, front->sweep_at);
    if (!front->traffic.giving_up)
        moment = least(moment, atomic_load(&front->stop_at));
    return moment;
}

static int descriptor_of(const struct zeromq_socket *socket)
{
    return socket != NULL ? zeromq_descriptor(socket) : -1;
}

static void sleep_until_something(struct zmq_front *front)
{
    struct pollfd fds[] = {
        {.fd = front->traffic.finished.descriptor, .events = POLLIN},
        {.fd = zeromq_descriptor(front->router), .events = POLLIN},
        {.fd = zeromq_descriptor(front->monitor), .events = POLLIN},
        {.fd = descriptor_of(front->authenticator), .events = POLLIN},
        {.fd = descriptor_of(front->publisher), .events = POLLIN},
    };
    const size_t count = sizeof fds / sizeof *fds;
    const uint64_t moment = next_moment(front), now = clock_now();
    const struct timespec left = clock_timespec(moment > now ? moment - now : 0);
    if (ppoll(fds, count, moment != UINT64_MAX ? &left : NULL, NULL) <= 0)
        return;
    const bool woken = fds[0].revents != 0;
    if (woken)
        mailbox_settle(&front->traffic.finished);
    if (woken || fds[1].revents == 0)
        attend_to_others(front); /* there may be something to publish, of which it is told once */
}

/* Stopping, and nothing is left to answer. */
static bool is_over(const struct zmq_front *front)
{
    return atomic_load(&front->stop_at) != UINT64_MAX && front->traffic.all == NULL;
}

/* Whoever sends makes the library take note of what has arrived: its descriptor then tells nobody
 * of that any more, so that it is looked for once more before sleeping. */
static void *serve(void *argument)
{
    struct zmq_front *front = argument;
    pthread_setname_np(pthread_self(), "zmq");
    while (!is_over(front)) {
        const bool finished = zmq_jobs_take_finished(&front->traffic);
        const bool taken = take_requests(front);
        const bool sent = do_what_is_due(front);
        if (++front->rounds >= ROUNDS_WITHOUT_OTHERS)
            attend_to_others(front);
        if (!finished && !taken && !sent)
            sleep_until_something(front);
    }
    return NULL;
}

/* ---- start and stop ---- */

/* The library cuts off who sends a larger frame, without a word. Up to twice what a request may
 * have, and FRAME_ROOM, it is taken in, to be refused with one. */
static size_t frame_limit(size_t max_request)
{
    return max_request < INT64_MAX / 2 - FRAME_ROOM ? 2 * max_request + FRAME_ROOM : INT64_MAX;
}

static struct zeromq_socket_options socket_options(const struct zmq_front *front)
{
    return (struct zeromq_socket_options){
        .frame_limit = frame_limit(front->config.max_request),
        .receive_limit = RECEIVE_LIMIT,
        .send_limit = (int)front->config.peer_limit,
        .secret_key = front->config.curve ? front->config.secret_key : NULL,
    };
}

static bool bind_endpoint(struct zeromq_socket *socket, struct zmq_endpoint *endpoint,
                          struct fault *fault)
{
    char bound[ZMQ_ENDPOINT_MAX];
    if (!zeromq_bind(socket, endpoint->text, endpoint->ipv6, bound, sizeof bound, fault))
        return false;
    memcpy(endpoint->text, bound, sizeof bound);
    zmq_endpoint_bound(endpoint);
    return true;
}

/* By whoever has something to tell. */
static void wake_publisher(void *context)
{
    struct zmq_front *front = context;
    mailbox_wake(&front->traffic.finished);
}

static bool open_publisher(struct zmq_front *front, const struct zeromq_socket_options *options,
                           struct fault *fault)
{
    front->publisher = zeromq_publisher(front->context, options, fault);
    if (front->publisher == NULL || !bind_endpoint(front->publisher, &front->config.events, fault))
        return false;
    events_listen(wake_publisher, front);
    return true;
}

/* The authenticator stands before anybody can be at the door. */
static bool open_sockets(struct zmq_front *front, struct fault *fault)
{
    const struct zeromq_socket_options options = socket_options(front);
    if (front->config.curve) {
        front->authenticator = zeromq_authenticator(front->context, fault);
        if (front->authenticator == NULL)
            return false;
    }
    front->router = zeromq_router(front->context, &options, fault);
    if (front->router == NULL)
        return false;
    front->monitor = zeromq_monitor(front->context, front->router, "router", fault);
    if (front->monitor == NULL)
        return false;
    for (size_t i = 0; i < front->config.endpoint_count; i++)
        if (!bind_endpoint(front->router, &front->config.endpoints[i], fault))
            return false;
    return !front->config.has_events || open_publisher(front, &options, fault);
}

static void close_sockets(struct zmq_front *front)
{
    events_listen(NULL, NULL);
    if (front->publisher != NULL)
        zeromq_socket_close(front->publisher);
    if (front->monitor != NULL)
        zeromq_socket_close(front->monitor);
    if (front->router != NULL)
        zeromq_socket_close(front->router);
    if (front->authenticator != NULL)
        zeromq_socket_close(front->authenticator);
    zeromq_close(front->context);
    for (size_t i = 0; i < front->config.endpoint_count; i++)
        zmq_endpoint_remove(&front->config.endpoints[i]);
    if (front->config.has_events)
        zmq_endpoint_remove(&front->config.events);
}

static bool start_thread(struct zmq_front *front, struct fault *fault)
{
    if (!zeromq_open(&front->context, fault))
        return false;
    if (open_sockets(front, fault)) {
        front->traffic.router = front->router;
        if (pthread_create(&front->thread, NULL, serve, front) == 0)
            return true;
        fault_set(fault, 503, "could not start the ZeroMQ thread");
    }
    close_sockets(front);
    return false;
}

static bool start(struct zmq_front *front, struct service *service, struct fault *fault)
{
    if (!zmq_traffic_init(&front->traffic, &front->config, service, fault))
        return false;
    if (start_thread(front, fault))
        return true;
    zmq_traffic_fini(&front->traffic);
    return false;
}

bool zmq_front_start(struct zmq_front **started, const struct zmq_config *config,
                     struct service *service, struct fault *fault)
{
    struct zmq_front *front = calloc(1, sizeof *front);
    if (front == NULL)
        return fault_set(fault, 503, "out of memory");
    front->config = *config;
    atomic_init(&front->stop_at, UINT64_MAX);
    if (start(front, service, fault)) {
        *started = front;
        return true;
    }
    free(front);
    return false;
}

const struct zmq_config *zmq_front_config(const struct zmq_front *front)
{
    return &front->config;
}

void zmq_front_drain(struct zmq_front *front)
{
    atomic_store(&front->traffic.draining, true);
}

void zmq_front_stop(struct zmq_front *front, uint64_t deadline)
{
    zmq_front_drain(front);
    atomic_store(&front->stop_at, deadline);
    mailbox_wake(&front->traffic.finished);
    pthread_join(front->thread, NULL);
    close_sockets(front);
    zmq_traffic_fini(&front->traffic);
    free(front);
}
