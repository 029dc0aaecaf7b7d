/* ZeroMQ as a well-behaved client speaks it (libzmq). */
#ifndef TESTS_SUPPORT_ZMQ_CLIENT_H
#define TESTS_SUPPORT_ZMQ_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

enum zmq_client_type { ZMQ_CLIENT_REQ, ZMQ_CLIENT_DEALER, ZMQ_CLIENT_SUB };

struct zmq_client {
    void *context, *socket;
};

/* CURVE keys as Z85. */
struct zmq_client_keys {
    const char *server, *own_public, *own_secret;
};

/* Connects; keys: NULL for none. */
void zmq_client_init(struct zmq_client *client, enum zmq_client_type type, const char *endpoint,
                     const struct zmq_client_keys *keys);
void zmq_client_fini(struct zmq_client *client);

/* Of a SUB. */
void zmq_client_subscribe(struct zmq_client *client, const char *prefix);

struct zmq_frame {
    const void *data;
    size_t size;
};

/* Waits where there is no room. */
void zmq_client_send(struct zmq_client *client, const struct zmq_frame *frames, size_t count);
/* One frame of text. */
void zmq_client_send_text(struct zmq_client *client, const char *text);

#define ZMQ_ANSWER_FRAMES 40

struct zmq_answer {
    size_t count;
    char *frames[ZMQ_ANSWER_FRAMES]; /* each with a NUL behind it */
    size_t sizes[ZMQ_ANSWER_FRAMES];
};

/* false: nothing came in so many milliseconds. The answer is the caller's: zmq_answer_fini. */
bool zmq_client_receive(struct zmq_client *client, struct zmq_answer *answer, int milliseconds);
void zmq_answer_fini(struct zmq_answer *answer);

#endif
