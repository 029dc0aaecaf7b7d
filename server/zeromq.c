#include "server/zeromq.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* In milliseconds. */
enum { HANDSHAKE = 3000, LINGER = 1000 };

/* Of a connection on which nothing comes, in seconds: until the system asks whether the other side
 * is there, and asks again, so many times. */
enum { ASKED_AFTER = 5, ASKED_EVERY = 5, ASKED_TIMES = 2 };

enum { BACKLOG = 1024 };

/* Of the sockets that carry CURVE: whom the authenticator is asked about. */
static const char domain[] = "lstmd";

/* Without an authenticator nobody is let in. Every 4.3 has the option, its header only with the
 * drafts. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

/* ---- keys ---- */

bool zeromq_make_keys(char public_key[ZEROMQ_KEY_TEXT], char secret_key[ZEROMQ_KEY_TEXT],
                      struct fault *fault)
{
    return zmq_curve_keypair(public_key, secret_key) == 0 ||
           fault_set(fault, 503, "no keys: %s", zmq_strerror(errno));
}

bool zeromq_read_key(const char *text, unsigned char key[ZEROMQ_KEY_SIZE])
{
    /* The library takes some other characters for zeros. (rfc.zeromq.org/spec/32) */
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   ".-:+=^!/*?&<>()[]{}@%$#";
    return strlen(text) == ZEROMQ_KEY_TEXT - 1 && strspn(text, alphabet) == ZEROMQ_KEY_TEXT - 1 &&
           zmq_z85_decode(key, text) != NULL;
}

/* ---- frames ---- */

_Static_assert(sizeof(struct zeromq_frame) == sizeof(zmq_msg_t) &&
                   _Alignof(struct zeromq_frame) >= _Alignof(zmq_msg_t),
               "a frame is a zmq_msg_t");

static zmq_msg_t *msg_of(struct zeromq_frame *frame)
{
    return (zmq_msg_t *)(void *)frame;
}

const void *zeromq_frame_data(struct zeromq_frame *frame)
{
    return zmq_msg_data(msg_of(frame));
}

size_t zeromq_frame_size(const struct zeromq_frame *frame)
{
    return zmq_msg_size((const zmq_msg_t *)(const void *)frame);
}

void zeromq_frame_move(struct zeromq_frame *to, struct zeromq_frame *from)
{
    zmq_msg_init(msg_of(to));
    const int moved = zmq_msg_move(msg_of(to), msg_of(from));
    assert(moved == 0);
}

void zeromq_frame_copy(struct zeromq_frame *to, struct zeromq_frame *from)
{
    zmq_msg_init(msg_of(to));
    const int copied = zmq_msg_copy(msg_of(to), msg_of(from));
    assert(copied == 0);
}

void zeromq_frame_close(struct zeromq_frame *frame)
{
    const int closed = zmq_msg_close(msg_of(frame));
    assert(closed == 0);
}

void zeromq_message_close(struct zeromq_message *message)
{
    for (size_t i = 0; i < message->count; i++)
        zeromq_frame_close(&message->frames[i]);
    message->count = 0;
}

/* ---- context ---- */

bool zeromq_open(struct zeromq **context, struct fault *fault)
{
    *context = zmq_ctx_new();
    return *context != NULL ||
           fault_set(fault, 503, "could not start ZeroMQ: %s", zmq_strerror(errno));
}

void zeromq_close(struct zeromq *context)
{
    while (zmq_ctx_term(context) != 0)
        assert(errno == EINTR);
}

/* ---- sockets ---- */

static bool set_int(struct zeromq_socket *socket, int name, int value)
{
    return zmq_setsockopt(socket, name, &value, sizeof value) == 0;
}

static bool set_text(struct zeromq_socket *socket, int name, const char *value)
{
    return zmq_setsockopt(socket, name, value, strlen(value)) == 0;
}

static bool set_frame_limit(struct zeromq_socket *socket, size_t limit)
{
    const int64_t value = (int64_t)limit;
    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &value, sizeof value) == 0;
}

/* Nothing waits for ever for a peer that is gone, or was never one. Whether it is there the system
 * asks, not the library: its heartbeat (ZMQ_HEARTBEAT_IVL) on a connection that broke while it took
 * nothing more of it ends the process (an assertion of 4.3.4, libzmq issue 4364). */
static bool set_limits(struct zeromq_socket *socket, const struct zeromq_socket_options *options)
{
    return set_frame_limit(socket, options->frame_limit) &&
           set_int(socket, ZMQ_RCVHWM, options->receive_limit) &&
           set_int(socket, ZMQ_SNDHWM, options->send_limit) &&
           set_int(socket, ZMQ_BACKLOG, BACKLOG) && set_int(socket, ZMQ_LINGER, LINGER) &&
           set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE) && set_int(socket, ZMQ_TCP_KEEPALIVE, 1) &&
           set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, ASKED_AFTER) &&
           set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, ASKED_EVERY) &&
           set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, ASKED_TIMES);
}

