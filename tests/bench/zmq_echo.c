/* What ZeroMQ itself costs here: a libzmq ROUTER that answers every request with frames of the same
 * sizes, straight from its loop.
 *
 *   zmq-echo ENDPOINT SIZE...
 *
 * Prints "zmq-echo ready zmq=ENDPOINT" on stderr, the real port in it; ends on SIGTERM. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "tests/support/die.h"

enum { FRAMES_MAX = 32, SIZE_MAX_BYTES = 1 << 20 };

static struct {
    size_t count, sizes[FRAMES_MAX];
    char bytes[SIZE_MAX_BYTES];
} answer;

static void must(bool good, const char *what)
{
    if (!good)
        die("zmq-echo: %s: %s", what, zmq_strerror(zmq_errno()));
}

static bool is_more(zmq_msg_t *frame)
{
    return zmq_msg_more(frame) != 0;
}

/* Sends the request's frames back up to the empty one; the rest is dropped. */
static void turn_envelope(void *router)
{
    bool envelope = true, more = true;
    while (more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        must(zmq_msg_recv(&frame, router, 0) >= 0, "zmq_msg_recv");
        more = is_more(&frame);
        const bool sent = envelope;
        envelope = envelope && zmq_msg_size(&frame) > 0;
        if (!sent)
            zmq_msg_close(&frame);
        else
            must(zmq_msg_send(&frame, router, ZMQ_SNDMORE) >= 0, "zmq_msg_send");
    }
}

static void send_answer(void *router)
{
    for (size_t i = 0; i < answer.count; i++)
        must(zmq_send(router, answer.bytes, answer.sizes[i],
                      i + 1 < answer.count ? ZMQ_SNDMORE : 0) >= 0,
             "zmq_send");
}

static void read_sizes(int argc, char **argv)
{
    answer.count = argc > 2 ? (size_t)(argc - 2) : 0;
    bool good = answer.count > 0 && answer.count <= FRAMES_MAX;
    for (size_t i = 0; good && i < answer.count; i++) {
        char *rest;
        answer.sizes[i] = strtoul(argv[i + 2], &rest, 10);
        good = *rest == '\0' && answer.sizes[i] <= SIZE_MAX_BYTES;
    }
    if (good)
        return;
    fputs("usage: zmq-echo ENDPOINT SIZE...\n", stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    char endpoint[256];
    size_t size = sizeof endpoint;
    read_sizes(argc, argv);
    memset(answer.bytes, ' ', sizeof answer.bytes);
    void *router = zmq_socket(zmq_ctx_new(), ZMQ_ROUTER);
    must(router != NULL, "zmq_socket");
    must(zmq_bind(router, argv[1]) == 0, argv[1]);
    must(zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0, "zmq_getsockopt");
    fprintf(stderr, "zmq-echo ready zmq=%s\n", endpoint);
    for (;;) {
        turn_envelope(router);
        send_answer(router);
    }
}
