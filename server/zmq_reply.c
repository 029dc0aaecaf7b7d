#include "server/zmq_reply.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The library hands memory from thread to thread by means that the thread sanitizer does not see:
 * it is told here. */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define HAND_OVER(sent) __tsan_release(sent)
#define TAKE_OVER(sent) __tsan_acquire(sent)
#else
#define HAND_OVER(sent) (void)(sent)
#define TAKE_OVER(sent) (void)(sent)
#endif

_Static_assert(ZMQ_ROUTE_MAX + 1 + INFER_TENSOR_MAX <= ZEROMQ_FRAMES_MAX, "a reply is one message");

/* What is left of a reply whose bytes the library has. */
struct sent_reply {
    atomic_size_t frames; /* that are not released yet */
    struct zmq_peer *peer;
    size_t held; /* bytes, counted as unread */
    char *body;
    struct budget *budget; /* as the reply's */
    size_t charge;
};

/* From the last frame's on nothing of the peer may be touched. */
static void release(void *data, void *hint)
{
    struct sent_reply *sent = hint;
    (void)data;
    TAKE_OVER(sent);
    if (atomic_fetch_sub(&sent->frames, 1) != 1)
        return;
    free(sent->body);
    if (sent->charge != 0)
        budget_give(sent->budget, sent->charge);
    atomic_fetch_sub(&sent->peer->unread, sent->held);
    free(sent);
}

/* A small answer's room may be many times what is in it. What no job answered has no charge. */
static size_t held_by(const struct reply *reply)
{
    return reply->charge > reply->size ? reply->charge : reply->size;
}

static struct sent_reply *hold(struct zmq_peer *peer, const struct reply *reply)
{
    struct sent_reply *sent = malloc(sizeof *sent);
    if (sent != NULL)
        *sent = (struct sent_reply){
            .peer = peer,
            .held = held_by(reply),
            .body = reply->body,
            .budget = reply->budget,
            .charge = reply->charge,
        };
    return sent;
}

/* The JSON, then the tensors. Returns how many parts they are. */
static size_t cut(struct sent_reply *sent, const struct reply *reply, struct zeromq_part *parts)
{
    const size_t json_size = reply->json_size != 0 ? reply->json_size : reply->size;
    size_t at = json_size, count = 0;
    parts[count++] = (struct zeromq_part){
        .data = reply->body, .size = json_size, .release = release, .hint = sent};
    for (size_t i = 0; i < reply->tensor_count; i++) {
        parts[count++] = (struct zeromq_part){.data = reply->body + at,
                                              .size = reply->tensor_sizes[i],
                                              .release = release,
                                              .hint = sent};
        at += reply->tensor_sizes[i];
    }
    assert(at == reply->size);
    atomic_init(&sent->frames, count);
    HAND_OVER(sent);
    return count;
}

static enum zeromq_sent send_held(struct zeromq_socket *router, struct sent_reply *sent,
                                  struct zeromq_frame *route, size_t route_count,
                                  struct reply *reply)
{
    struct zeromq_part parts[ZMQ_ROUTE_MAX + 1 + INFER_TENSOR_MAX];
    for (size_t i = 0; i < route_count; i++)
        parts[i] = (struct zeromq_part){.frame = &route[i]};
    const size_t count = route_count + cut(sent, reply, parts + route_count);
    *reply = (struct reply){0};
    return zeromq_send(router, parts, count);
}

static void drop(struct zeromq_frame *route, size_t route_count, struct reply *reply)
{
    for (size_t i = 0; i < route_count; i++)
        zeromq_frame_close(&route[i]);
    reply_fini(reply);
}

enum zeromq_sent zmq_reply_send(struct zeromq_socket *router, struct zmq_peer *peer,
                                struct zeromq_frame *route, size_t route_count, size_t unread_limit,
                                struct reply *reply)
{
    assert(route_count <= ZMQ_ROUTE_MAX);
    const bool full = atomic_load(&peer->unread) > unread_limit;
    struct sent_reply *sent = router != NULL && !full ? hold(peer, reply) : NULL;
    if (sent == NULL) {
        drop(route, route_count, reply);
        return full ? ZEROMQ_FULL : ZEROMQ_NO_MEMORY;
    }
    atomic_fetch_add(&peer->unread, sent->held);
    return send_held(router, sent, route, route_count, reply);
}