static bool set_curve(struct zeromq_socket *socket, const char *secret_key)
{
    return set_int(socket, ZMQ_CURVE_SERVER, 1) &&
           set_text(socket, ZMQ_CURVE_SECRETKEY, secret_key) &&
           set_text(socket, ZMQ_ZAP_DOMAIN, domain) && set_int(socket, ZMQ_ZAP_ENFORCE_DOMAIN, 1);
}

/* NULL: there is none, and errno says why. */
static struct zeromq_socket *close_failed(struct zeromq_socket *socket)
{
    const int error = errno;
    zmq_close(socket);
    errno = error;
    return NULL;
}

static struct zeromq_socket *open_socket(struct zeromq *context, int type,
                                         const struct zeromq_socket_options *options)
{
    struct zeromq_socket *socket = zmq_socket(context, type);
    if (socket == NULL || (set_limits(socket, options) &&
                           (options->secret_key == NULL || set_curve(socket, options->secret_key))))
        return socket;
    return close_failed(socket);
}

static struct zeromq_socket *or_fault(struct zeromq_socket *socket, struct fault *fault)
{
    if (socket == NULL)
        fault_set(fault, 503, "could not make a ZeroMQ socket: %s", zmq_strerror(errno));
    return socket;
}

/* A reply that cannot be sent is an error rather than nothing. A peer that takes another's name is
 * not given its replies: ZMQ_ROUTER_HANDOVER stays off. */
struct zeromq_socket *zeromq_router(struct zeromq *context,
                                    const struct zeromq_socket_options *options,
                                    struct fault *fault)
{
    struct zeromq_socket *socket = open_socket(context, ZMQ_ROUTER, options);
    if (socket != NULL && !set_int(socket, ZMQ_ROUTER_MANDATORY, 1))
        socket = close_failed(socket);
    return or_fault(socket, fault);
}

struct zeromq_socket *zeromq_publisher(struct zeromq *context,
                                       const struct zeromq_socket_options *options,
                                       struct fault *fault)
{
    return or_fault(open_socket(context, ZMQ_PUB, options), fault);
}

void zeromq_attend(struct zeromq_socket *socket)
{
    int events;
    size_t size = sizeof events;
    zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
}

struct zeromq_socket *zeromq_authenticator(struct zeromq *context, struct fault *fault)
{
    struct zeromq_socket *socket = zmq_socket(context, ZMQ_REP);
    if (socket != NULL &&
        !(set_int(socket, ZMQ_LINGER, 0) && zmq_bind(socket, "inproc://zeromq.zap.01") == 0))
        socket = close_failed(socket);
    return or_fault(socket, fault);
}

/* The library's thread writes events and waits where there is no room: without limit there is. */
struct zeromq_socket *zeromq_monitor(struct zeromq *context, struct zeromq_socket *watched,
                                     const char *name, struct fault *fault)
{
    const int events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_ACCEPT_FAILED |
                       ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "inproc://lstmd.monitor.%s", name);
    struct zeromq_socket *socket = zmq_socket(context, ZMQ_PAIR);
    if (socket != NULL &&
        !(zmq_socket_monitor(watched, endpoint, events) == 0 && set_int(socket, ZMQ_LINGER, 0) &&
          set_int(socket, ZMQ_RCVHWM, 0) && zmq_connect(socket, endpoint) == 0))
        socket = close_failed(socket);
    return or_fault(socket, fault);
}

void zeromq_socket_close(struct zeromq_socket *socket)
{
    zmq_close(socket);
}

bool zeromq_bind(struct zeromq_socket *socket, const char *endpoint, bool ipv6, char *bound,
                 size_t capacity, struct fault *fault)
{
    if (set_int(socket, ZMQ_IPV6, ipv6 ? 1 : 0) && zmq_bind(socket, endpoint) == 0 &&
        zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &capacity) == 0)
        return true;
    return fault_set(fault, 503, "cannot listen on %s: %s", endpoint, zmq_strerror(errno));
}

int zeromq_descriptor(const struct zeromq_socket *socket)
{
    int descriptor = -1;
    size_t size = sizeof descriptor;
    /* The library does not change the socket for this. */
    const int got = zmq_getsockopt((void *)(uintptr_t)socket, ZMQ_FD, &descriptor, &size);
    assert(got == 0);
    return descriptor;
}

/* ---- receiving ---- */

/* Parts of a message arrive together, so after the first the next one is there. */
static bool receive_frame(struct zeromq_socket *socket, zmq_msg_t *msg)
{
    int size;
    zmq_msg_init(msg);
    do
        size = zmq_msg_recv(msg, socket, ZMQ_DONTWAIT);
    while (size < 0 && errno == EINTR);
    if (size >= 0)
        return true;
    zmq_msg_close(msg);
    return false;
}

