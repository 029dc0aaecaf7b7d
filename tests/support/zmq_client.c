#include "tests/support/zmq_client.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "tests/support/die.h"

static void must(int result, const char *what)
{
    if (result < 0)
        die("%s: %s", what, zmq_strerror(zmq_errno()));
}

static void set_int(void *socket, int option, int value)
{
    must(zmq_setsockopt(socket, option, &value, sizeof value), "zmq_setsockopt");
}

static void set_text(void *socket, int option, const char *value)
{
    must(zmq_setsockopt(socket, option, value, strlen(value)), "zmq_setsockopt");
}

void zmq_client_init(struct zmq_client *client, enum zmq_client_type type, const char *endpoint,
                     const struct zmq_client_keys *keys)
{
    static const int types[] = {
        [ZMQ_CLIENT_REQ] = ZMQ_REQ, [ZMQ_CLIENT_DEALER] = ZMQ_DEALER, [ZMQ_CLIENT_SUB] = ZMQ_SUB};
    client->context = zmq_ctx_new();
    client->socket = zmq_socket(client->context, types[type]);
    if (client->socket == NULL)
        die("zmq_socket: %s", zmq_strerror(zmq_errno()));
    set_int(client->socket, ZMQ_LINGER, 0);
    if (keys != NULL) {
        set_text(client->socket, ZMQ_CURVE_SERVERKEY, keys->server);
        set_text(client->socket, ZMQ_CURVE_PUBLICKEY, keys->own_public);
        set_text(client->socket, ZMQ_CURVE_SECRETKEY, keys->own_secret);
    }
    must(zmq_connect(client->socket, endpoint), endpoint);
}

void zmq_client_fini(struct zmq_client *client)
{
    zmq_close(client->socket);
    zmq_ctx_term(client->context);
}

void zmq_client_subscribe(struct zmq_client *client, const char *prefix)
{
    set_text(client->socket, ZMQ_SUBSCRIBE, prefix);
}

void zmq_client_send(struct zmq_client *client, const struct zmq_frame *frames, size_t count)
{
    for (size_t i = 0; i < count; i++)
        must(zmq_send(client->socket, frames[i].data, frames[i].size,
                      i + 1 < count ? ZMQ_SNDMORE : 0),
             "zmq_send");
}

void zmq_client_send_text(struct zmq_client *client, const char *text)
{
    const struct zmq_frame frame = {text, strlen(text)};
    zmq_client_send(client, &frame, 1);
}

static bool receive_frame(struct zmq_client *client, struct zmq_answer *answer)
{
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    if (zmq_msg_recv(&msg, client->socket, 0) < 0)
        die("zmq_msg_recv: %s", zmq_strerror(zmq_errno()));
    if (answer->count == ZMQ_ANSWER_FRAMES)
        die("an answer of more than %d frames", ZMQ_ANSWER_FRAMES);
    const size_t size = zmq_msg_size(&msg);
    char *frame = must_allocate(size + 1);
    memcpy(frame, zmq_msg_data(&msg), size);
    frame[size] = '\0';
    answer->sizes[answer->count] = size;
    answer->frames[answer->count++] = frame;
    const bool more = zmq_msg_more(&msg) != 0;
    zmq_msg_close(&msg);
    return more;
}

bool zmq_client_receive(struct zmq_client *client, struct zmq_answer *answer, int milliseconds)
{
    zmq_pollitem_t item = {.socket = client->socket, .events = ZMQ_POLLIN};
    answer->count = 0;
    if (zmq_poll(&item, 1, milliseconds) <= 0)
        return false;
    while (receive_frame(client, answer))
        continue;
    return true;
}

void zmq_answer_fini(struct zmq_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        free(answer->frames[i]);
    answer->count = 0;
}