static void drop_rest(struct zeromq_socket *socket, struct zeromq_message *message)
{
    zmq_msg_t msg;
    bool more = true;
    message->cut_off = true;
    while (more && receive_frame(socket, &msg)) {
        message->size += zmq_msg_size(&msg);
        more = zmq_msg_more(&msg) != 0;
        zmq_msg_close(&msg);
    }
}

bool zeromq_receive(struct zeromq_socket *socket, struct zeromq_message *message)
{
    bool more = true;
    message->count = message->size = 0;
    message->cut_off = false;
    while (more && message->count < ZEROMQ_FRAMES_MAX) {
        zmq_msg_t *msg = msg_of(&message->frames[message->count]);
        if (!receive_frame(socket, msg))
            return false;
        message->count++;
        message->size += zmq_msg_size(msg);
        more = zmq_msg_more(msg) != 0;
    }
    if (more)
        drop_rest(socket, message);
    return true;
}

/* ---- sending ---- */

static bool make_message(struct zeromq_part *part, zmq_msg_t *msg)
{
    if (part->frame != NULL) {
        zeromq_frame_move((struct zeromq_frame *)(void *)msg, part->frame);
        part->frame = NULL;
        return true;
    }
    if (part->release != NULL) {
        /* The library only reads it. */
        if (zmq_msg_init_data(msg, (void *)(uintptr_t)part->data, part->size, part->release,
                              part->hint) != 0)
            return false;
        part->release = NULL;
        return true;
    }
    if (zmq_msg_init_size(msg, part->size) != 0)
        return false;
    if (part->size != 0)
        memcpy(zmq_msg_data(msg), part->data, part->size);
    return true;
}

static void drop_part(struct zeromq_part *part)
{
    if (part->frame != NULL)
        zeromq_frame_close(part->frame);
    else if (part->release != NULL)
        part->release((void *)(uintptr_t)part->data, part->hint);
}

/* Which releases their bytes. */
static void close_messages(zmq_msg_t *msgs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        zmq_msg_close(&msgs[i]);
}

static bool make_messages(struct zeromq_part *parts, zmq_msg_t *msgs, size_t count)
{
    size_t made = 0;
    while (made < count && make_message(&parts[made], &msgs[made]))
        made++;
    if (made == count)
        return true;
    close_messages(msgs, made);
    for (size_t i = made; i < count; i++)
        drop_part(&parts[i]);
    return false;
}

static bool send_message(struct zeromq_socket *socket, zmq_msg_t *msg, int flags)
{
    int sent;
    do
        sent = zmq_msg_send(msg, socket, flags | ZMQ_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

/* All of it is made before any of it is sent: what the library was told is to be continued could
 * not be taken back, and the next message would continue it. Where the first part has a way, the
 * others take it or are dropped by the library: a message is never cut. */
enum zeromq_sent zeromq_send(struct zeromq_socket *socket, struct zeromq_part *parts, size_t count)
{
    zmq_msg_t msgs[ZEROMQ_FRAMES_MAX];
    assert(count <= ZEROMQ_FRAMES_MAX);
    if (!make_messages(parts, msgs, count))
        return ZEROMQ_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (send_message(socket, &msgs[i], i + 1 < count ? ZMQ_SNDMORE : 0))
            continue;
        const enum zeromq_sent sent = errno == EHOSTUNREACH ? ZEROMQ_GONE : ZEROMQ_FULL;
        close_messages(msgs + i, count - i);
        return sent;
    }
    return ZEROMQ_SENT;
}

/* ---- monitor ---- */

static enum zeromq_event event_of(unsigned number)
{
    switch (number) {
    case ZMQ_EVENT_ACCEPTED:
        return ZEROMQ_CONNECTED;
    case ZMQ_EVENT_DISCONNECTED:
        return ZEROMQ_DISCONNECTED;
    case ZMQ_EVENT_ACCEPT_FAILED:
        return ZEROMQ_ACCEPT_FAILED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        return ZEROMQ_HANDSHAKE_FAILED;
    default:
        return ZEROMQ_OTHER;
    }
}

/* Of the two frames of an event the first begins with its number. */
bool zeromq_next_event(struct zeromq_socket *monitor, enum zeromq_event *event)
{
    struct zeromq_message message;
    uint16_t number = 0;
    if (!zeromq_receive(monitor, &message))
        return false;
    if (zeromq_frame_size(&message.frames[0]) >= sizeof number)
        memcpy(&number, zeromq_frame_data(&message.frames[0]), sizeof number);
    *event = event_of(number);
    zeromq_message_close(&message);
    return true;
}
